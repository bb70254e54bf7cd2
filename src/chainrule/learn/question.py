"""A question with its key: plain data, which every format is written from."""

from dataclasses import dataclass, field
from typing import Any

from .answers import Answer, Judged
from .lines import Line, Solution


@dataclass(frozen=True)
class Key:
    """The right answer as a student types it (`answer`), and the lines that lead to it; prints as Markdown."""

    answer: str
    lines: tuple[Line, ...]
    note: str = ""

    @property
    def worst(self) -> float:
        """The largest relative deviation of a line from the engine's result."""
        return max((line.error for line in self.lines), default=0.0)

    def __str__(self) -> str:
        steps = "\n\n".join(f"$$\n{line.latex}\n$$" for line in self.lines)
        return "\n\n".join(part for part in (steps, self.note) if part)


@dataclass(frozen=True)
class Question:
    """One exercise as plain data: the question in Markdown with mathematics between dollars, its key, three hints."""

    topic: str
    kind: str
    level: int
    seed: int
    lang: str
    title: str
    question: str
    key: Key
    hints: tuple[str, str, str]
    answer: Answer = field(repr=False)
    solution: Solution = field(repr=False)

    def check(self, answer: Any) -> Judged:
        """Return (right, why) for an answer.

        A number may be given as a number, array or text (`-1/4`), a formula as text in Python or LaTeX, a choice as its
        letter, a backward pass as a function. The key itself counts as its answer.
        """
        return self.answer.check(answer.answer if isinstance(answer, Key) else answer)
