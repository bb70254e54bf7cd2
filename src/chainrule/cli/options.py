"""What a command takes: its function's parameters, each annotated with an `Option` or an `Argument`.

`parser_of` makes the standard library's parser of them, and `values` calls it. Other libraries for command lines take
longer to load than all of chainrule.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, getdoc, signature
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, get_args, get_type_hints

from chainrule.present.escape import visible

from .messages import heading, in_language, language_of

ABOUT = "Backpropagation that is verified, explained and fast."
OPTIONS = "options"
"""The heading of what has no other, which is argparse's own."""


SHOWN: dict[Any, str] = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}
"""How a value's type is written in the help."""


@dataclass(frozen=True)
class Argument:
    """A value that is given by its place."""

    help: str


@dataclass(frozen=True, init=False)
class Option:
    """A value that is given by a name: the parameter's, unless others are named here.

    A bool has a second name, `--no-…`, unless it is named here. In the help it stands under its `heading`.
    """

    names: tuple[str, ...]
    help: str
    heading: str

    def __init__(self, *names: str, help: str, heading: str = OPTIONS) -> None:
        for name, value in (("names", names), ("help", help), ("heading", heading)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Taken:
    """One parameter of a command: its name in the function, and what the command line may say for it."""

    name: str
    says: Option | Argument
    type: Any
    default: Any
    many: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called on the command line."""
        if isinstance(self.says, Argument):
            return (self.name,)
        return self.says.names or (f"--{self.name.replace('_', '-')}",)


def taken_by(function: Callable[..., Any]) -> tuple[Taken, ...]:
    """Return what a command takes, in the order of its parameters."""
    hints = get_type_hints(function, include_extras=True)
    return tuple(_taken(p.name, hints[p.name], p.default) for p in signature(function).parameters.values())


def _taken(name: str, annotated: Any, default: Any) -> Taken:
    hint, says = get_args(annotated)[0], annotated.__metadata__[0]
    kind = next((part for part in get_args(hint) if part is not NoneType), hint) if NoneType in get_args(hint) else hint
    many = getattr(kind, "__origin__", None) is list
    return Taken(name, says, get_args(kind)[0] if many else kind, default, many)


_CHOICE = re.compile(r"invalid choice: '(?P<got>[^']*)' \(choose from (?P<known>.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, prints no character as it is that commands the terminal, and hints."""

    def __init__(self, program: str, **settings: Any) -> None:
        super().__init__(program, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong and how the command is called, and stop with exit code 2."""
        wrong = message.partition("unrecognized arguments: ")[2].split(" ")[0]
        known = [name for action in self._actions for name in action.option_strings]
        named = {name.lstrip("-"): name for name in known}  # the dashes, alike in all, would count as likeness
        word = wrong.partition("=")[0].lstrip("-")
        begun = [name for name in named if word and name.startswith(word)]
        close = begun or get_close_matches(word, named, 1, 0.7)
        near = [named[name] for name in close]
        if choice := _CHOICE.search(message):  # of a command, or of an option's values
            near = get_close_matches(choice["got"], re.findall(r"[\w-]+", choice["known"]), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        lang = language_of(sys.argv[1:])
        usage = " ".join(self.format_usage().split()).replace("usage", heading("usage", lang), 1)
        self.exit(2, f"{heading('error', lang)}: {in_language(visible(message) + hint, lang)} ({usage})\n")


def parser_of_all(program: str, commands: Mapping[str, Callable[..., Any]], version: str) -> Parser:
    """Return the parser of a line that names no command: it prints the help or the version, or refuses."""
    parser = Parser(program, description=ABOUT)
    parser.add_argument("--version", action="version", version=version)
    group = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name, function in commands.items():
        group.add_parser(name, help=_plain((getdoc(function) or "").partition("\n")[0]), add_help=False)
    return parser


def parser_of(program: str, function: Callable[..., Any], example: str) -> Parser:
    """Return the parser of a command, with its options under their headings."""
    about = " ".join((getdoc(function) or "").split())
    taken = taken_by(function)
    usage = " ".join(["%(prog)s", "[options]", *(_shown(one) for one in taken if isinstance(one.says, Argument))])
    parser = Parser(program, usage=usage, description=_plain(about), epilog=f"Example: {_plain(example)}")
    groups: dict[str, Any] = {OPTIONS: parser}
    for one in taken:
        heading = one.says.heading if isinstance(one.says, Option) else OPTIONS
        group = groups.get(heading) or groups.setdefault(heading, parser.add_argument_group(heading))
        group.add_argument(*one.names, **_settings(one))
    return parser


def _shown(one: Taken) -> str:
    return one.name if one.default is Parameter.empty else f"[{one.name}]"


def _settings(one: Taken) -> dict[str, Any]:
    """Return what argparse is told about a parameter."""
    required = one.default is Parameter.empty
    shown = one.default not in (Parameter.empty, None, "", False) and not one.many
    told: dict[str, Any] = {"help": _plain(one.says.help) + (" [default: %(default)s]" if shown else "")}
    if not required:
        told["default"] = one.default
    if isinstance(one.says, Argument):
        return told | {"type": one.type} | ({} if required else {"nargs": "?"})
    told |= {"dest": one.name, "required": required}
    if one.type is bool:
        return told | {"action": "store_true" if one.says.names else argparse.BooleanOptionalAction}
    return told | {"type": one.type, "metavar": SHOWN[one.type], "action": "append" if one.many else "store"}


def values(parser: Parser, words: Sequence[str]) -> dict[str, Any]:
    """Return the values of all parameters by name; prints the help, or what is wrong, and exits where it has to."""
    # Intermixed, since parse_args of Python 3.11 takes no optional argument behind an option; it knows no "--", though.
    return vars(parser.parse_args(words) if "--" in words else parser.parse_intermixed_args(words))


def _plain(text: str) -> str:
    """Return a text in which argparse replaces nothing."""
    return text.replace("%", "%%")
