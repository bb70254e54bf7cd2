r"""Operations that pick, put and join elements: their formulas, evaluated by NumPy's own indexing.

A contraction is written out as the sum that its subscripts describe, which the evaluator reads as it stands.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.explain.derive.recorder import Entry
from chainrule.explain.derive.units import Unit

from .laws import Law

INDEXED = frozenset({"getitem", "index_set", "index_add", "concatenate", "stack", "split", "einsum"})
Function = Callable[..., Any]


def index_text(index: Any) -> str:
    r"""Return an index in LaTeX: integers and slices as they are written, an array of integers as t.

    >>> index_text((0, slice(1, None), ...)), index_text(np.array([2, 0]))
    ('0, 1:, \\ldots', 't')
    """
    parts = index if isinstance(index, tuple) else (index,)
    arrays = sum(isinstance(part, np.ndarray) for part in parts)
    return ", ".join(_part_text(part, "t" if arrays == 1 else r"\cdot") for part in parts)


def _part_text(part: Any, array: str) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
        return ":".join(ends if ends[2] else ends[:2])
    if part is Ellipsis:
        return r"\ldots"
    return array if isinstance(part, np.ndarray) else r"\text{new}" if part is None else str(part)


def _shape(x: Any) -> tuple[int, ...]:
    return np.shape(x.value if isinstance(x, Entry) else x)


def indexed_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass."""
    name, settings = unit.record.name, unit.settings
    index = settings.get("index")
    if name == "getitem":
        return Law(r"y = x[\mathrm{index}]", r"y = \operatorname{taken}(x)", {"taken": lambda x: np.asarray(x)[index]})
    if name in ("index_set", "index_add"):
        verb = "set" if name == "index_set" else "add"
        latex = rf"y = \operatorname{{{verb}}}(x, [\mathrm{{index}}], v)"
        return Law(latex, r"y = \operatorname{written}(x, v)", {"written": _writer(name, index)})
    if name in ("concatenate", "stack"):
        listed = ", ".join(rf"\mathrm{{{argument}}}" for argument in unit.argument_names)
        return Law(rf"y = \operatorname{{{name}}}({listed})", functions={name: _joiner(name, settings["axis"])})
    return _contraction(*_terms(unit), ("y", "a", "b")) if name == "einsum" else None


def indexed_backward(unit: Unit, k: int, shape: tuple[int, ...]) -> Law | None:
    """Return the law for the cotangent of input k, which has a shape."""
    name, index = unit.record.name, unit.settings.get("index")
    if name == "getitem":
        latex = (
            r"\bar x_m = \sum_{i: t_i = m} \bar y_i" if index_text(index) == "t" else r"\bar x[\mathrm{index}] = \bar y"
        )
        return Law(latex, r"\bar x = \operatorname{scattered}(\bar y)", {"scattered": _scatterer(index, shape)})
    if name in ("index_set", "index_add"):
        return _written_backward(name, index, k)
    if name in ("concatenate", "stack"):
        left = rf"\bar {{\mathrm{{{unit.argument_names[k]}}}}}"
        return Law(
            rf"{left} = \bar y[\text{{part }} {k + 1}]",
            rf"{left} = \operatorname{{part}}(\bar y)",
            {"part": _part(unit, k)},
        )
    if name == "split":
        parts, axis = unit.output.gradient, unit.settings["axis"]
        listed = ", ".join(rf"\bar y_{j + 1}" for j in range(len(parts)))
        functions: dict[str, Function] = {"joined": lambda _: np.concatenate(parts, axis=axis)}
        return Law(rf"\bar x = \operatorname{{concatenate}}({listed})", r"\bar x = \operatorname{joined}(x)", functions)
    of_a, of_b, of_y = _terms(unit)
    names = (r"\bar a", r"\bar y", "b") if k == 0 else (r"\bar b", r"\bar y", "a")
    return _contraction(of_y, of_b, of_a, names) if k == 0 else _contraction(of_y, of_a, of_b, names)


def _writer(name: str, index: Any) -> Function:
    def written(x: Any, v: Any) -> Any:
        y = np.array(x)
        if name == "index_set":
            y[index] = v
        else:
            np.add.at(y, index, v)
        return y

    return written


def _written_backward(name: str, index: Any, k: int) -> Law:
    if k == 1:
        return Law(
            r"\bar v = \bar y[\mathrm{index}]", r"\bar v = \operatorname{taken}(\bar y)", {"taken": lambda y: y[index]}
        )
    if name == "index_add":
        return Law(r"\bar x = \bar y")
    latex = r"\bar x = \operatorname{set}(\bar y, [\mathrm{index}], 0)"
    return Law(latex, r"\bar x = \operatorname{written}(\bar y, 0)", {"written": _writer(name, index)})


def _scatterer(index: Any, shape: tuple[int, ...]) -> Function:
    def scattered(y_bar: Any) -> Any:
        x_bar = np.zeros(shape)
        np.add.at(x_bar, index, y_bar)
        return x_bar

    return scattered


def _joiner(name: str, axis: int) -> Function:
    join: Any = np.concatenate if name == "concatenate" else np.stack
    return lambda *xs: join(xs, axis=axis)


def _part(unit: Unit, k: int) -> Function:
    axis = unit.settings["axis"]
    if unit.record.name == "stack":
        return lambda y: np.take(y, k, axis=axis)
    lengths = [_shape(x)[axis] for x in unit.inputs]
    start = sum(lengths[:k])
    return lambda y: np.take(y, range(start, start + lengths[k]), axis=axis)


def _terms(unit: Unit) -> tuple[str, str, str]:
    inputs, _, of_y = unit.settings["subscripts"].partition("->")
    of_a, _, of_b = inputs.partition(",")
    return of_a, of_b, of_y


def _contraction(first: str, second: str, result: str, names: tuple[str, str, str]) -> Law:
    r"""Return the sum that subscripts describe: `ij,jk->ik` is $y_{ik} = \sum_j a_{ij} b_{jk}$."""
    left, a, b = names
    summed = "".join(dict.fromkeys(i for i in first + second if i not in result))
    sign = rf"\sum_{{{', '.join(summed)}}} " if summed else ""
    sub = {name: f"_{{{own}}}" if own else "" for name, own in ((left, result), (a, first), (b, second))}
    return Law(rf"{left}{sub[left]} = {sign}{a}{sub[a]}\,{b}{sub[b]}")
