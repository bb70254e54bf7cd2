r"""Operations that select, write and join elements: their formulas, evaluated by NumPy's own indexing.

A contraction is written out as the sum that its subscripts describe, which the evaluator reads as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.explain.derive.template import sides
from chainrule.explain.derive.unit import Unit
from chainrule.formula.functions import as_double
from chainrule.observe.entry import Entry
from chainrule.rules.arrays.index import GetItem, IndexAdd, IndexSet, Scatter
from chainrule.rules.arrays.join import Concatenate, Split, Stack
from chainrule.rules.linalg.einsum import Einsum

from .laws import Law

Function = Callable[..., Any]
ELSEWHERE = r"\quad (\text{0 elsewhere})"
"""Stands behind an equation for the part of a gradient that is not 0."""


def array_in(index: Any) -> Any:
    """Return the one array of integers in an index, beside one that counts the rows; None if there is no such array."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if isinstance(part, np.ndarray) and part.dtype.kind in "iu"]
    by_row = len(arrays) == 2 and _counts(arrays[0]) and arrays[1].shape == arrays[0].shape
    return arrays[-1] if by_row or len(arrays) == 1 else None


def _letter_t(sub: str = "") -> str:
    return f"t_{sub}" if sub else "t"


def index_text(index: Any, named: Callable[[str], str] = _letter_t) -> str:
    r"""Return an index in LaTeX: integers and slices as written, an array of integers as t, or as it is named.

    >>> index_text((0, slice(1, None), ...)), index_text(np.array([2, 0]))
    ('0, 1:, \\ldots', 't')
    >>> index_text((np.arange(2), np.array([2, 0])))
    'i, t_i'
    """
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == 2 and _counts(arrays[0]) and arrays[1].shape == arrays[0].shape:  # one element of each row
        names = iter(("i", named("i")))
        return ", ".join(next(names) if isinstance(part, np.ndarray) else _part_text(part, "") for part in parts)
    return ", ".join(_part_text(part, named("") if len(arrays) == 1 else r"\cdot") for part in parts)


def _counts(x: Any) -> bool:
    return x.ndim == 1 and np.array_equal(x, np.arange(x.size))


def _part_text(part: Any, array: str) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
        return ":".join(ends if ends[2] else ends[:2])
    if part is Ellipsis:
        return r"\ldots"
    return array if isinstance(part, np.ndarray) else r"\text{new}" if part is None else str(part)


def _shape(x: Any) -> tuple[int, ...]:
    return np.shape(x.value if isinstance(x, Entry) else x)


def _taken(unit: Unit) -> Law:
    index = unit.settings["index"]
    return Law(r"y = x[\mathrm{index}]", r"y = \operatorname{taken}(x)", {"taken": lambda x: np.asarray(x)[index]})


def _scattered(unit: Unit, _: int, shape: tuple[int, ...]) -> Law:
    index = unit.settings["index"]
    latex = r"\bar x_m = \sum_{i: t_i = m} \bar y_i" if index_text(index) == "t" else r"\bar x[\mathrm{index}] = \bar y"
    if index_text(index) != "t":
        counts = _counted(index, shape)
        latex = _summed_over_repeats(index) if np.any(counts > 1) else latex
        latex += ELSEWHERE if "[" in sides(latex)[0] and not np.all(counts) else ""
    return Law(latex, r"\bar x = \operatorname{scattered}(\bar y)", {"scattered": _scatterer(index, shape)})


def _placed(unit: Unit) -> Law:
    """Return the law of what puts values at an index among zeros: what the gradient of an indexed value does."""
    law = _scattered(unit, 0, unit.settings["shape"])
    latex, reading = (
        text.replace(r"\bar x", "y").replace(r"\bar y", "x") for text in (law.latex, law.reading or law.latex)
    )
    return Law(latex, reading, law.functions)


def _counted(index: Any, shape: tuple[int, ...]) -> Any:
    """Return how often an index takes each element: the gradient of what it takes several times is a sum."""
    counts = np.zeros(shape, int)
    np.add.at(counts, index, 1)
    return counts


