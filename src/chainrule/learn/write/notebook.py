"""A sheet as a Jupyter notebook: a cell for each question, one to answer in, and one that judges."""

from collections.abc import Sequence
from typing import Any

from chainrule.learn.question import Question
from chainrule.learn.words import words

from .blocks import Block, blocks
from .markdown import as_markdown


def write_notebook(exercises: Sequence[Question], lang: str, *, key: bool = False) -> dict[str, Any]:
    """Return the notebook as plain data (nbformat 4.5); each answer is judged where it is typed."""
    cells = [
        _cell("markdown", f"# {words(lang)['worksheet']}", "title"),
        _cell("code", "import chainrule as cr", "import"),
    ]
    for number, exercise in enumerate(exercises, 1):
        cells += _of(exercise, number, lang, key)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _of(exercise: Question, number: int, lang: str, key: bool) -> list[dict[str, Any]]:
    say = words(lang)
    heading = Block("heading", say("exercise", number=number, title=exercise.title))
    hints = [Block("hint", hint, say("hint", number=k)) for k, hint in enumerate(exercise.hints, 1)]
    told = "\n\n".join(part for b in [heading, *blocks(exercise.question), *hints] for part in as_markdown(b))
    settings = f"seed={exercise.seed}, level={exercise.level}, lang={exercise.lang!r}, kind={exercise.kind!r}"
    call = f"cr.exercise({exercise.topic!r}, {settings})"
    if exercise.kind == "write":
        arguments = ", ".join(exercise.solution.given)
        code = f"def backward({arguments}):\n    ...\n\n\n{call}.check(backward)"
    else:
        code = f'answer = ""\n{call}.check(answer)'
    cells = [_cell("markdown", told, f"question-{number}"), _cell("code", code, f"answer-{number}")]
    if key:
        text = (
            f"### {say['key']}\n\n`{exercise.key.answer}`\n\n{exercise.key}"
            if exercise.kind != "write"
            else str(exercise.key)
        )
        cells.append(_cell("markdown", text, f"key-{number}"))
    return cells


def _cell(kind: str, text: str, name: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []}
