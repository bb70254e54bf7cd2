r"""The kinds of exercise: compute, derive, fill in a step, choose, find the line, write the pass, read a table.

Each takes a solution with numbers and returns a `Task`: the question as Markdown with mathematics between dollars, what
the answer must be, and three hints, from a nudge to all but the answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.report.words import reason
from chainrule.explain.derive.numerals import shown
from chainrule.explain.derive.symbols import from_name
from chainrule.present.texts import LANGUAGES

from .answers import Answer, ChoiceAnswer, CodeAnswer, FormulaAnswer, Mistake, NumberAnswer, letter
from .code import as_written, plain_source
from .draw import Draw
from .expression import pattern
from .lines import Line, Scene, Solution
from .names import is_gradient
from .passes import report_of, slips
from .tables import BESIDES, CASES, reading
from .topics import Topic
from .words import words

CHOICES = 4


@dataclass(frozen=True)
class Task:
    """A question, its answer, its hints, and the lines of the key."""

    question: str
    answer: Answer
    hints: tuple[str, str, str]
    lines: tuple[Line, ...]
    note: str = ""
    """What the key says besides its lines."""


@dataclass(frozen=True)
class Setting:
    """What all kinds are given: the topic, its solution with numbers, the draw, and the language."""

    topic: Topic
    solution: Solution
    draw: Draw
    lang: str
    level: int

    @property
    def said(self) -> str:
        """The topic's own words, if it has any."""
        return self.topic.said[LANGUAGES.index(self.lang)]

    @property
    def gradients(self) -> list[Line]:
        """The lines that may be asked for: for a network those of its backward pass.

        A gradient that is a sum over several uses is written with bars that nobody types; it is not asked for.
        """
        lines = self.solution.lines
        return [line for line in lines if line.is_gradient and r"\right|" not in line.formula]


