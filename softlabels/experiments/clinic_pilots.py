"""Which learning rate suits each case of the clinic? By validation; the test set is not looked at."""

from softlabels import distill, tasks
from softlabels.experiments.base import Cell, some
from softlabels.experiments.clinic import (
    Clinic,
    ClinicClauses,
    ClinicMail,
    ClinicRouter,
    ClinicTriage,
    tokenizer_of,
    tokens_of,
)
from softlabels.experiments.students import StudentExperiment

PILOT_SEED = 5  # none of the five
TRIED_RATES = (1e-3, 3e-3)


class Pilot(StudentExperiment):
    """One run for each rate. A subclass names the case."""

    case: type[Clinic]
    arms = tuple(f"rate {rate:g}" for rate in TRIED_RATES)
    seeded = False
    columns = ("validation_accuracy",)

    def settings(self):
        found = self.case(self.quick).settings()
        return {name: value for name, value in found.items() if name != "rate"} | dict(seed=PILOT_SEED)

    def units(self):
        return self.case(self.quick).units()

    def run_cell(self, cell, settings, tell):
        case, rate = self.case(self.quick), float(cell.arm.removeprefix("rate "))
        task, option = tasks.load(case.task_name), case.options["soft labels"]
        tokenizer = tokenizer_of(option, task)
        learning = Cell("soft labels", settings["seed"])
        student, about = case.learn(learning, option, tokenizer, rate, settings, tell)
        validation = some(task.split("validation"), 100 if self.quick else None)
        logits = distill.predict(student, tokens_of(validation, tokenizer, task, option))
        return [about | dict(validation_accuracy=distill.accuracy(logits, validation.labels))], {}


class ClinicMailPilot(Pilot):
    name = "clinic-mail-pilot"
    description = "the learning rate of case 1's students, by accuracy on validation"
    case = ClinicMail


class ClinicTriagePilot(Pilot):
    name = "clinic-triage-pilot"
    description = "the learning rate of case 2's students, by accuracy on validation"
    case = ClinicTriage


class ClinicRouterPilot(Pilot):
    name = "clinic-router-pilot"
    description = "the learning rate of case 4's students, by accuracy on validation"
    case = ClinicRouter


class ClinicClausesPilot(Pilot):
    name = "clinic-clauses-pilot"
    description = "the learning rate of case 6's students, by accuracy on validation"
    case = ClinicClauses


PILOTS = (ClinicMailPilot, ClinicTriagePilot, ClinicRouterPilot, ClinicClausesPilot)
