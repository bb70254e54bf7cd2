"""A sheet as Markdown, its mathematics between dollars."""

from collections.abc import Iterator, Sequence

from chainrule.learn.question import Question

from .blocks import Block, sheet


def write_markdown(exercises: Sequence[Question], lang: str, *, key: bool = False) -> str:
    """Return the sheet."""
    return "\n\n".join(part for block in sheet(exercises, lang, key=key) for part in as_markdown(block)) + "\n"


def as_markdown(block: Block) -> Iterator[str]:
    """Yield a block as Markdown."""
    match block.kind:
        case "heading":
            yield f"{'#' * block.depth} {block.text}"
        case "math":
            yield f"$$\n{block.text}\n$$"
        case "code":
            yield f"```{block.language}\n{block.text}\n```"
        case "hint":
            yield f"<details><summary>{block.language}</summary>\n\n{block.text}\n\n</details>"
        case _:
            yield block.text
