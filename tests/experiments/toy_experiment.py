"""An experiment that takes milliseconds; in a module of its own, because worker processes must be able to import it."""

import time

import numpy as np

from softlabels.experiments import Experiment


class Toy(Experiment):
    name = "toy"
    description = "two arms that add and multiply"
    arms = ("add", "multiply")
    seeds = 2

    def __init__(self, quick=False, folder=None, factor=10, fail_at=None, pause=0.0):
        super().__init__(quick, folder)
        self.factor, self.fail_at, self.pause, self.ran = factor, fail_at, pause, []

    def settings(self):
        return dict(factor=self.factor, arms=self.arms)  # a tuple: it must survive the way through JSON

    def units(self):
        return 40

    def run_cell(self, cell, settings, tell):
        self.ran.append(cell)
        for unit in range(40):
            time.sleep(self.pause)
            tell(unit + 1)
        if tuple(cell) == self.fail_at:
            raise RuntimeError("killed half-way")
        value = cell.seed + settings["factor"] if cell.arm == "add" else cell.seed * settings["factor"]
        return [dict(value=value)], dict(correct=np.array([value > 9, True]))
