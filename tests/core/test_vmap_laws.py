"""`vmap` equals the loop: for every operation of the registry, in values and in every derivative."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.operation import REGISTRY, Operation
from chainrule.core.tensor import value_of

from ..rules.calls import Call, cases_of, is_floating

ROWS = 2
FIRST = 2
"""How many cases of each operation are in the default half."""
OPERATIONS = [op for _, op in sorted(REGISTRY.items()) if op.__module__.startswith("chainrule.")]
SHAPED = [op for op in OPERATIONS if op.is_shaped_by_values]


def calls(op: type[Operation], part: slice) -> Iterator[list[Call]]:
    """Several calls for each case, one for each row: they differ in the values of what moves."""
    for number, one in enumerate(cases_of(op)[part]):
        yield [Call.drawn(op, one, np.random.default_rng((number, row))) for row in range(ROWS)]


def choices(count: int) -> Iterator[tuple[int, ...]]:
    """Which of the arguments differ from row to row: all of them, and each of the first two alone."""
    yield tuple(range(count))
    if count > 1:
        yield from ((k,) for k in range(min(count, 2)))


def rowwise(op: type[Operation], rows: list[Call], chosen: tuple[int, ...]) -> tuple[list[Any], list[list[Any]]]:
    """The arguments with the chosen ones stacked, and the arguments of each row."""
    first = rows[0].args
    # Numbers that are fixed by the case (indices, masks, matrices) are turned around, so that the rows differ.
    own = [
        [row.args[k] if k in row.moving else turned(op, row.args[k], place) for k in range(len(first))]
        for place, row in enumerate(rows)
    ]
    args = [np.stack([np.asarray(row[k]) for row in own]) if k in chosen else own[0][k] for k in range(len(first))]
    singles = [[row[k] if k in chosen else own[0][k] for k in range(len(first))] for row in own]
    return args, singles


def turned(op: type[Operation], x: Any, place: int) -> Any:
    x = np.asarray(x)
    return np.roll(x, place, axis=-1) if x.ndim and x.dtype.kind in "iub" and not op.is_shaped_by_values else x


def nested(args: list[Any], chosen: tuple[int, ...]) -> list[Any]:
    """The arguments with one more axis in front."""
    return [np.stack([x, x]) if k in chosen else x for k, x in enumerate(args)]


def placed(args: list[Any], places: tuple[int, ...], values: Any) -> list[Any]:
    """The arguments with values at some places."""
    found = dict(zip(places, values, strict=True))
    return [found.get(k, x) for k, x in enumerate(args)]


def quiet(f: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", cr.VmapWarning)
        return f(*args)


def arrays(y: Any) -> list[Any]:
    return [np.asarray(value_of(part)) for part in (y if isinstance(y, tuple | list) else (y,)) if part is not None]


def same(found: Any, rows: list[Any], what: str) -> None:
    expected = [np.stack(part) for part in zip(*(arrays(row) for row in rows), strict=True)]
    for a, b in zip(arrays(found), expected, strict=True):
        assert a.shape == b.shape, f"{what}: {a.shape}, expected {b.shape}"
        assert a.dtype == b.dtype, f"{what}: {a.dtype}, expected {b.dtype}"
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=what)


class Rows:
    """A call of an operation for each row; the arguments in `chosen` differ from row to row."""

    def __init__(self, rows: list[Call], chosen: tuple[int, ...]) -> None:
        self.op, self.settings, self.moving = rows[0].op, {**rows[0].op.defaults, **rows[0].settings}, rows[0].moving
        self.chosen = chosen
        self.args, self.singles = rowwise(self.op, rows, chosen)
        self.axes = tuple(0 if k in chosen else None for k in range(len(self.args)))
        self.where = f"{self.op.name} {[np.shape(x) for x in self.args]} {rows[0].settings} {chosen}"

    def f(self, *xs: Any) -> Any:
        return self.op.apply(*xs, **self.settings)

    def loss(self, *xs: Any) -> Any:
        y = self.f(*xs)
        total: Any = 0.0
        for part in y if self.op.several else (y,):
            weights = np.cos(np.arange(part.size)).reshape(part.shape)
            if part.dtype.kind == "c":
                total = total + (np.real(part) * weights).sum() + (np.imag(part) * weights**2).sum()
            elif is_floating(part):
                total = total + (part * weights).sum()
        return total

    def values(self) -> list[Any]:
        wanted = [quiet(self.f, *row) for row in self.singles]
        same(quiet(cr.vmap(self.f, in_axes=self.axes), *self.args), wanted, f"value of {self.where}")
        twice = quiet(cr.vmap(cr.vmap(self.f, in_axes=self.axes), in_axes=self.axes), *nested(self.args, self.chosen))
        together = [np.stack(part) for part in zip(*map(arrays, wanted), strict=True)]
        same(twice, [together, together], f"vmap(vmap) of {self.where}")
        return wanted

    def gradients(self) -> None:
        each = cr.grad(self.loss, argnums=self.moving)
        wanted = [quiet(each, *row) for row in self.singles]
        same(quiet(cr.vmap(each, in_axes=self.axes), *self.args), wanted, f"vmap(grad) of {self.where}")

        def total(*xs: Any) -> Any:
            return cr.vmap(self.loss, in_axes=self.axes)(*xs).sum()

        for k, part, *rows in zip(
            self.moving, quiet(cr.grad(total, argnums=self.moving), *self.args), *wanted, strict=True
        ):
            expected = np.stack(rows) if k in self.chosen else np.sum(rows, axis=0)
            np.testing.assert_allclose(part, expected, rtol=1e-8, atol=1e-10, err_msg=f"grad(vmap) of {self.where}")

    def tangents(self) -> None:
        dots = [np.cos(np.arange(self.args[k].size)).reshape(self.args[k].shape) for k in self.moving]

        def pushed(f: Any, args: list[Any], dots: list[Any]) -> Any:
            at = [args[k] for k in self.moving]
            return quiet(cr.jvp, lambda *xs: f(*placed(args, self.moving, xs)), at, dots)[1]

        of_rows = [
            pushed(
                self.f, row, [dot[place] if k in self.chosen else dot for k, dot in zip(self.moving, dots, strict=True)]
            )
            for place, row in enumerate(self.singles)
        ]
        same(pushed(cr.vmap(self.f, in_axes=self.axes), self.args, dots), of_rows, f"jvp(vmap) of {self.where}")


def check(op: type[Operation], part: slice) -> None:
    for calls_of_case in calls(op, part):
        for chosen in choices(len(calls_of_case[0].args)):
            rows = Rows(calls_of_case, chosen)
            if not all(isinstance(rows.args[k], np.ndarray) for k in chosen):
                continue
            values = rows.values()
            if op.kind != "constant" and rows.moving:
                rows.gradients()
                if all(is_floating(y) for y in arrays(values[0])):
                    rows.tangents()


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op not in SHAPED], ids=lambda op: op.name)
def test_it_equals_the_loop(op: type[Operation]) -> None:
    check(op, slice(FIRST))


@pytest.mark.slow
@pytest.mark.parametrize(
    "op", [op for op in OPERATIONS if op not in SHAPED and len(cases_of(op)) > FIRST], ids=lambda op: op.name
)
def test_it_equals_the_loop_in_all_other_cases(op: type[Operation]) -> None:
    check(op, slice(FIRST, None))


@walked("op", SHAPED, ids=lambda op: op.name)
def test_what_has_another_shape_in_each_row_is_refused(op: type[Operation]) -> None:
    with pytest.raises(cr.VmapError, match=f"{op.name} gives each row a result of another shape"):
        cr.vmap(op.apply)(np.eye(3))
