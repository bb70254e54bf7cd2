"""The commands for learners and teachers, exercise, practice, grade."""

import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from chainrule.cli.app import NO, command, console, say

from .options import Argument, Option


@command("chainrule exercise softmax --level 3 --seed 7 -o sheet.html")
def exercise(
    topic: Annotated[str | None, Argument(help="A topic of --list (default: all in turn).")] = None,
    seed: Annotated[int, Option(help="The same seed gives the same sheet on every machine.")] = 0,
    level: Annotated[int, Option(help="1 (a number) to 5 (write the backward pass).")] = 1,
    count: Annotated[int, Option(help="Number of exercises.")] = 1,
    lang: Annotated[str, Option(help="en or ko.")] = "en",
    form: Annotated[
        str | None, Option("--format", help="text, markdown, html, latex, pdf, moodle, qti or ipynb.")
    ] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="The worksheet to write.")] = None,
    key: Annotated[Path | None, Option(help="Also write the key with all steps, to this file.")] = None,
    listed: Annotated[bool, Option("--list", help="List the topics.")] = False,
) -> None:
    """Make exercises on backpropagation with verified keys: a worksheet, and a key if wanted."""
    from chainrule.jobs.learning.sheets import form_of, save, sheet, written
    from chainrule.learn import TOPICS
    from chainrule.present.texts import LANGUAGES, check_lang

    if listed:
        at = LANGUAGES.index(check_lang(lang))
        for name, found in TOPICS.items():
            console().print(f"{name:<13} {found.title[at]}")
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
        console().print(content, end="")


@command("chainrule practice softmax --lang ko")
def practice(
    topic: Annotated[str | None, Argument(help="A topic of `chainrule exercise --list` (default: all).")] = None,
    seed: Annotated[
        int | None, Option(help="The same questions for the same seed (default: others each time).")
    ] = None,
    level: Annotated[int, Option(help="The level to begin with, 1 to 5.")] = 1,
    lang: Annotated[str, Option(help="en or ko.")] = "en",
    export: Annotated[Path | None, Option(help="Write what was answered so far as CSV, and stop.")] = None,
    page: Annotated[bool, Option("--page", help="Ask on a page in the browser, until Ctrl-C.")] = False,
    port: Annotated[int, Option(help="With --page: the port; 0 or one that is taken: any free one.")] = 0,
    browser: Annotated[bool, Option(help="With --page: open the browser.")] = True,
) -> None:
    """Practise: one question after another, judged at once with the reason, harder when right.

    With --page, it serves on this machine only, and prints the link, which works once.
    """
    from chainrule.jobs.learning import sheets as learning
    from chainrule.learn.practice import SEEDS, Practice

    if export is not None:
        say(f"answers written: {learning.export(export)}: {export}", lang)
        return
    chosen = Practice(topic, random.randrange(SEEDS) if seed is None else seed, level, lang)
    if page:
        from chainrule.learn.page.hub import practice_server

        server = practice_server(lambda: replace(chosen), port)
        server.start()
        print(server.url())
        sys.stdout.flush()
        if browser:
            server.browse()
        server.wait()
        return
    learning.practise(chosen, input, console().print)


@command("chainrule grade submissions --against spec.py --html grades.html")
def grade(
    submissions: Annotated[Path, Argument(help="A folder of .py and .ipynb files, or one such file.")],
    against: Annotated[Path, Option(help="The file with the functions and layers as they should compute.")],
    csv: Annotated[Path | None, Option("--csv", help="Write one row for each function to this file.")] = None,
    json: Annotated[Path | None, Option("--json", help="Write everything to this file.")] = None,
    html: Annotated[Path | None, Option("--html", help="Write a page to this file.")] = None,
    lang: Annotated[str, Option(help="en or ko.")] = "en",
    seconds: Annotated[float, Option(help="Seconds that one submission may take.")] = 60.0,
    megabytes: Annotated[int, Option(help="Memory that one submission may use, in MiB.")] = 2048,
) -> None:
    """Grade hand-written backward passes, each in a process of its own; the exit code is 1 unless all are right."""
    from chainrule.jobs.learning.grading import grade_all, write_reports
    from chainrule.learn.grade.report import to_text

    outputs = {"csv": csv, "json": json, "html": html}
    graded = grade_all(submissions, against, lang, seconds, megabytes, outputs)
    write_reports(graded, outputs, lang)
    console().print(to_text(graded, lang), end="")
    if any(one.points < one.most for one in graded):
        raise SystemExit(NO)
