"""The sides of a formula: where it is split, and which name and indices the left-hand side has."""

from dataclasses import dataclass

from .names import group
from .nodes import Indexed, Name, Node
from .parser import Parser
from .tokens import FormulaError, Token, tokenize

OPENING = frozenset({"(", "[", "{", r"\{", r"\begin{cases}"})
CLOSING = frozenset({")", "]", "}", r"\}", r"\end{cases}"})


@dataclass(frozen=True)
class Sides:
    """The left-hand side, its indices, all indices of the formula in order, and the right-hand sides."""

    left: str
    indices: tuple[str, ...]
    axes: tuple[str, ...]
    right: tuple[Node, ...]


def read_sides(latex: str, functions: frozenset[str]) -> Sides:
    """Read `left = right = right …`, or a right-hand side alone."""
    first, *others = _segments(latex)
    indices = _indices(first) if others else ()
    parser = Parser(latex, functions, indices)
    right = tuple(parser.whole(segment) for segment in others or [first])
    if not parser.used.intersection(indices):
        # None of them occurs on the right, so the subscript on the left is part of the name.
        parser.axes = [axis for axis in parser.axes if axis not in indices]
        indices = ()
    left = _left_name(latex, first, functions, indices) if others else ""
    return Sides(left, indices, tuple(parser.axes), right)


def _segments(latex: str) -> list[list[Token]]:
    """The tokens between the equals signs outside all brackets, each with an end."""
    segments: list[list[Token]] = [[]]
    depth = 0
    for token in tokenize(latex):
        depth += (token.text in OPENING) - (token.text in CLOSING)
        if token.text == "=" and depth == 0:
            segments[-1].append(Token("end", "=", token.position))
            segments.append([])
        else:
            segments[-1].append(token)
    for start, *_ in segments:
        if start.kind == "end":
            raise FormulaError("expected a formula on each side of =, found nothing", latex, start.position)
    return segments


def _indices(left: list[Token]) -> tuple[str, ...]:
    """The small Latin letters among the subscripts of the left-hand side, in order."""
    found = (
        token.text
        for place, underscore in enumerate(left)
        if underscore.text == "_"
        for token in group(left, place + 1)
        if token.kind == "letter" and len(token.text) == 1 and token.text.islower()
    )
    return tuple(dict.fromkeys(found))


def _left_name(latex: str, left: list[Token], functions: frozenset[str], indices: tuple[str, ...]) -> str:
    """A name, normalised; anything else as it is written."""
    try:
        node = Parser(latex, functions, indices).whole(left)
    except FormulaError:
        node = None
    named = node.base if isinstance(node, Indexed) else node
    return named.key if isinstance(named, Name) else latex[: left[-1].position].strip()
