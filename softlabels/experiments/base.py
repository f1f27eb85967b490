"""What every experiment needs: runs in parallel, results that survive a kill, and a record of where each number comes
from.

An experiment is a grid of cells, arm x seed. Each finished cell is written at once, so a run that is killed goes on
where it stopped; it refuses to go on when the settings have changed since, because then the rows would not be
comparable.
"""

import json
import multiprocessing
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load, save
from tqdm.auto import tqdm

from softlabels.distill.transfer import SoftLabelCache, write_atomically
from softlabels.tasks import home
from softlabels.tasks.provenance import commit, cores, processor
from softlabels.tasks.store import spread


class Cell(NamedTuple):
    arm: str
    seed: int


class ConfigurationChanged(RuntimeError):
    """The results in the file were measured under other settings than the ones asked for now."""


@dataclass
class Results:
    """frame: one tidy row a measurement, with its provenance. arrays: by "arm/seed/name", what does not fit a table."""

    frame: pd.DataFrame
    arrays: dict[str, np.ndarray]
    path: Path


class Experiment(ABC):
    """One experiment: a subclass names itself and its arms, and says how to run a cell and what to make of them all."""

    name: str
    description: str
    arms: tuple[str, ...]
    seeds: int = 3
    seeded: bool = True  # False: chance plays no part, so there is one seed, 0
    parallel: bool = True  # one thread a cell, as many cells as cores; False: one cell at a time, with all threads

    def __init__(self, quick: bool = False, folder: Path | None = None):
        self.quick = quick
        usual = home.cache() / "quick" if quick else home.results(self.name).parent
        self.folder = Path(folder or usual)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.csv"

    @abstractmethod
    def settings(self) -> dict:
        """Return all that decides a cell's outcome, as plain JSON: rows under other settings are not comparable."""

    @abstractmethod
    def units(self) -> int:
        """Return how many units of progress one cell reports."""

    @abstractmethod
    def run_cell(
        self, cell: Cell, settings: dict, tell: Callable[[int], None]
    ) -> tuple[list[dict], dict[str, np.ndarray]]:
        """Run one cell: return its rows (measured values only) and its arrays. tell(units so far) moves the bar."""

    def finish(self, results: Results) -> None:  # noqa: B027  an experiment may have nothing to show
        """Show and draw the results once all cells are there."""


def measure(
    experiment: Experiment,
    seeds: int | Sequence[int] | None = None,
    progress: bool = True,
    fresh: bool = False,
    workers: int | None = None,
) -> Results:
    """Run the cells that are missing, save each as it finishes, and return all results. See
    `softlabels.experiments.run`.
    """
    settings = json.loads(json.dumps(experiment.settings()))  # as it will be read back
    results = Results(pd.DataFrame(), {}, experiment.path) if fresh else read(experiment.path, settings)
    seeds = experiment.seeds if seeds is None else seeds
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    cells = [Cell(arm, int(seed)) for seed in (seeds if experiment.seeded else [0]) for arm in experiment.arms]
    done = set(results.frame[["arm", "seed"]].itertuples(index=False, name=None)) if len(results.frame) else set()
    todo = [cell for cell in cells if cell not in done]
    if done and progress:
        print(f"{experiment.path.name} holds {len(cells) - len(todo)} of the {len(cells)} runs already")

    with tqdm(total=len(todo) * experiment.units(), unit="step", leave=False, disable=not progress) as bar:
        bar.set_description(f"{experiment.name}: 0 of {len(todo)} runs")
        for count, (cell, rows, arrays) in enumerate(execute(experiment, todo, settings, bar, workers), start=1):
            keep(results, cell, rows, arrays, settings, experiment)
            bar.set_description(f"{experiment.name}: {count} of {len(todo)} runs")
    experiment.finish(results)
    return results


