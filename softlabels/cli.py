"""The command line: softlabels lab · doctor · fetch · build · run · distil · board · handout · bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Every import of ours stands inside its command: `softlabels --help` must not wait for torch.
app = typer.Typer(
    help="Soft Labels: distil small BERTs, from scratch. Start with: softlabels lab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """The entry point of the `softlabels` command."""
    app()


def _stop(message: object) -> typer.Exit:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(f"{message}", style="red", markup=False)
    return typer.Exit(1)


@app.command()
def lab(
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")] = True,
    port: Annotated[
        int | None, typer.Option(help="The port to listen on; the next free one is taken if it is busy.")
    ] = None,
) -> None:
    """Open the lessons in JupyterLab. Your own changes are never overwritten."""
    from softlabels.course.lab import copy_lessons, open_lab
    from softlabels.tasks import home

    root, work = home.root(), home.work()
    try:
        done = copy_lessons(root / "lessons", work)
    except OSError as error:
        raise _stop(f"The lessons could not be copied: {error}") from None
    for name in done.new:
        typer.echo(f"new: {name}")
    for name in done.updated:
        typer.echo(f"updated (you had not changed it): {name}")
    for name in done.beside:
        typer.echo(f"a newer version lies beside your own: {name}")
    raise typer.Exit(open_lab(root, work, browser=browser, port=port, say=typer.echo))


@app.command()
def doctor() -> None:
    """Look at this machine: what is there, what is missing, and the command that mends it."""
    from rich.console import Console
    from rich.table import Table

    from softlabels.course.doctor import diagnose_machine

    table = Table("", "what", "found", "to mend it", box=None, pad_edge=False)
    broken = 0
    for finding in diagnose_machine():
        broken += finding.needed and not finding.ok
        state = "[green]ok[/]" if finding.ok else "[red]missing[/]" if finding.needed else "[yellow]optional[/]"
        table.add_row(state, _plain(finding.what), _plain(finding.said), "" if finding.ok else _plain(finding.mend))
    Console().print(table)
    typer.echo("All is there: softlabels lab" if not broken else f"{broken} missing: run the commands on the right.")
    raise typer.Exit(1 if broken else 0)


def _plain(text: str):
    from rich.text import Text

    return Text(text)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Which data. None named: minilm and wordnet, which every lesson needs (106 MB). "
            "clinic: newsgroups and intents, for lesson 12 alone (39 MB). all: these four (144 MB). "
            "Or any of them by name."
        ),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Take the files from a folder instead of the network.")
    ] = None,
) -> None:
    """Fetch the data and the base model, verified by their hashes. Only what is missing or damaged is fetched."""
    from softlabels.tasks import carriers

    try:
        carriers.fetch(names or None, source_dir=source)
    except carriers.FetchError as error:
        raise _stop(error) from None


@app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(help='Lessons, such as "02"; all if none is named.')] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="First run the solutions whose source has changed.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if something is stale.")] = False,
) -> None:
    """Make the lessons from the solutions (for authors)."""
    from softlabels.course.build import BuildError
    from softlabels.course.build import build as make

    try:
        report = make(names or (), run=execute, check=check, say=typer.echo)
    except BuildError as error:
        raise _stop(error) from None
    for line in report.stale:
        typer.echo(f"stale: {line}")
    for name in report.written:
        typer.echo(f"wrote {name}")
    if not (report.stale or report.written or report.executed):
        typer.echo("Everything is up to date.")
    raise typer.Exit(1 if report.stale else 0)


@app.command()
def run(
    name: Annotated[str | None, typer.Argument(help="The experiment; the list if none is named.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; the published run's number if not given.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A run of seconds that only shows that it works.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was measured and start again.")] = False,
) -> None:
    """Reproduce a measured experiment of data/results."""
    from softlabels import distill, experiments
    from softlabels.tasks.carriers import FetchError

    unfit = (distill.ManifestMismatch, distill.DamagedSoftLabels, distill.TeacherMismatch, FileNotFoundError)

    if name is None:
        for known in experiments.names():
            typer.echo(f"{known:<20} {experiments.describe(known)}")
        return
    if name not in experiments.names():
        raise _stop(f"no experiment is called {name!r}; there are: {', '.join(experiments.names())}")
    chosen = {"seeds": seeds} if seeds is not None else {}
    try:
        experiments.run(name, quick=quick, fresh=fresh, **chosen)
    except (FetchError, experiments.ConfigurationChanged, *unfit) as error:
        raise _stop(error) from None


@app.command()
def distil(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="Your data: a column of texts and one of labels.")],
    budget: Annotated[str, typer.Option(help='What the model may take: "10MB,5ms", or only one of the two.')],
    out: Annotated[Path | None, typer.Option(help="The folder to write; NAME-model for NAME.csv if not given.")] = None,
    text: Annotated[str, typer.Option(help="The name of the column of texts.")] = "text",
    label: Annotated[str, typer.Option(help="The name of the column of labels; a field may be empty.")] = "label",
    encoding: Annotated[str, typer.Option(help="How the file is written.")] = "utf-8",
    teacher: Annotated[
        str | None,
        typer.Option(help="A BERT: a folder in the hub's layout, or its name on the hub; MiniLM if none."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of the teacher's training.")] = 3,
    updates: Annotated[int | None, typer.Option(min=1, help="Of a student's training.")] = None,
    students: Annotated[int, typer.Option(min=1, help="How many sizes to train, of those that fit.")] = 1,
    size: Annotated[list[str] | None, typer.Option(help='A size to try, such as "2x128"; may be repeated.')] = None,
    max_pieces: Annotated[int, typer.Option(min=8, max=512, help="Word pieces of a text that are read.")] = 64,
    seed: Annotated[int, typer.Option(help="Decides every random number.")] = 0,
    run_folder: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Where a run is kept, to go on after a stop.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an earlier run has done.")] = False,
    best_effort: Annotated[bool, typer.Option("--best-effort", help="Nothing fits? Take the nearest.")] = False,
) -> None:
    """Distil your own texts into a small model: teacher, soft labels, student, a folder that runs without torch."""
    import sys

    from softlabels import pipeline
    from softlabels.tasks.carriers import FetchError

    unfit = (pipeline.TableError, pipeline.BaseError, pipeline.RunMismatch, FetchError)
    try:
        limits = pipeline.parse_limits(budget)
        settings = pipeline.Settings(
            limits, teacher, epochs, updates=updates, students=students, max_pieces=max_pieces, seed=seed,
            sizes=tuple(size or ()),
        )  # fmt: skip
        done = pipeline.distil(
            pipeline.Source(table, text, label, encoding), settings, out or Path(f"{table.stem}-model"),
            run_path=run_folder, fresh=fresh, best_effort=best_effort, say=typer.echo,
        )  # fmt: skip
    except pipeline.NothingFits as error:
        _stop(error)
        raise typer.Exit(2) from None
    except (*unfit, ValueError, FloatingPointError) as error:
        raise _stop(error) from None
    except KeyboardInterrupt:
        import shlex

        again = shlex.join(["softlabels", *[word for word in sys.argv[1:] if word != "--fresh"]])
        _stop(f"\nStopped. What was finished is kept. To go on: {again}")
        raise typer.Exit(130) from None
    student, taught = (done.found["models"][name] for name in ("student, as shipped", "teacher"))
    typer.echo(
        f"{student['accuracy']:.1%} right on {done.found['n']:,} test texts (teacher {taught['accuracy']:.1%}), "
        f"{done.found['megabytes']:.2f} MB, {done.found['latency'][1]['p50']:.2f} ms a text."
    )
    typer.echo(f'All of it: {done.folder / "model_card.md"}. Try it: python {done.folder / "predict.py"} "a text"')
    if not done.fits:
        typer.echo(f"That does not keep the budget of {limits}.")
        raise typer.Exit(0 if best_effort else 2)


@app.command()
def board(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the entries lie, one file a run.")],
    budget: Annotated[
        str | None, typer.Option(help='One budget for all, "10MB,5ms"; each entry\'s own if none is given.')
    ] = None,
) -> None:
    """Show a class's board: the entries of a folder that are on the same data and keep the budget, the best first."""
    from rich.console import Console
    from rich.table import Table

    from softlabels import pipeline
    from softlabels.pipeline import board as boards

    try:
        limits = pipeline.parse_limits(budget) if budget else None
        read = boards.read_board(folder)
    except (FileNotFoundError, ValueError) as error:
        raise _stop(error) from None
    for fingerprint, (fitting, over) in boards.rank(read.entries, limits).items():
        first = (fitting or over)[0]
        typer.echo(
            f"{first['data']} (data {fingerprint}): {first['classes']:,} classes, {first['test_texts']:,} test texts"
        )
        table = Table(box=None, pad_edge=False)
        for column in ("", "name", "right", "95% interval", "agrees", "ECE", "teacher", "MB", "ms", "form"):
            table.add_column(column, justify="left" if column in ("name", "form") else "right", no_wrap=True)
        for place, entry in enumerate(fitting, start=1):
            table.add_row(*map(_plain, boards.row(place, entry)))
        if fitting:
            Console().print(table)
        for entry in over:
            typer.echo(f"over the budget: {entry['name']}, {entry['megabytes']:.2f} MB and {entry['p50_ms']:.2f} ms")
        typer.echo("")
    for line in read.broken:
        typer.echo(f"left out: {line}")
    if not read.entries:
        typer.echo(f"No entry in {folder}. Lesson 13 writes one.")
    else:
        typer.echo("Where intervals overlap, the order may be luck; ms are each machine's own.")


