"""Running a solution from a fresh kernel, and keeping of its outputs only what does not change from run to run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from softlabels.course.rules import BuildError, check_outputs

__all__ = ["Timing", "execute", "source_sha256", "tidy"]

_TIMEOUT = 600  # seconds a cell; a lesson's own limit is far below, this only ends a cell that hangs
_KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_BAR = re.compile(r"\d+%\|")


@dataclass(frozen=True)
class Timing:
    """Seconds a run took, without the start of the kernel."""

    run_seconds: float
    slowest_cell_seconds: float


def source_sha256(nb: NotebookNode) -> str:
    """What outputs depend on within a notebook: the cells' ids, kinds and sources, in order."""
    cells = [[cell.id, cell.cell_type, cell.source] for cell in nb.cells]
    return hashlib.sha256(json.dumps(cells, ensure_ascii=False).encode()).hexdigest()


def execute(nb: NotebookNode, name: str, folder: Path) -> Timing:
    """Run ``nb`` (in place) in ``folder`` and tidy its outputs. The learner's own record is left alone.

    Raises BuildError if a cell fails, naming it.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    seconds: dict[int, float] = {}
    started: dict[int, float] = {}

    def begin(cell, cell_index):
        started[cell_index] = time.perf_counter()

    def end(cell, cell_index, execute_reply):
        seconds[cell_index] = time.perf_counter() - started[cell_index]

    with tempfile.TemporaryDirectory() as scratch:
        quiet = {"SOFTLABELS_WORK": scratch, "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "0"}
        client = NotebookClient(
            nb,
            timeout=_TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            store_widget_state=False,
            on_cell_execute=begin,
            on_cell_executed=end,
        )
        try:
            client.execute(env={**os.environ, **quiet})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            cell = nb.cells[max(started)] if started else None
            last = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
            where = f"cell {cell.id!r}" if cell else "the kernel"
            raise BuildError(f"{name}, {where} failed:\n  " + "\n  ".join(last[-6:])) from None
    tidy(nb)
    check_outputs(nb, name, private=(str(folder.parent), str(Path.home()) + os.sep))
    nb.metadata["softlabels"] = {"source_sha256": source_sha256(nb)}
    return Timing(sum(seconds.values()), max(seconds.values(), default=0.0))


def tidy(nb: NotebookNode) -> None:
    """Strip what differs between runs or tells of this machine: time stamps, versions, widget state, bars, stderr."""
    ours = nb.metadata.get("softlabels")
    nb.metadata = nbformat.from_dict({"kernelspec": _KERNELSPEC, "language_info": {"name": "python"}})
    if ours:
        nb.metadata["softlabels"] = ours
    count = 0
    for cell in nb.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        cell.outputs = _tidy_outputs(cell.outputs, cell.execution_count)


def _tidy_outputs(outputs: list[NotebookNode], count: int | None) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            # How a kernel cuts one print into messages is chance; \r returns are a progress bar drawing over itself.
            output.text = "\n".join(line.rsplit("\r", 1)[-1] for line in output.text.split("\n"))
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
            if not output.text.strip():
                continue
        if "data" in output:
            bar = _WIDGET in output.data and _BAR.search(output.data.get("text/plain", ""))
            # A view without its state shows as an error in a saved notebook; its HTML or picture stands in its place.
            output.data.pop(_WIDGET, None)
            if bar or not output.data:
                continue
        if output.output_type == "execute_result":
            output.execution_count = count
        kept.append(output)
    return kept
