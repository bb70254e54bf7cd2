"""The commands for learners and teachers, one thin function each; `chainrule.cli` registers them."""

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.terminal import Screen


def exercise(
    topic: Annotated[str | None, typer.Argument(help="A topic of --list (default: all in turn).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sheet on every machine.")] = 0,
    level: Annotated[int, typer.Option(help="1 (a number) to 5 (write the backward pass).")] = 1,
    count: Annotated[int, typer.Option(help="Number of exercises.")] = 1,
    lang: Annotated[str, typer.Option(help="en or ko.")] = "en",
    form: Annotated[
        str | None, typer.Option("--format", help="text, markdown, html, latex, pdf, moodle, qti or ipynb.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The worksheet to write.")] = None,
    key: Annotated[Path | None, typer.Option(help="Also write the key with all steps, to this file.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the topics.")] = False,
) -> None:
    """Make exercises on backpropagation with verified keys: a worksheet, and a key if wanted."""
    from chainrule.learn import TOPICS
    from chainrule.present.texts import LANGUAGES, check_lang

    from .sheets import form_of, save, sheet, written

    console = Screen(soft_wrap=True)
    if listed:
        at = LANGUAGES.index(check_lang(lang))
        for name, found in TOPICS.items():
            console.print(f"{name:<13} {found.title[at]}")
        return
    exercises = sheet(topic, seed, level, count, lang)
    content = written(exercises, form_of(out, form), lang, key=False)
    if key is not None:
        save(key, written(exercises, form_of(key, None), lang, key=True))
    if out is not None:
        save(out, content)
    elif isinstance(content, bytes):
        raise ValueError("--format pdf and qti are no text: add -o FILE")
    else:
        console.print(content, end="")


def practice(
    topic: Annotated[str | None, typer.Argument(help="A topic of `chainrule exercise --list` (default: all).")] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same questions for the same seed (default: others each time).")
    ] = None,
    level: Annotated[int, typer.Option(help="The level to begin with, 1 to 5.")] = 1,
    lang: Annotated[str, typer.Option(help="en or ko.")] = "en",
    export: Annotated[Path | None, typer.Option(help="Write what was answered so far as CSV, and stop.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Ask on a page in the browser, until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="With --page: the port; 0 or one that is taken: any free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="With --page: open the browser.")] = True,
) -> None:
    """Practise: one question after another, judged at once with the reason, harder when right.

    With --page, it serves on this machine only, and prints the link, which works once.
    """
    from chainrule.learn.practice import SEEDS, Practice

    from . import sheets as learning

    console = Screen(soft_wrap=True)
    if export is not None:
        console.print(f"{learning.export(export)} answers written to {export}")
        return
    chosen = Practice(topic, random.randrange(SEEDS) if seed is None else seed, level, lang)
    if page:
        from chainrule.learn.page.hub import practice_server

        server = practice_server(lambda: replace(chosen), port)
        server.start()
        typer.echo(server.url())
        sys.stdout.flush()
        if browser:
            server.browse()
        server.wait()
        return
    learning.practise(chosen, input, console.print)


def grade(
    submissions: Annotated[Path, typer.Argument(help="A folder of .py and .ipynb files, or one such file.")],
    against: Annotated[Path, typer.Option(help="The file with the functions and layers as they should compute.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write one row for each function to this file.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write everything to this file.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page to this file.")] = None,
    lang: Annotated[str, typer.Option(help="en or ko.")] = "en",
    seconds: Annotated[float, typer.Option(help="Seconds that one submission may take.")] = 60.0,
    megabytes: Annotated[int, typer.Option(help="Memory that one submission may use, in MiB.")] = 2048,
) -> None:
    """Grade hand-written backward passes, each in a process of its own; the exit code is 1 unless all are right."""
    from chainrule.jobs.learning.grading import grade_all, write_reports
    from chainrule.learn.grade.report import to_text

    outputs = {"csv": csv, "json": json, "html": html}
    graded = grade_all(submissions, against, lang, seconds, megabytes, outputs)
    write_reports(graded, outputs, lang)
    Screen(soft_wrap=True).print(to_text(graded, lang), end="")
    if any(one.points < one.most for one in graded):
        raise typer.Exit(1)


COMMANDS: dict[Callable[..., Any], str] = {
    exercise: "chainrule exercise softmax --level 3 --seed 7 -o sheet.html",
    practice: "chainrule practice softmax --lang ko",
    grade: "chainrule grade submissions --against spec.py --html grades.html",
}
"""Each command with the example that its help shows."""