def compute(s: Setting) -> Task:
    """Compute one gradient's value."""
    say = words(s.lang)
    lines = s.gradients
    asked = s.draw.choice(lines[-3:] if s.level > 1 else _short(lines)[: max(3, len(lines) // 2)])
    form = say("type_number") if np.ndim(asked.value) == 0 else _array_form(asked.value, say)
    question = _paragraphs(_problem(s), f"**{say('compute', symbol=asked.symbol)}** {form}")
    answer = NumberAnswer(asked.name, asked.value, _mistakes(s.solution, asked), s.lang)
    before = _before(s.solution, asked)
    hints = (
        say("hint_rule") if isinstance(s.solution, Scene) else say("hint_order"),
        say("hint_before", line=before[-1].latex) if before else say("hint_shape", shape=list(np.shape(asked.value))),
        say("hint_formula", formula=asked.formula),
    )
    return Task(question, answer, hints, _until(s.solution, asked))


def derive(s: Setting) -> Task:
    """Derive the formula of one gradient."""
    return _formula(s, "derive", ())


def fill(s: Setting) -> Task:
    """Fill in one step of the backward pass."""
    asked = s.draw.choice(s.gradients[1:] or s.gradients)
    others = [line for line in s.solution.lines if line.is_gradient and line.name != asked.name]
    return _formula(s, "fill", others, asked)


def _formula(s: Setting, ask: str, others: Sequence[Line], asked: Line | None = None) -> Task:
    say = words(s.lang)
    asked = asked or s.draw.choice(s.gradients[-4:])
    usable = [known.name for known in s.solution.named(asked.name)]
    listed = ", ".join(f"`{name}`" for name in usable)
    forms = say("type_formula", names=listed, example="dz * (a - 1)" if "dz" in usable else "x * (y + 1)")
    is_network = isinstance(s.solution, Scene)
    blocks = [_problem(s, numbers=False, hidden="" if is_network else asked.name)]
    if others and is_network:
        blocks += [say("lines"), "\n\n".join(f"$$\n{line.formula}\n$$" for line in others)]
    words_of_it = ask if is_network or ask != "fill" else "fill_formula"
    question = _paragraphs(*blocks, f"**{say(words_of_it, symbol=_bare(asked))}** {forms}")
    answer = FormulaAnswer(asked.name, s.solution, asked.formula, s.lang)
    hints = (
        say("hint_rule") if is_network else say("hint_order"),
        say("hint_shape", shape=list(np.shape(asked.value))),
        say("hint_parts", names=", ".join(f"`{name}`" for name in _parts(s.solution, asked)) or asked.right),
    )
    return Task(question, answer, hints, _until(s.solution, asked))


def choose(s: Setting) -> Task:
    """Choose the one right backward pass of four."""
    say, (scene, network) = words(s.lang), _network(s)
    wrong = _several(scene, s, network, CHOICES - 1)
    right = s.topic.backward.strip()
    order = s.draw.shuffled([None, *wrong])
    reasons = [
        f"{say('chosen')} {say('choice_right', letter=letter(k))}"
        if slip is None
        else f"{say('not_chosen')} {say('choice_wrong', letter=letter(k), why=slip.why[s.lang])}"
        for k, slip in enumerate(order)
    ]
    shown_code = "\n\n".join(
        f"**{letter(k)}**\n\n```python\n{right if slip is None else slip.source}\n```" for k, slip in enumerate(order)
    )
    question = _paragraphs(_program(s), f"**{say('choose_right')}**", shown_code)
    place = order.index(None)
    hints = (say("hint_differ"), say("hint_try", name=scene.learned[0]), _not_these(order, place, reasons))
    return Task(question, ChoiceAnswer(place, reasons, s.lang), hints, scene.lines, "\n\n".join(reasons))


def find_line(s: Setting) -> Task:
    """Find the wrong line of a backward pass."""
    say, (scene, network) = words(s.lang), _network(s)
    slip = _several(scene, s, network, 1)[0]
    rows = slip.source.splitlines()
    lines = [k for k, row in enumerate(rows) if row.strip().startswith("d") and "=" in row]
    if slip.line not in lines:
        lines = sorted({*lines, slip.line})
    place = lines.index(slip.line)
    marked = "\n".join(f"{letter(lines.index(k)) if k in lines else ' '} | {row}" for k, row in enumerate(rows))
    why = say("choice_wrong", letter=letter(place), why=slip.why[s.lang])
    reasons = [f"{say('chosen')} {why}" if k == place else say("not_chosen") for k in range(len(lines))]
    question = _paragraphs(_program(s), f"**{say('find_line')}**", f"```text\n{marked}\n```")
    before = rows[lines[max(place - 1, 0)]].strip()
    hints = (say("hint_shapes"), say("hint_try", name=scene.learned[0]), say("hint_near", line=before))
    return Task(question, ChoiceAnswer(place, reasons, s.lang), hints, scene.lines, why)


def write(s: Setting) -> Task:
    """Write the backward pass."""
    say, (scene, network) = words(s.lang), _network(s)
    gradients = ", ".join(f"d{name}" for name in scene.learned)
    ask = say("write", arguments=", ".join(scene.given), gradients=gradients)
    right = s.topic.backward.strip()

    def judge(function: Callable[..., Any]) -> tuple[bool, str]:
        elsewhere = scene.elsewhere(Draw("write", s.topic.name))
        try:
            got = function(*elsewhere.given.values())
            count = len(got) if isinstance(got, tuple | list) else 1
            if count != len(scene.learned):
                return False, say("returned", expected=len(scene.learned), got=count)
            report = report_of(
                elsewhere, lambda *args: tuple(function(*args)) if count > 1 else function(*args), network
            )
        except Exception as error:
            return False, say("raised", error=f"{type(error).__name__}: {error}")
        if report.ok:
            return True, say("write_right", gradients=gradients)
        finding = report.findings[0]
        why = reason(finding.hypotheses[0], s.lang).rstrip(".") if finding.hypotheses else finding.message
        return False, say("write_wrong", argument=f"d{finding.argument}", why=why)

    hints = (
        say("hint_rule"),
        say("hint_parts", names=", ".join(f"`{line.name}`" for line in scene.lines if line.is_gradient)),
        say("hint_line", line=right.splitlines()[-2].strip()),
    )
    question = _paragraphs(_program(s), f"**{ask}**")
    return Task(question, CodeAnswer(judge, right, s.lang), hints, scene.lines, f"```python\n{right}\n```")


def read_table(s: Setting) -> Task:
    """Read the doctor's table of a network."""
    say, found = words(s.lang), reading(s.draw, s.lang)
    others = s.draw.shuffled([code for code in CASES if code not in BESIDES[found.code]])
    order = s.draw.shuffled([found.code, *others[: CHOICES - 1]])
    reasons = [
        f"{say('chosen')} {found.evidence}." if code == found.code else f"{say('not_chosen')} {say(f'sign_of {code}')}"
        for code in order
    ]
    choices = "\n\n".join(f"**{letter(k)}** {say(f'case {code}')}" for k, code in enumerate(order))
    table, place = f"```text\n{found.text}\n```", order.index(found.code)
    question = _paragraphs(say["table_intro"], table, f"**{say['table_ask']}**", choices)
    hints = (say("hint_columns"), say("hint_ratio"), _not_these(order, place, reasons))
    return Task(question, ChoiceAnswer(place, reasons, s.lang), hints, (), f"{found.evidence}.")


KINDS: dict[str, Callable[[Setting], Task]] = {
    **{"compute": compute, "derive": derive, "fill": fill},
    **{"choose": choose, "line": find_line, "write": write, "table": read_table},
}
BY_LEVEL: dict[int, tuple[str, ...]] = {
    **{1: ("compute",), 2: ("compute", "fill"), 3: ("fill", "derive", "compute")},
    **{4: ("line", "choose", "table", "derive"), 5: ("write", "choose", "derive")},
}
"""What is asked at each level."""
WITH_CODE = frozenset({"choose", "line", "write"})
"""The kinds that need a backward pass in Python."""


def kinds_of(topic: Topic, level: int) -> tuple[str, ...]:
    """Return the kinds that a topic offers at a level."""
    asks = {**dict.fromkeys(WITH_CODE, bool(topic.backward)), "table": topic.tables}
    return tuple(kind for kind in BY_LEVEL[level] if asks.get(kind, True))


def _network(s: Setting) -> tuple[Scene, Callable[..., Any]]:
    if not isinstance(s.solution, Scene):
        raise TypeError(f"exercise: {s.topic.name} has no network to write a backward pass for")
    return s.solution, as_written(s.solution.network)


def _several(scene: Scene, s: Setting, network: Callable[..., Any], count: int) -> list[Any]:
    found = []
    for slip in slips(scene, s.topic.backward, network, s.draw):
        found.append(slip)
        if len(found) == count:
            break
    return found


def _not_these(order: Sequence[Any], place: int, reasons: Sequence[str]) -> str:
    """Rule out one wrong choice."""
    return next(reasons[k] for k in range(len(order)) if k != place)


def _program(s: Setting) -> str:
    scene, _ = _network(s)
    return _paragraphs(words(s.lang)["network"], f"```python\n{plain_source(scene.network)}\n```")


def _problem(s: Setting, numbers: bool = True, hidden: str = "") -> str:
    """What is given: the network's or the sequence's formulas, but not the one that is asked for, and the numbers."""
    say = words(s.lang)
    lines = [line for line in s.solution.lines if not (isinstance(s.solution, Scene) and line.is_gradient)]
    formulas = [rf"{line.symbol} =\;?" if line.name == hidden else line.formula for line in lines]
    blocks = [s.said, "\n\n".join(f"$$\n{text}\n$$" for text in formulas)]
    if isinstance(s.solution, Scene):
        blocks.insert(1, say["network"])
    if numbers:
        given = ",\\quad ".join(f"{from_name(name)} = {shown(x)}" for name, x in s.solution.given.items())
        blocks += [say["numbers"], f"$$\n{given}\n$$"]
    return _paragraphs(*blocks)


def _paragraphs(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


def _short(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if np.size(line.value) <= 4] or list(lines)


def _bare(line: Line) -> str:
    """The symbol on the left of a formula, with its indices."""
    return line.formula.partition(" = ")[0]


def _array_form(value: Any, say: Any) -> str:
    shape = np.shape(value)
    example = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).tolist()
    return str(say("type_array", shape=list(shape), example=f"`{example}`"))


def _until(solution: Solution, asked: Line) -> tuple[Line, ...]:
    lines = solution.lines
    return lines[: [line.name for line in lines].index(asked.name) + 1]


def _parts(solution: Solution, asked: Line) -> list[str]:
    """The ASCII names that the asked formula contains, as far as they are values."""
    found = []
    rest = asked.right
    for known in sorted(solution.named(asked.name), key=lambda v: -len(v.symbol)):
        rest, count = pattern(known.symbol).subn(" ", rest)
        if count and known.name not in found:
            found.append(known.name)
    return found


def _before(solution: Solution, asked: Line) -> list[Line]:
    return [line for line in solution.lines if line.name in _parts(solution, asked) and is_gradient(line.name)]


def _mistakes(solution: Solution, asked: Line) -> list[Mistake]:
    """The values that known mistakes give: another value of the solution, or one of two factors alone."""
    before = _before(solution, asked)
    found = [Mistake(line.value, "incoming_only") for line in before]
    alike = [line for line in solution.lines if np.shape(line.value) == np.shape(asked.value)]
    divisors = [line for line in before if np.shape(line.value) == np.shape(asked.value) and np.all(line.value)]
    found += [Mistake(np.asarray(asked.value) / line.value, "local_only") for line in divisors]
    others = [line for line in alike if line.name != asked.name]
    return found + [Mistake(line.value, "value_instead") for line in others]
