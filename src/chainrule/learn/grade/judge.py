"""Judging one submission: the verdict comes from calls into its process, so nothing in it can change its own mark."""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.checker import examine
from chainrule.check.report.found import Finding
from chainrule.check.report.words import reason
from chainrule.learn.code import named_signature
from chainrule.present.texts import Words

from .box import Asked, Box, Limits, SubmissionError
from .intermediate import first_wrong
from .repair import Ask, Submitted, Workshop, programs
from .spec import Spec, Task
from .submissions import Submission
from .words import TEXT

CLOSE = 1e-6


@dataclass(frozen=True)
class Mark:
    """The mark for one task: points, the verdict, and what is wrong where."""

    task: str
    points: float
    most: float
    verdict: str
    cause: str = ""
    code: str = ""
    line: int | None = None
    argument: str = ""
    expected: str = ""
    failing: str = ""


@dataclass(frozen=True)
class Graded:
    """One submission with its marks."""

    name: str
    marks: tuple[Mark, ...]
    note: str = ""

    @property
    def points(self) -> float:
        """All points together."""
        return sum(mark.points for mark in self.marks)

    @property
    def most(self) -> float:
        """The points of a right submission."""
        return sum(mark.most for mark in self.marks)


def grade(submission: Submission, spec: Spec, lang: str = "en", limits: Limits | None = None) -> Graded:
    """Grade one submission; whatever it does, the result is a `Graded`."""
    say = Words(TEXT, lang, "grade: ")
    if submission.error:
        return _nothing(submission, spec, say("unread", why=submission.error))
    try:
        with Box(submission.source, limits, spec.allowed) as box:
            names = box.start()
            judge = _Judge(box, names, spec, say, submission.source)
            return Graded(submission.name, tuple(judge.mark(task) for task in spec.tasks))
    except SubmissionError as error:
        return _nothing(submission, spec, say("not_started", why=_said(error, say)), error.line)


def _nothing(submission: Submission, spec: Spec, why: str, line: int | None = None) -> Graded:
    marks = tuple(Mark(task.asked, 0.0, task.points, "error", why, line=line) for task in spec.tasks)
    return Graded(submission.name, marks, why)


def _said(error: SubmissionError, say: Words) -> str:
    text = str(error)
    within = re.fullmatch(r"no answer within (\S+) s", text)
    key, facts = ("no answer within {seconds} s", {"seconds": within[1]}) if within else (text, {})
    return say(f"error {error.code}", why=say(key, **facts) if key in say else text)


