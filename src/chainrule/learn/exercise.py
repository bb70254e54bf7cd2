r"""`exercise`: one exercise with its key, verified before anybody sees it, and a judge for answers that says why."""

from dataclasses import dataclass, field
from typing import Any

from chainrule.present.texts import LANGUAGES, check_lang

from .answers import Answer, Judged
from .draw import Draw
from .kinds import KINDS, Setting, kinds_of
from .lines import Line, Solution
from .topics import TOPICS

LEVELS = range(1, 6)


@dataclass(frozen=True)
class Key:
    """The right answer as a student types it (`answer`), and the lines that lead to it; prints as Markdown."""

    answer: str
    lines: tuple[Line, ...]
    note: str = ""

    @property
    def worst(self) -> float:
        """The largest relative deviation of a line from the engine's result."""
        return max(line.error for line in self.lines)

    def __str__(self) -> str:
        steps = "\n\n".join(f"$$\n{line.latex}\n$$" for line in self.lines)
        return "\n\n".join(part for part in (steps, self.note) if part)


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    `question` is Markdown with mathematics between dollars, `key` the right answer with all steps, `hints` are three, each
    saying more. `check(answer)` returns whether an answer is right, and why. Prints as the question.
    """

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

    def to_markdown(self, key: bool = False) -> str:
        """Return the exercise as Markdown; with its key, if `key`."""
        from .write.markdown import write_markdown

        return write_markdown([self], self.lang, key=key)

    def to_html(self, key: bool = False) -> str:
        """Return the exercise as one HTML page without scripts, its hints to be opened; with its key, if `key`."""
        from .write.html import write_html

        return write_html([self], self.lang, key=key)

    def to_latex(self, key: bool = False) -> str:
        """Return the exercise as a LaTeX document; with its key, if `key`."""
        from .write.latex import write_latex

        return write_latex([self], self.lang, key=key)

    def to_notebook(self, key: bool = False) -> dict[str, Any]:
        """Return the exercise as a Jupyter notebook (nbformat 4), which `json.dump` writes."""
        from .write.notebook import write_notebook

        return write_notebook([self], self.lang, key=key)

    def _repr_html_(self) -> str:
        from .write.html import write_fragment

        return write_fragment([self], self.lang)

    def __str__(self) -> str:
        return self.question


def exercise(
    topic: str = "neuron", seed: int = 0, level: int = 1, lang: str = "en", kind: str | None = None
) -> Exercise:
    """Return an exercise on a topic of backpropagation, with a verified key.

    `topic` is one of `chainrule exercise --list`, `level` from 1 (a number) to 5 (a backward pass in Python), `lang` "en" or
    "ko". The same arguments give the same exercise on every machine. `kind` selects one of those that the topic offers at
    the level: compute, derive, fill, choose, line, write.

    Raises ValueError for an unknown topic, level, language or kind.

    >>> import chainrule as cr
    >>> ex = cr.exercise("neuron", seed=1)
    >>> ex.check(ex.key)
    (True, 'Right.')
    >>> cr.exercise("linear", level=3, kind="fill").check("x @ dY")[0]
    False
    """
    check_lang(lang, "exercise: ")
    found = TOPICS.get(topic)
    if found is None:
        raise ValueError(f"exercise: topic: no {topic!r}; there are {', '.join(TOPICS)}")
    if isinstance(level, bool) or level not in LEVELS:
        raise ValueError(f"exercise: level: expected 1 to 5, got {level!r}")
    offered = kinds_of(found, level)
    if kind is not None and kind not in offered:
        raise ValueError(f"exercise: kind: {topic} offers {', '.join(offered)} at level {level}, got {kind!r}")
    draw = Draw(topic, int(seed), level)
    solution = found.solution(draw, level)
    solution.check()
    chosen = kind or draw.choice(offered)
    task = KINDS[chosen](Setting(found, solution, draw, lang, level))
    key = Key(task.answer.text, task.lines, task.note)
    title = found.title[LANGUAGES.index(lang)]
    return Exercise(topic, chosen, level, int(seed), lang, title, task.question, key, task.hints, task.answer, solution)
