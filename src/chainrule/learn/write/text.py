"""An exercise in a terminal: its mathematics in Unicode."""

from collections.abc import Callable, Iterator

from chainrule.present.unicode_math import to_unicode

from .blocks import Block, blocks, pieces


def to_text(markdown: str) -> str:
    """Return a text of this package for a terminal."""
    return "\n\n".join(part for block in blocks(markdown) for part in _as_text(block))


def _as_text(block: Block) -> Iterator[str]:
    match block.kind:
        case "math":
            yield f"    {to_unicode(block.text)}"
        case "code":
            yield "\n".join(f"    {line}" for line in block.text.splitlines())
        case _:
            yield inline(block.text)


def inline(text: str) -> str:
    """Return a paragraph with its formulas in Unicode."""
    made: dict[str, Callable[[str], str]] = {"text": str, "code": str, "math": to_unicode, "bold": inline}
    return "".join(made[piece.kind](piece.text) for piece in pieces(text))
