"""What a command takes: its function's parameters, each annotated with an `Option` or an `Argument`.

`taken_by` reads them, and `parsed` turns the words of a command line into the values that the function is called with.
This stands in for a library: the usual ones take longer to load than all of chainrule.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from chainrule.present.escape import visible

HELP = ("-h", "--help")


class WrongCall(Exception):
    """The words of a command line that are no call of the command; the message says what is wrong."""


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

    def __init__(self, *names: str, help: str, heading: str = "Options") -> None:
        for name, value in (("names", names), ("help", help), ("heading", heading)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Taken:
    """One parameter of a command: what it is called in the function and on the command line, and what it may be."""

    name: str
    says: Option | Argument
    type: type
    default: Any
    many: bool = False
    names: tuple[str, ...] = field(default=())
    negative: tuple[str, ...] = field(default=())

    @property
    def is_option(self) -> bool:
        """Whether it is given by a name."""
        return isinstance(self.says, Option)

    @property
    def is_flag(self) -> bool:
        """Whether its name alone is enough."""
        return self.is_option and self.type is bool

    @property
    def required(self) -> bool:
        """Whether the command cannot do without it."""
        return self.default is Parameter.empty

    def value(self, word: str, said: str) -> Any:
        """Return the value that a word means; `said` is the name it was given by."""
        kinds = {int: "a whole number", float: "a number"}
        try:
            return self.type(word)
        except ValueError:
            what = kinds.get(self.type, f"a {self.type.__name__}")
            raise WrongCall(f"Invalid value for '{said}': {visible(word)!r}, expected {what}") from None


def taken_by(function: Callable[..., Any]) -> tuple[Taken, ...]:
    """Return what a command takes, in the order of its parameters."""
    hints = get_type_hints(function, include_extras=True)
    return tuple(_taken(p.name, hints[p.name], p.default) for p in signature(function).parameters.values())


def _taken(name: str, annotated: Any, default: Any) -> Taken:
    hint, says = get_args(annotated)[0], annotated.__metadata__[0]
    kind = next((part for part in get_args(hint) if part is not NoneType), hint) if NoneType in get_args(hint) else hint
    many = getattr(kind, "__origin__", None) is list
    kind = get_args(kind)[0] if many else kind
    if isinstance(says, Argument):
        return Taken(name, says, kind, default, many, (name,))
    own = f"--{name.replace('_', '-')}"
    negative = (f"--no-{own[2:]}",) if kind is bool and not says.names else ()
    return Taken(name, says, kind, default, many, says.names or (own,), negative)


def parsed(words: Iterable[str], taken: tuple[Taken, ...]) -> dict[str, Any]:
    """Return the values of all parameters by name. Raises WrongCall."""
    found: dict[str, Any] = {}
    by_name = {name: one for one in taken if one.is_option for name in (*one.names, *one.negative)}
    places = [one for one in taken if not one.is_option]
    left = list(words)
    rest: list[str] = []
    while left:
        word = left.pop(0)
        if word == "--":
            rest += left
            break
        if len(word) < 2 or not word.startswith("-"):
            rest.append(word)
            continue
        _read_option(word, left, by_name, found)
    for one, word in zip(places, rest, strict=False):
        found[one.name] = one.value(word, one.name)
    if extra := rest[len(places) :]:
        raise WrongCall(f"Got unexpected extra arguments: {' '.join(map(visible, extra))}")
    for one in taken:
        if one.required and one.name not in found:
            raise WrongCall(f"Missing {'option' if one.is_option else 'argument'} '{one.names[-1]}'.")
    return {one.name: found.get(one.name, one.default) for one in taken}


def _read_option(word: str, left: list[str], by_name: Mapping[str, Taken], found: dict[str, Any]) -> None:
    """Take an option, and its value from the word itself (`--lr=1`, `-oFILE`) or from the next one."""
    name, given, value = word.partition("=")
    if not word.startswith("--") and word[:2] in by_name:
        name, value = word[:2], word[2:]
        given = value
    one = by_name.get(name)
    if one is None:
        raise WrongCall(f"No such option: {visible(name)}{_close(name, by_name)}")
    if one.is_flag:
        if given:
            raise WrongCall(f"Option '{name}' does not take a value.")
        found[one.name] = name not in one.negative
        return
    if not given:
        if not left:
            raise WrongCall(f"Option '{name}' requires an argument.")
        value = left.pop(0)
    read = one.value(value, name)
    found[one.name] = [*found.get(one.name, ()), read] if one.many else read


def _close(name: str, known: Iterable[str]) -> str:
    """Say which names are nearly this one."""
    from difflib import get_close_matches

    close = get_close_matches(name, known)
    return f" Did you mean {' or '.join(repr(one) for one in close)}?" if close else ""


def command_named(word: str, known: Iterable[str]) -> str:
    """Return the word if it is the name of a command. Raises WrongCall."""
    known = list(known)
    if word not in known:
        kind = "option:" if word.startswith("-") else "command"
        raise WrongCall(f"No such {kind} {visible(word)!r}.{_close(word, known)}")
    return word


def shown_type(kind: type) -> str:
    """Return how a value's type is written in the help."""
    return {str: "text", int: "number", float: "number", Path: "path"}.get(kind, kind.__name__)