@dataclass
class _Judge:
    box: Box
    names: Sequence[str]
    spec: Spec
    say: Words
    source: str

    def mark(self, task: Task) -> Mark:
        """Judge one task."""
        if task.asked not in self.names:
            return Mark(task.asked, 0.0, task.points, "missing", self.say("missing", name=task.asked))
        try:
            return self._of_layer(task) if task.is_layer else self._of_function(task)
        except SubmissionError as error:
            return Mark(task.asked, 0.0, task.points, "error", _said(error, self.say), line=error.line)

    def _of_function(self, task: Task) -> Mark:
        floating = [k for k, x in enumerate(task.inputs) if np.asarray(x).dtype.kind == "f"]
        names = _parameters(task.reference, len(task.inputs))
        first = self.box.call(task.asked, np.float64(1.0) if _is_scalar(task) else _ones_like(task), *task.inputs)
        if isinstance(first, dict):
            wrong = first_wrong(task.reference, task.inputs, first)
            _gradients(first, [names[k] for k in floating], self.say)
            if wrong is not None:
                why, earned = self.say("first_wrong", name=wrong.name), self.spec.partial.get("step", 0.0) * task.points
                return Mark(task.asked, earned, task.points, "wrong", why, "step", None, wrong.name, wrong.formula)

        def ask(box: Asked, name: str) -> Callable[..., Any]:
            return lambda y_bar, *args: _gradients(box.call(name, y_bar, *args), [names[k] for k in floating], self.say)

        return self._checked(task, task.reference, task.inputs, ask)

    def _of_layer(self, task: Task) -> Mark:
        layer = task.reference(*task.constructor)
        held = [n for n, x in vars(layer).items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        values = [np.asarray(getattr(layer, name), np.float64) for name in held]
        count = len(task.inputs)

        def forward(*args: Any) -> Any:
            other = copy.deepcopy(layer)
            for name, value in zip(held, args[count:], strict=True):
                setattr(other, name, value)
            return other.forward(*args[:count])

        def run(box: Asked, name: str, y_bar: Any, *args: Any) -> dict[str, Any]:
            parameters = dict(zip(held, args[count:], strict=True))
            return box.layer(name, task.constructor, parameters, args[:count], y_bar)

        def ask(box: Asked, name: str) -> Callable[..., Any]:
            def backward(y_bar: Any, *args: Any) -> Any:
                found = run(box, name, y_bar, *args)
                given = found["inputs"] if isinstance(found["inputs"], tuple) else (found["inputs"],)
                return (*given, *(found["parameters"][name] for name in held))

            return backward

        everything = (*task.inputs, *values)
        y, expected = run(self.box, task.asked, None, *everything)["y"], forward(*everything)
        if np.shape(y) != np.shape(expected) or not np.allclose(y, expected, rtol=CLOSE, atol=CLOSE):
            return Mark(task.asked, 0.0, task.points, "forward", self.say["forward"])
        names = [*_parameters(task.reference.forward, count, skip=1), *held]
        return self._checked(task, named_signature(forward, names), everything, ask)

    def _checked(self, task: Task, f: Callable[..., Any], args: Sequence[Any], ask: Ask) -> Mark:
        workshop = Workshop(self.source, self.spec.allowed, ask)
        try:
            found = programs(self.source, task.asked, workshop)
            report = examine(Submitted(f, args, ask(self.box, task.asked), found))
        except SubmissionError:
            raise
        except (ValueError, TypeError) as error:
            return Mark(task.asked, 0.0, task.points, "error", str(error).splitlines()[0])
        finally:
            workshop.close()
        if report.ok:
            return Mark(task.asked, task.points, task.points, "right", self.say["right"])
        finding = next((f for f in report.findings if f.hypotheses and f.code != "unexplained"), report.findings[0])
        why = reason(finding.hypotheses[0], self.say.lang) if finding.hypotheses else finding.message
        share = max((self.spec.partial.get(f.code, 0.0) for f in report.findings), default=0.0)
        share = share if all(self.spec.partial.get(f.code) for f in report.findings) else 0.0
        line, wanted = finding.detail.get("line"), str(finding.detail.get("wanted", finding.detail.get("formula", "")))
        most, code, failing = task.points, finding.code, self._failing(finding)
        return Mark(task.asked, share * most, most, report.verdict, why, code, line, finding.argument, wanted, failing)

    def _failing(self, finding: Finding) -> str:
        at = f"{finding.argument}{list(finding.index) if finding.index else ''}"
        return str(self.say("failing", at=at, got=finding.analytic, expected=finding.numeric))


def _is_scalar(task: Task) -> bool:
    return np.ndim(task.reference(*task.inputs)) == 0


def _ones_like(task: Task) -> Any:
    return np.ones(np.shape(task.reference(*task.inputs)))


def _parameters(f: Any, count: int, skip: int = 0) -> list[str]:
    code = getattr(f, "__code__", None)
    names = list(code.co_varnames[skip : skip + count]) if code is not None else []
    return names if len(names) == count else [f"x{k}" for k in range(count)]


def _gradients(value: Any, names: Sequence[str], say: Words) -> Any:
    if not isinstance(value, dict):
        return value
    missing = [f"d{name}" for name in names if f"d{name}" not in value]
    if missing:
        raise SubmissionError("answer", say("no_gradient", names=", ".join(missing)))
    return tuple(value[f"d{name}"] for name in names)
