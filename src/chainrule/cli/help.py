"""The text of `--help`."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from textwrap import TextWrapper, wrap
from typing import Any

from .options import HELP, Taken, shown_type, taken_by

WIDEST = 80
ROWS = list[tuple[str, str]]
ABOUT = "Backpropagation that is verified, explained and fast."
HELP_ROW = (", ".join(HELP), "Show this message and exit.")


def usage(program: str, command: str, taken: Iterable[Taken]) -> str:
    """Return the line that says how a command is called."""
    places = [f"{{{one.name}}}" if one.required else f"[{one.name}]" for one in taken if not one.is_option]
    return " ".join(["Usage:", program, command, "[OPTIONS]", *places])


def usage_of_all(program: str) -> str:
    """Return the line that says how commands are called."""
    return f"Usage: {program} [OPTIONS] COMMAND [ARGS]..."


def help_of_all(program: str, commands: Mapping[str, Callable[..., Any]]) -> str:
    """Return the help of the program."""
    options = [("--version", "Print the version and stop."), HELP_ROW]
    listed = [(name, (getdoc(function) or "").partition("\n")[0]) for name, function in commands.items()]
    return "\n".join([usage_of_all(program), "", f"  {ABOUT}", *_rows("Options", options), *_rows("Commands", listed)])


def help_of(program: str, command: str, function: Callable[..., Any], example: str) -> str:
    """Return the help of a command: what it does, its arguments, and its options under their headings."""
    taken = taken_by(function)
    groups: dict[str, ROWS] = {"Arguments": [], "Options": []}
    for one in taken:
        groups.setdefault(getattr(one.says, "heading", "Arguments"), []).append(_row(one))
    groups["Options"].append(HELP_ROW)
    text = [usage(program, command, taken)]
    for paragraph in (getdoc(function) or "").split("\n\n"):
        text += ["", *wrap(paragraph, _width(), initial_indent="  ", subsequent_indent="  ")]
    for heading, rows in groups.items():
        text += _rows(heading, rows) if rows else []
    return "\n".join([*text, "", f"  Example: {example}"])


def _row(one: Taken) -> tuple[str, str]:
    """Return a parameter's names and type, and what it is."""
    shown = "" if one.is_flag else f" <{shown_type(one.type)}>"
    names = ", ".join(sorted(one.names, key=len)) + "".join(f" / {name}" for name in one.negative)
    notes = []
    if one.required:
        notes = ["[required]"]
    elif one.is_flag and one.negative and one.default is not None:
        notes = [f"[default: {(one.names if one.default else one.negative)[-1][2:]}]"]
    elif one.default is not None and not one.is_flag and one.default != "":
        notes = [f"[default: {one.default}]"]
    return names + shown, "  ".join([one.says.help, *notes])


def _rows(heading: str, rows: ROWS) -> list[str]:
    """Return a section: the first column as wide as it needs to be, the second wrapped."""
    first = min(max(len(name) for name, _ in rows), 30) + 4
    text = ["", f"{heading}:"]
    wrapper = TextWrapper(_width(), subsequent_indent=" " * first)
    for name, said in rows:
        begun = f"  {name}".ljust(first)
        if len(begun) > first:
            text.append(begun)
            begun = " " * first
        wrapper.initial_indent = begun
        text += wrapper.wrap(said) or [begun.rstrip()]
    return text


def _width() -> int:
    return min(shutil.get_terminal_size().columns, WIDEST) - 2
