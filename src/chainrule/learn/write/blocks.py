"""A sheet as blocks: headings, paragraphs, formulas, programs. Every format is written from these."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chainrule.learn.question import Question
from chainrule.learn.words import words

_BLOCK = re.compile(r"\$\$\n(?P<math>.+?)\n\$\$|```(?P<language>\w+)\n(?P<code>.+?)\n```", re.DOTALL)
_PIECE = re.compile(r"\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`|\$(?P<math>[^$]+)\$", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block: `kind` is heading (1 to 3), text, math, code, or hint; `language` is that of a program."""

    kind: str
    text: str
    language: str = ""
    depth: int = 2


@dataclass(frozen=True)
class Piece:
    """A piece of a paragraph: `kind` is text, bold, code or math."""

    kind: str
    text: str


def sheet(exercises: Sequence[Question], lang: str, *, key: bool, hints: bool = True) -> Iterator[Block]:
    """Yield the blocks of a sheet: each exercise with its hints, and with its key, if `key`."""
    say = words(lang)
    yield Block("heading", say["worksheet"], depth=1)
    for number, exercise in enumerate(exercises, 1):
        yield Block(
            "heading", f"{say('exercise', number=number, title=exercise.title)} ({say('level', level=exercise.level)})"
        )
        yield from blocks(exercise.question)
        if hints and not key:
            for count, hint in enumerate(exercise.hints, 1):
                yield Block("hint", hint, say("hint", number=count))
        if key:
            yield Block("heading", say["key"], depth=3)
            yield from blocks(answer_text(exercise))
            yield from blocks(str(exercise.key))


def answer_text(exercise: Question) -> str:
    """Return the answer as one paragraph, or nothing where the key's text has it."""
    say, answer = words(exercise.lang), exercise.key.answer
    if exercise.kind == "write":
        return ""
    form = f"${answer}$" if "\\" in answer or "=" in answer else f"`{answer}`"
    return f"**{say['answer']}**: {form}"


def blocks(markdown: str) -> Iterator[Block]:
    """Yield the blocks of a text of this package: paragraphs, `$$` formulas, fenced programs."""
    position = 0
    for match in _BLOCK.finditer(markdown):
        yield from _texts(markdown[position : match.start()])
        if match["math"] is not None:
            yield Block("math", match["math"])
        else:
            yield Block("code", match["code"], match["language"])
        position = match.end()
    yield from _texts(markdown[position:])


def _texts(markdown: str) -> Iterator[Block]:
    for paragraph in re.split(r"\n\s*\n", markdown):
        if paragraph.strip():
            yield Block("text", paragraph.strip())


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of a paragraph; what is bold may contain formulas and programs."""
    position = 0
    for match in _PIECE.finditer(text):
        if match.start() > position:
            yield Piece("text", text[position : match.start()])
        kind = next(name for name in ("bold", "code", "math") if match[name] is not None)
        yield Piece(kind, match[kind])
        position = match.end()
    if position < len(text):
        yield Piece("text", text[position:])
