r"""`exercise`: one exercise with its key, verified before anybody sees it, and a judge for answers that says why."""

from dataclasses import dataclass
from typing import Any

from chainrule.base.lacking import nearest_of
from chainrule.present.texts import LANGUAGES, check_lang

from .draw import Draw
from .kinds import KINDS, Setting, kinds_of
from .question import Key, Question
from .topics import TOPICS
from .write.html import write_fragment, write_html
from .write.latex import write_latex
from .write.markdown import write_markdown
from .write.notebook import write_notebook

LEVELS = range(1, 6)


@dataclass(frozen=True)
class Exercise(Question):
    """One exercise.

    `question` is Markdown with mathematics between dollars, `key` the right answer with all steps, `hints` are three,
    each saying more. `check(answer)` returns whether an answer is right, and why. Prints as the question.
    """

    def to_markdown(self, key: bool = False) -> str:
        """Return the exercise as Markdown; with its key, if `key`."""
        return write_markdown([self], self.lang, key=key)

    def to_html(self, key: bool = False) -> str:
        """Return the exercise as one HTML page without scripts, its hints to be opened; with its key, if `key`."""
        return write_html([self], self.lang, key=key)

    def to_latex(self, key: bool = False) -> str:
        """Return the exercise as a LaTeX document; with its key, if `key`."""
        return write_latex([self], self.lang, key=key)

    def to_notebook(self, key: bool = False) -> dict[str, Any]:
        """Return the exercise as a Jupyter notebook (nbformat 4), which `json.dump` writes."""
        return write_notebook([self], self.lang, key=key)

    def _repr_html_(self) -> str:
        return write_fragment([self], self.lang)

    def __str__(self) -> str:
        return self.question


def exercise(
    topic: str = "neuron", seed: int = 0, level: int = 1, lang: str = "en", kind: str | None = None
) -> Exercise:
    """Return an exercise on a topic of backpropagation, with a verified key.

    `topic` is one of `chainrule exercise --list`, `level` from 1 (a number) to 5 (a backward pass in Python), `lang`
    "en" or "ko". The same arguments give the same exercise on every machine. `kind` selects one of those that the topic
    offers at the level: compute, derive, fill, choose, line, table, write.

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
        near = nearest_of(str(topic), TOPICS)
        meant = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"exercise: topic: no {topic!r}; there are {', '.join(TOPICS)}{meant}")
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