def _summed_over_repeats(index: Any) -> str:
    """Return the gradient of what is taken more than once: a sum over its places along the axis of an array of them."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) != 1 or arrays[0].ndim != 1 or any(part is None or isinstance(part, int) for part in parts):
        return r"\bar x = \operatorname{add}(0, [\mathrm{index}], \bar y)"
    left = ", ".join(_part_text(part, "m") for part in parts)
    right = ", ".join("i" if part is arrays[0] else r"\ldots" if part is Ellipsis else ":" for part in parts)
    return rf"\bar x[{left}] = \sum_{{i: t_i = m}} \bar y[{right}]"


def _written(unit: Unit) -> Law:
    verb = "set" if unit.record is IndexSet else "add"
    latex = rf"y = \operatorname{{{verb}}}(x, [\mathrm{{index}}], v)"
    return Law(latex, r"y = \operatorname{written}(x, v)", {"written": _writer(unit.record, unit.settings["index"])})


def _written_backward(unit: Unit, k: int, _: tuple[int, ...]) -> Law:
    index = unit.settings["index"]
    if k == 1 and unit.record is IndexSet and not np.all(last := _last_written(unit)):
        functions: dict[str, Function] = {"last": lambda y: y[index] * last}
        latex = r"\bar v = \bar y[\mathrm{index}] \odot [\text{written last}]"
        return Law(latex, r"\bar v = \operatorname{last}(\bar y)", functions)
    if k == 1:
        return Law(
            r"\bar v = \bar y[\mathrm{index}]", r"\bar v = \operatorname{taken}(\bar y)", {"taken": lambda y: y[index]}
        )
    if unit.record is IndexAdd:
        return Law(r"\bar x = \bar y")
    latex = r"\bar x = \operatorname{set}(\bar y, [\mathrm{index}], 0)"
    return Law(latex, r"\bar x = \operatorname{written}(\bar y, 0)", {"written": _writer(unit.record, index)})


def _last_written(unit: Unit) -> Any:
    """Return which elements of the index are written to no other value later on."""
    index, shape = unit.settings["index"], unit.output.shape
    written = np.zeros(shape, int)
    numbers = np.arange(1, written[index].size + 1).reshape(np.shape(written[index]))
    written[index] = numbers
    return written[index] == numbers


def _joined(unit: Unit) -> Law:
    name, axis = unit.record.name, unit.settings["axis"]
    listed = ", ".join(rf"\mathrm{{{argument}}}" for argument in unit.argument_names)
    join: Any = np.concatenate if unit.record is Concatenate else np.stack
    return Law(rf"y = \operatorname{{{name}}}({listed})", functions={name: lambda *xs: join(xs, axis=axis)})


def _joined_backward(unit: Unit, k: int, _: tuple[int, ...]) -> Law:
    left = rf"\bar {{\mathrm{{{unit.argument_names[k]}}}}}"
    reading = rf"{left} = \operatorname{{part}}(\bar y)"
    return Law(rf"{left} = \bar y[\text{{part {k + 1}}}]", reading, {"part": _part(unit, k)})


def _split_backward(unit: Unit, _: int, __: tuple[int, ...]) -> Law:
    parts, axis = unit.output.gradient, unit.settings["axis"]
    listed = ", ".join(rf"\bar y_{j + 1}" for j in range(len(parts)))
    functions: dict[str, Function] = {"joined": lambda _: np.concatenate(parts, axis=axis)}
    return Law(rf"\bar x = \operatorname{{concatenate}}({listed})", r"\bar x = \operatorname{joined}(x)", functions)


def _contracted(unit: Unit) -> Law:
    return _evaluated(unit, _contraction(*_terms(unit), ("y", "a", "b")), "y", 0)


def _contracted_backward(unit: Unit, k: int, _: tuple[int, ...]) -> Law:
    of_a, of_b, of_y = _terms(unit)
    if k == 0:
        return _evaluated(unit, _contraction(of_y, of_b, of_a, (r"\bar a", r"\bar y", "b")), r"\bar a", 1)
    return _evaluated(unit, _contraction(of_y, of_a, of_b, (r"\bar b", r"\bar y", "a")), r"\bar b", 2)


def _evaluated(unit: Unit, law: Law, left: str, which: int) -> Law:
    """Return a contraction's law; where axes of length 1 are stretched, which indices cannot say, by NumPy."""
    of_a, of_b, of_y = _terms(unit)
    a, b, y = *map(_shape, unit.inputs), unit.output.shape
    lengths: dict[str, int] = {}
    pairs = [*zip(of_a, a, strict=True), *zip(of_b, b, strict=True), *zip(of_y, y, strict=True)]
    if all(lengths.setdefault(letter, n) == n for letter, n in pairs):
        return law
    subscripts = (f"{of_a},{of_b}->{of_y}", f"{of_y},{of_b}->{of_a}", f"{of_y},{of_a}->{of_b}")[which]
    names = ("a, b", r"\bar y, b", r"\bar y, a")[which]
    shape = (y, a, b)[which]

    def contracted(*arrays: Any) -> Any:
        longest = {letter: max(n for other, n in pairs if other == letter) for letter, _ in pairs}
        terms = subscripts.partition("->")[0].split(",")
        full = [np.broadcast_to(x, [longest[i] for i in term]) for x, term in zip(arrays, terms, strict=True)]
        found = np.einsum(subscripts, *full)
        kept = tuple(k for k, n in enumerate(shape) if n == 1 != found.shape[k])
        return found.sum(axis=kept, keepdims=True)

    return Law(law.latex, rf"{left} = \operatorname{{contracted}}({names})", {"contracted": contracted})


