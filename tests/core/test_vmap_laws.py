"""`vmap` equals the loop: for every operation of the registry, in values and in every derivative."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import REGISTRY, Operation
from chainrule.core.tensor import value_of

from ..rules.calls import Call, cases_of, is_floating

ROWS = 3
OPERATIONS = [op for _, op in sorted(REGISTRY.items()) if op.__module__.startswith("chainrule.")]
SHAPED = [op for op in OPERATIONS if op.is_shaped_by_values]


def calls(op: type[Operation]) -> Iterator[list[Call]]:
    """Several calls for each case, one for each row: they differ in the values of what moves."""
    for number, one in enumerate(cases_of(op)):
        yield [Call.drawn(op, one, np.random.default_rng((number, row))) for row in range(ROWS)]


def choices(count: int) -> Iterator[tuple[int, ...]]:
    """Which of the arguments differ from row to row: all of them, and each alone."""
    yield tuple(range(count))
    if count > 1:
        yield from ((k,) for k in range(min(count, 4)))


def rowwise(op: type[Operation], rows: list[Call], chosen: tuple[int, ...]) -> tuple[list[Any], list[list[Any]]]:
    """The arguments with the chosen ones stacked, and the arguments of each row."""
    first = rows[0].args
    # Numbers that are fixed by the case (indices, masks, matrices) are turned around, so that the rows differ.
    own = [
        [row.args[k] if k in row.moving else turned(op, row.args[k], place) for k in range(len(first))]
        for place, row in enumerate(rows)
    ]
    args = [
        np.stack([np.asarray(row[k]) for row in own]) if k in chosen else own[0][k] for k in range(len(first))
    ]
    singles = [[row[k] if k in chosen else own[0][k] for k in range(len(first))] for row in own]
    return args, singles


def turned(op: type[Operation], x: Any, place: int) -> Any:
    x = np.asarray(x)
    return np.roll(x, place, axis=-1) if x.ndim and x.dtype.kind in "iub" and not op.is_shaped_by_values else x


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


@pytest.mark.parametrize("op", [op for op in OPERATIONS if not op.is_shaped_by_values], ids=lambda op: op.name)
def test_it_equals_the_loop(op: type[Operation]) -> None:
    for rows in calls(op):
        for chosen in choices(len(rows[0].args)):
            args, singles = rowwise(op, rows, chosen)
            if any(not isinstance(x, np.ndarray) for k, x in enumerate(args) if k in chosen):
                continue
            axes = tuple(0 if k in chosen else None for k in range(len(args)))

            def f(*xs: Any, rows: list[Call] = rows) -> Any:
                return rows[0].op.apply(*xs, **{**rows[0].op.defaults, **rows[0].settings})

            where = f"{op.name} {[np.shape(x) for x in args]} {rows[0].settings} {chosen}"
            expected = [quiet(f, *row) for row in singles]
            same(quiet(cr.vmap(f, in_axes=axes), *args), expected, f"value of {where}")
            moving = rows[0].moving
            if op.kind == "constant" or not moving:
                continue

            def loss(*xs: Any, f: Any = f) -> Any:
                total: Any = 0.0
                for part in f(*xs) if isinstance(expected[0], tuple) else (f(*xs),):
                    if is_floating(part):
                        total = total + (part * np.cos(np.arange(part.size)).reshape(part.shape)).sum()
                return total

            each = cr.grad(loss, argnums=moving)
            wanted = [quiet(each, *row) for row in singles]
            same(quiet(cr.vmap(each, in_axes=axes), *args), wanted, f"vmap(grad) of {where}")
            total = quiet(cr.grad(lambda *xs: cr.vmap(loss, in_axes=axes)(*xs).sum(), argnums=moving), *args)
            for k, part in zip(moving, total, strict=True):
                column = [row[moving.index(k)] for row in wanted]
                np.testing.assert_allclose(
                    part, np.stack(column) if k in chosen else np.sum(column, 0), rtol=1e-8, atol=1e-10,
                    err_msg=f"grad(vmap) of {where}",
                )  # fmt: skip
