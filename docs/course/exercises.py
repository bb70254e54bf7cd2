"""Write the exercises into the chapters: python docs/course/exercises.py

A chapter names an exercise, `<!-- exercise neuron seed=1 level=1 -->`; what stands below it, up to `<!-- end -->`, is
written by `cr.exercise`, whose keys are verified.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import chainrule as cr
from chainrule.learn import Exercise
from chainrule.learn.words import words
from chainrule.learn.write.blocks import answer_text, blocks
from chainrule.learn.write.markdown import as_markdown

FOLDER = Path(__file__).parent
MARK = re.compile(
    r"<!-- exercise (\S+) seed=(\d+) level=(\d) -->\n(?:(?:(?!<!-- exercise ).)*?<!-- end -->\n)?", re.DOTALL
)
_BEFORE_HANGUL = re.compile(r"(?<=\$)(?=[가-힣])")


def filled(chapter: str, lang: str) -> str:
    """Return a chapter with its exercises written anew."""
    number = 0

    def written(mark: re.Match[str]) -> str:
        nonlocal number
        number += 1
        topic, seed, level = mark[1], int(mark[2]), int(mark[3])
        parts = "\n\n".join(_exercise(made(topic, seed, level, lang), number))
        return f"<!-- exercise {topic} seed={seed} level={level} -->\n\n{parts}\n\n<!-- end -->\n"

    return MARK.sub(written, chapter)


@cache
def made(topic: str, seed: int, level: int, lang: str) -> Exercise:
    """Return an exercise; each is made once."""
    return cr.exercise(topic, seed, level, lang)


def _exercise(exercise: Exercise, number: int) -> Iterator[str]:
    say = words(exercise.lang)
    yield f"### {say('exercise', number=number, title=exercise.title)}"
    yield from _markdown(exercise.question)
    yield from _folded(say("hint", number=1), exercise.hints[0])
    yield from _folded(say["key"], f"{answer_text(exercise)}\n\n{exercise.key}")


def _folded(summary: str, markdown: str) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield from _markdown(markdown)
    yield "</details>"


def _markdown(markdown: str) -> Iterator[str]:
    for block in blocks(markdown):
        for part in as_markdown(block):
            # GitHub reads a formula only up to a dollar that no letter follows: a comment stands between.
            text = part if block.kind in ("math", "code") else _BEFORE_HANGUL.sub("<!-- -->", part)
            yield text.replace("```python\n", '```python no-run="part of a question"\n', 1)


def chapters() -> Iterator[tuple[Path, str]]:
    """Yield every page of the course with its language."""
    for lang in ("en", "ko"):
        for path in sorted((FOLDER / lang).glob("*.md")):
            yield path, lang


if __name__ == "__main__":
    for path, lang in chapters():
        text = path.read_text(encoding="utf-8")
        path.write_text(filled(text, lang), encoding="utf-8")
