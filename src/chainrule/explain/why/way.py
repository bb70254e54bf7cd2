"""`explain_grad`: the path of a gradient from the loss to one parameter, and the node that cut it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.tensor import Tensor
from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.naming import name_all
from chainrule.explain.derive.numerals import number
from chainrule.explain.derive.rests import cleared
from chainrule.explain.derive.subject import Recording, calling_line, record
from chainrule.explain.derive.units import units_of
from chainrule.explain.write.catalogue import Catalogue
from chainrule.explain.write.sections import Table
from chainrule.explain.write.text import table_lines
from chainrule.nn.module import Module
from chainrule.observe.entry import Entry
from chainrule.present.escape import terminal
from chainrule.present.html import Markup
from chainrule.present.page import fragment, pairs, paragraphs
from chainrule.present.table import table
from chainrule.present.unicode_math import to_unicode

from .causes import Cause, constant_cause, cut_cause, pole_cause
from .cuts import where_cut

TINY = 1e-7
"""A root mean square below this is tiny: float32 has seven digits, so such a step does not change a weight of 1."""


@dataclass(frozen=True)
class PathStep:
    """One value on the path: its symbol, the operation that uses it, and the size of the gradient there.

    `factor` is the size of the gradient that arrives at this value through the operation, divided by the size of the
    gradient at the operation's result; `zeros` is the share of its elements that are zero.
    """

    symbol: str
    operation: str
    size: float
    factor: float
    zeros: float
    shape: tuple[int, ...]
    source: Source | None
    module: str


@dataclass(frozen=True)
class GradientPath:
    """Why a gradient is what it is.

    `verdict` is "none", "zero", "tiny", "not-finite", "partly-zero" or "healthy"; `cause` a code: `unused detached
    no-grad left-tape frozen integer-index constant dead-relu saturated masked clipped not-picked zero-factor pole
    vanishes shrinks partly loss-not-finite`, or "" if it is healthy. `steps` go from the loss to the parameter.
    """

    name: str
    verdict: str
    cause: str
    sentence: str
    at: str
    source: Source | None
    steps: tuple[PathStep, ...]
    lang: str = "en"

    def __bool__(self) -> bool:
        return self.verdict == "healthy"

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<GradientPath of {self.name}: {self.verdict}{f' ({self.cause})' if self.cause else ''}>"

    def to_text(self) -> str:
        """Return the explanation in a sentence, and the path as a table."""
        table = table_lines(Table(self._head(), tuple(map(self._row, self.steps)))) if self.steps else []
        return terminal("\n".join([f"{self.name}: {self.sentence}", *self._place(), *table]) + "\n")

    def _repr_html_(self) -> str:
        words = Catalogue(self.lang)
        steps: list[Markup] = []
        if self.steps:
            said = pairs((words[key], words[f"{key}_text"]) for key in ("size", "factor", "zeros"))
            steps = [table(self._head(), map(self._row, self.steps), self.name), said]
        return fragment(self.lang, paragraphs(f"{self.name}: {self.sentence}", *self._place()), steps)

    def _head(self) -> tuple[str, ...]:
        words = Catalogue(self.lang)
        return tuple(words[key] for key in ("value", "used_by", "shape", "size", "factor", "zeros"))

    def _place(self) -> list[str]:
        if self.source is None:
            return []
        return [Catalogue(self.lang)("in_line", line=self.source.line, text=self.source.text)]

    def _row(self, step: PathStep) -> tuple[str, ...]:
        factor = "" if np.isnan(step.factor) else f"{step.factor:.3g}"
        zeros = f"{100 * step.zeros:.0f} %"
        return (to_unicode(step.symbol), step.operation, str(list(step.shape)), f"{step.size:.3g}", factor, zeros)


def explain_grad(
    parameter: Any,
    model_or_f: Any,
    *args: Any,
    loss: Any = None,
    target: Any = None,
    lang: str = "en",
) -> GradientPath:
    """Return why the gradient of one parameter is zero, None, tiny or not finite, and where on its path that happened.

    `parameter` is a parameter of the model or its name; for a function, the name of an argument. The other arguments
    are those of `explain`. Raises ValueError, which lists the known names, for a parameter that is not among them.

    >>> import chainrule as cr
    >>> def f(w, x):
    ...     return cr.relu(w * x - 9.0)
    >>> path = cr.explain_grad("w", f, 2.0, 3.0)
    >>> path.verdict, path.cause
    ('zero', 'dead-relu')
    """
    words = Catalogue(lang)
    caller = calling_line()
    with np.errstate(all="ignore"):  # non-finite values are what is being explained
        recording = record(model_or_f, args, loss, target, None, caller, finite=False)
        entry = _found(parameter, model_or_f, args, recording)
        units = units_of(recording)
        book = Book(recording, units, name_all(recording, units))
        return _Inquiry(recording, book, words, entry).answer()


def _found(parameter: Any, subject: Any, args: Sequence[Any], recording: Recording) -> Entry:
    name = parameter
    if isinstance(parameter, Tensor) and isinstance(subject, Module):
        name = next((n for n, p in subject.named_parameters() if p is parameter), parameter.name)
    elif isinstance(parameter, Tensor):
        own = recording.names.get(id(parameter), parameter.name)
        name = next((e.name for e, x in zip(recording.entries, args, strict=False) if x is parameter), own)
    leaves = [e for e in recording.entries if e.is_leaf and e.name]
    found = next((e for e in leaves if e.name == name), None)
    if found is None:
        raise ValueError(
            f"explain_grad: no parameter is called {name!r}; there are {', '.join(e.name for e in leaves)}"
        )
    return found


class _Inquiry:
    """The question about one parameter's gradient."""

    def __init__(self, recording: Recording, book: Book, words: Catalogue, entry: Entry) -> None:
        self.recording, self.book, self.words, self.entry = recording, book, words, entry
        self.left = max(book.rests.gradient(entry), default=0.0)
        """The largest of the gradient's numbers that are only rounding; they count as zeros."""
        for one in recording.entries:
            one.gradient = cleared(one.gradient, book.rests.gradient(one))

    def answer(self) -> GradientPath:
        loss = self.recording.loss
        if not np.all(np.isfinite(loss.value)):
            return self._loss_not_finite()
        if not self.entry.tracked:
            return self._said("none", Cause("frozen"), None, ())
        if self.entry.gradient is None:
            return self._no_gradient()
        path = list(reversed(list(self._up(self.entry))))
        steps = tuple(self._steps(path))
        gradient = self.entry.gradient
        if not np.all(np.isfinite(gradient)):
            user, k = next((u, k) for u, k, e in path if not np.all(np.isfinite(e.gradient)))
            return self._said("not-finite", pole_cause(user, k), user, steps)
        if not np.any(gradient):
            user, k = next((u, k) for u, k, e in path if not np.any(e.gradient))
            cause = cut_cause(user, k)
            if cause.code == "vanishes" and self.left:
                cause = Cause("vanishes", {**cause.facts, "left": f"{self.left:.1e}"})
            return self._said("zero", cause, user, steps)
        if float(np.sqrt(np.mean(np.square(gradient)))) < TINY:
            return self._tiny(path, steps)
        if np.mean(gradient == 0) > 0:
            return self._partly(path, steps)
        return self._said("healthy", Cause(""), None, steps)

    def _partly(self, path: list[tuple[Entry, int, Entry]], steps: tuple[PathStep, ...]) -> GradientPath:
        share = float(np.mean(self.entry.gradient == 0))
        user, _, _ = max(path, key=lambda p: np.mean(p[2].gradient == 0) - np.mean(np.asarray(p[0].gradient) == 0))
        cause = Cause("partly", {"share": f"{100 * share:.0f} %", "operation": user.op.name})
        return self._said("partly-zero", cause, user, steps)

    def _tiny(self, path: list[tuple[Entry, int, Entry]], steps: tuple[PathStep, ...]) -> GradientPath:
        factors = [self._factor(place, place) for place in path]
        j = min(range(len(path)), key=factors.__getitem__)
        user, k, _ = path[j]
        found = cut_cause(user, k)
        if found.code in ("vanishes", "not-picked"):
            found = Cause("shrinks", {"operation": user.op.name, "factor": number(factors[j], 3)})
        return self._said("tiny", found, user, steps)

    def _loss_not_finite(self) -> GradientPath:
        entry = next(e for e in self.recording.entries if not _finite(e.value))
        cause = Cause("loss-not-finite", {"operation": entry.op.name if entry.op else entry.name})
        return self._said("not-finite", cause, entry if entry.op else None, ())

    def _no_gradient(self) -> GradientPath:
        cut, left_tape = where_cut(self.recording, self.entry)
        if cut is None:
            return self._said("none", Cause("unused"), None, ())
        cause = Cause("left-tape", {"operation": cut.op.name}) if left_tape else constant_cause(cut)
        return self._said("none", cause, cut, ())

    def _up(self, entry: Entry) -> Iterator[tuple[Entry, int, Entry]]:
        """Yield (user, position, value) from the parameter up to the loss, following the use that contributes most."""
        while entry.arrived:
            user, k, _ = max(entry.arrived, key=lambda a: (_size(a[2]), _size(a[0].gradient)))
            yield user, k, entry
            entry = user

    def _steps(self, path: list[tuple[Entry, int, Entry]]) -> Iterator[PathStep]:
        """Yield a step for each value that the derivation writes.

        What is inside one of its lines has no symbol, as the product in `x @ W + b`: its step is the line's.
        """
        shown = [j for j, (_, _, entry) in enumerate(path) if self.book.is_written(entry)]
        before = -1
        for j in shown:
            last, first = path[before + 1], path[j]
            (user, _, _), entry = first, first[2]
            line = self.book.maker.get(last[0])
            yield PathStep(
                self._symbol(entry),
                line.record.name if line is not None else user.op.name,
                _size(entry.gradient),
                self._factor(first, last),
                float(np.mean(np.asarray(entry.gradient) == 0)),
                entry.shape,
                user.source,
                user.module,
            )
            before = j

    def _factor(self, first: tuple[Entry, int, Entry], last: tuple[Entry, int, Entry]) -> float:
        """Return by how much the gradient changes between two places of the path, from the last one's user on."""
        user, k, entry = first
        arrived = next(x_bar for u, j, x_bar in entry.arrived if u is user and j == k)
        arrived = cleared(arrived, self.book.rests.gradient(entry))
        before = _size(last[0].gradient)
        return _size(arrived) / before if before else float("nan")

    def _symbol(self, entry: Entry) -> str:
        return self.book.operand(entry).show("", "")

    def _said(self, verdict: str, cause: Cause, at: Entry | None, steps: tuple[PathStep, ...]) -> GradientPath:
        facts = {key: number(x) if isinstance(x, float) else x for key, x in cause.facts.items()}
        first = self.words[f"verdict_{verdict.replace('-', '_')}"]
        key = "cause_cancels" if "left" in facts else f"cause_{cause.code.replace('-', '_')}"
        second = self.words(key, **facts) if cause.code else ""
        sentence = " ".join(part for part in (first, to_unicode_numbers(second)) if part)
        where = at.module if at is not None else ""
        name = at.op.name if at is not None and at.op is not None else ""
        source = at.source if at is not None else None
        if source is not None and (source.file, source.line) == self.recording.caller:
            source = None
        place = f"{name} ({where})" if where and name else name
        return GradientPath(self.entry.name, verdict, cause.code, sentence, place, source, steps, self.words.lang)


def to_unicode_numbers(text: str) -> str:
    r"""Return a sentence whose numbers may be LaTeX (`3 \cdot 10^{-5}`) as plain text."""
    return to_unicode(text) if "\\" in text else text


def _finite(value: Any) -> bool:
    values = value if isinstance(value, tuple) else (value,)
    return all(np.asarray(v).dtype.kind != "f" or bool(np.all(np.isfinite(v))) for v in values)


def _size(x: Any) -> float:
    if x is None:
        return 0.0
    arrays = x if isinstance(x, tuple) else (x,)
    return float(np.sqrt(sum(float(np.sum(np.square(np.asarray(a, float)))) for a in arrays)))