def execute(
    experiment: Experiment, cells: list[Cell], settings: dict, bar: tqdm, workers: int | None
) -> Iterator[tuple]:
    """Yield (cell, rows, arrays) as cells finish: in this process for one worker, else in a pool of processes."""
    workers = min(workers or (cores() if experiment.parallel else 1), max(1, len(cells)))
    if workers == 1:
        for cell in cells:
            before = bar.n
            result = run(experiment, cell, settings, lambda units, before=before: bar.update(before + units - bar.n))
            bar.update(before + experiment.units() - bar.n)
            yield cell, *result
        return

    # Spawned, not forked: a fork of a process whose torch has threads can hang.
    context = multiprocessing.get_context("spawn")
    units, stop = context.Value("q", 0), context.Value("b", 0)
    with ProcessPoolExecutor(workers, context, start_worker, (units, stop, max(1, cores() // workers))) as pool:
        waiting = {pool.submit(work, experiment, cell, settings): cell for cell in cells}
        try:
            while waiting:
                finished, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                bar.update(units.value - bar.n)
                for future in finished:
                    yield waiting.pop(future), *future.result()
        except BaseException:  # an error in a cell, or the user's Ctrl-C, or a notebook's stop button
            stop.value = 1
            pool.shutdown(cancel_futures=True)
            raise


def start_worker(units: Any, stop: Any, threads: int) -> None:
    global shared
    shared = (units, stop)
    torch.set_num_threads(threads)


def work(experiment: Experiment, cell: Cell, settings: dict) -> tuple:
    """Run one cell in a worker process, adding its progress to what all workers share."""
    units, stop = shared
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done - told >= 10 or done == experiment.units():
            if stop.value:
                raise KeyboardInterrupt
            with units.get_lock():
                units.value += done - told
            told = done

    return run(experiment, cell, settings, tell)


def run(experiment: Experiment, cell: Cell, settings: dict, tell: Callable[[int], None]) -> tuple[list[dict], dict]:
    """Run one cell; its rows say which cell they are of, and where they come from."""
    rows, arrays = experiment.run_cell(cell, settings, tell)
    return [dict(arm=cell.arm, seed=cell.seed, **row, **provenance()) for row in rows], arrays


def keep(results: Results, cell: Cell, rows: list[dict], arrays: dict, settings: dict, experiment: Experiment) -> None:
    """Add one cell's rows and arrays, and write everything; the table last, as it says which cells are done."""
    results.frame = pd.concat([results.frame, pd.DataFrame(rows)], ignore_index=True)
    results.arrays |= {f"{cell.arm}/{cell.seed}/{name}": np.ascontiguousarray(array) for name, array in arrays.items()}
    about = dict(
        experiment=experiment.name, description=experiment.description, quick=experiment.quick, settings=settings
    )
    path = results.path
    if results.arrays:
        write_atomically(path.with_suffix(".safetensors"), save(dict(sorted(results.arrays.items()))))
    write_atomically(path.with_suffix(".json"), (json.dumps(about, indent=1) + "\n").encode())
    write_atomically(path, results.frame.to_csv(index=False, lineterminator="\n").encode())


def read(path: Path, settings: dict) -> Results:
    """Read what an earlier run left, and refuse it when its settings were others."""
    if not path.is_file():
        return Results(pd.DataFrame(), {}, path)
    earlier = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["settings"]
    changed = [key for key in sorted(earlier.keys() | settings.keys()) if earlier.get(key) != settings.get(key)]
    if changed:
        first = changed[0]
        raise ConfigurationChanged(
            f"{path.name} was measured with {first} = {earlier.get(first)!r}, and now it is {settings.get(first)!r}"
            f"{f' (and {len(changed) - 1} more differ)' if changed[1:] else ''}: the rows would not be comparable. "
            "Start again with fresh=True (softlabels run NAME --fresh), or put the settings back."
        )
    arrays = path.with_suffix(".safetensors")
    return Results(pd.read_csv(path), load(arrays.read_bytes()) if arrays.is_file() else {}, path)


def provenance() -> dict:
    """Return where a row comes from: the code's commit, the versions, the machine, the day."""
    return dict(
        commit=commit(),
        softlabels=version("softlabels"),
        torch=torch.__version__,
        python=platform.python_version(),
        processor=processor(),
        threads=torch.get_num_threads(),
        measured=time.strftime("%Y-%m-%d", time.gmtime()),
    )


def some(examples, count: int | None):
    """Return count of the examples, spread evenly over the file (whose order follows the classes), or all of them."""
    if count is None or count >= len(examples):
        return examples
    return examples.take(spread(len(examples), count))


def soft_labels_of(task, made: str = "") -> SoftLabelCache:
    """Return the soft labels that belong to a task. FileNotFoundError says which command makes them.

    made: what they are called, where a task has those of several teachers; "" is the task's name.
    """
    path = home.soft_labels_file(made or task.name)
    if not path.is_file():
        raise FileNotFoundError(
            f"there are no soft labels at {path}: `softlabels run soft-labels-{made or task.name}` makes them"
        )
    return SoftLabelCache.load(path, expect=task)