@app.command()
def handout(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help='Cases, such as "mail"; all if none is named.')
    ] = None,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")] = Path("handout.html"),
    notes: Annotated[bool, typer.Option("--notes", help="A page for the instructor after each, with answers.")] = False,
) -> None:
    """Write lesson 12's cases as pages to print, one a case, for the tables of a workshop."""
    from softlabels.course.content import ContentError
    from softlabels.course.handout import handout as make
    from softlabels.distill.transfer import write_atomically
    from softlabels.tasks.carriers import FetchError

    try:
        page = make(names or (), notes=notes)
        write_atomically(to, page.encode())
    except (ContentError, FetchError) as error:
        raise _stop(error) from None
    except OSError as error:
        raise _stop(f"The handout could not be written: {error}") from None
    typer.echo(f"wrote {to}: open it in a browser and print it ({page.count('<section')} pages, A4 or Letter)")


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A look within seconds, not a figure to quote.")] = False,
) -> None:
    """Measure how fast this machine distils, beside its own limit in matrix products."""
    from rich.console import Console
    from rich.table import Table

    from softlabels import distill
    from softlabels.experiments import bench as measured
    from softlabels.tasks.carriers import FetchError

    try:
        rows = measured.measure(quick=quick)
    except (FetchError, FileNotFoundError, distill.TeacherMismatch) as error:
        raise _stop(error) from None
    table = Table(box=None, pad_edge=False)
    for column in ("what", "examples/s", "GFLOP/s", "of limit", "of own limit", "threads", "precision"):
        table.add_column(column, justify="left" if column == "what" else "right", no_wrap=True)
    for row in rows:
        rate = f"{row.examples_per_second:,.0f}" if row.examples_per_second else ""
        own = f"{row.gflops / row.own_limit:.0%}" if row.own_limit else ""
        threads = str(row.threads or "device")
        share = f"{row.gflops / row.limit:.0%}"
        table.add_row(_plain(row.what), rate, f"{row.gflops:,.0f}", share, own, threads, row.precision)
    Console().print(table)
    typer.echo(
        "of limit: of large products, as fast as they are here; of own limit: of products of the model's shapes."
    )
    typer.echo(
        "Soft labels: a 6x384 teacher. Training: a 2x128 student, batch 32. A busy machine shows smaller figures."
    )


if __name__ == "__main__":
    main()