def _writer(record: Any, index: Any) -> Function:
    def written(x: Any, v: Any) -> Any:
        y = np.array(x)
        if record is IndexSet:
            y[index] = v
        else:
            np.add.at(y, index, v)
        return y

    return written


def _scatterer(index: Any, shape: tuple[int, ...]) -> Function:
    def scattered(y_bar: Any) -> Any:
        x_bar = np.zeros(shape, as_double(y_bar).dtype)
        np.add.at(x_bar, index, y_bar)
        return x_bar

    return scattered


def _part(unit: Unit, k: int) -> Function:
    axis = unit.settings["axis"]
    if unit.record is Stack:
        return lambda y: np.take(y, k, axis=axis)
    lengths = [_shape(x)[axis] for x in unit.inputs]
    start = sum(lengths[:k])
    return lambda y: np.take(y, range(start, start + lengths[k]), axis=axis)


def _terms(unit: Unit) -> tuple[str, str, str]:
    inputs, _, of_y = unit.settings["subscripts"].partition("->")
    of_a, _, of_b = inputs.partition(",")
    letters = dict(zip(dict.fromkeys(of_a + of_b), _letters(of_a + of_b), strict=True))
    return tuple("".join(letters[i] for i in part) for part in (of_a, of_b, of_y))  # type: ignore[return-value]


def _letters(subscripts: str) -> list[str]:
    """Return letters for indices: the program's own, except those that name something else in the formula."""
    used = list(dict.fromkeys(subscripts))
    spare = (letter for letter in "ijklmnpqrstuvwxz" if letter not in used)
    return [next(spare) if letter in "abey" or letter.isupper() else letter for letter in used]


def _contraction(first: str, second: str, result: str, names: tuple[str, str, str]) -> Law:
    r"""Return the sum described by subscripts: `ij,jk->ik` is $y_{ik} = \sum_j a_{ij} b_{jk}$."""
    left, a, b = names
    summed = "".join(dict.fromkeys(i for i in first + second if i not in result))
    sign = rf"\sum_{{{', '.join(summed)}}} " if summed else ""
    sub = {name: f"_{{{own}}}" if own else "" for name, own in ((left, result), (a, first), (b, second))}
    return Law(rf"{left}{sub[left]} = {sign}{a}{sub[a]}\,{b}{sub[b]}")


FORWARD: Mapping[Any, Callable[[Unit], Law]] = {
    GetItem: _taken,
    Scatter: _placed,
    **dict.fromkeys((IndexSet, IndexAdd), _written),
    **dict.fromkeys((Concatenate, Stack), _joined),
    Einsum: _contracted,
}
"""The law of the forward pass, by record."""
BACKWARD: Mapping[Any, Callable[[Unit, int, tuple[int, ...]], Law]] = {
    GetItem: _scattered,
    **dict.fromkeys((IndexSet, IndexAdd), _written_backward),
    **dict.fromkeys((Concatenate, Stack), _joined_backward),
    Split: _split_backward,
    Einsum: _contracted_backward,
}
"""The law for the cotangent of input k (of a given shape), by record."""
