"""What a function writes into its arguments, each replay writes into those that it is called with."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.torch as torch
from chainrule.core.errors import CaptureError

from ..named import named


def added(x: Any) -> Any:
    x += 1
    return x.sum()


def by_view(x: Any) -> Any:
    y = x[1:]
    y *= 3
    return x.sum()


def by_out(x: Any) -> Any:
    np.add(x, 1, out=x)
    return x.sum()


def filled(x: Any) -> Any:
    x.fill(2)
    return x.sum()


def several(x: Any) -> Any:
    x[0] = 5
    x.sort()
    np.add.at(x, [0, 0], 1.0)
    return x * 2


@walked("f", [added, by_view, by_out, filled, several])
def test_an_array_is_left_as_the_function_leaves_it(f: Any) -> None:
    compiled = cr.compile(f)
    for k in range(4):
        mine, theirs = np.array([3.0, 1.0, 2.0]) + k, np.array([3.0, 1.0, 2.0]) + k
        np.testing.assert_allclose(compiled(mine), f(theirs))
        np.testing.assert_array_equal(mine, theirs)
    assert len(compiled.plans) == 1


def adam(p: Any, m: Any, g: Any) -> None:
    m *= 0.9
    m += 0.1 * g
    p -= 0.01 * m


def test_an_optimiser_in_place() -> None:
    rng = np.random.default_rng(0)
    mine, theirs = ([np.ones((4, 3)), np.zeros((4, 3))] for _ in range(2))
    compiled = cr.compile(adam)
    for _ in range(5):
        g = rng.normal(size=(4, 3))
        compiled(*mine, g)
        adam(*theirs, g)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    both, other = np.ones((4, 3)), np.ones((4, 3))  # one array twice: both writes go there
    compiled(both, both, both)
    adam(other, other, other)
    np.testing.assert_allclose(both, other)
    with pytest.raises(ValueError, match="read-only"):
        compiled(np.broadcast_to(1.0, (4, 3)), mine[1], g)


def test_in_trees_arrays_are_written_into_and_elements_not_replaced() -> None:
    def inside(p: Any) -> Any:
        p["w"] -= 1
        return p["w"].sum()

    def replaced(p: Any) -> Any:
        p["w"] = p["w"] - 1
        return p["w"].sum()

    def grown(p: Any) -> Any:
        p["b"] = p["w"] - 1
        return p["b"].sum()

    compiled, params = cr.compile(inside), {"w": np.ones(3)}
    for k in range(3):
        assert float(compiled(params)) == -3.0 * k
    np.testing.assert_array_equal(params["w"], -2)
    for f in (replaced, grown):
        with named(f.__name__), pytest.raises(CaptureError, match="list or dict that was passed to it"):
            cr.compile(f)({"w": np.ones(3)})


def cached(c: Any, k: Any, i: int) -> Any:
    c[:, i] = k
    return c.sum()


def test_tensors_of_the_door() -> None:
    compiled, cache = torch.compile(cached), torch.zeros(2, 4)
    assert [float(compiled(cache, torch.ones(2), i)) for i in range(4)] == [2.0, 4.0, 6.0, 8.0]
    for f in (lambda b: b.add_(1), lambda b: torch.add(b, 1, out=b), lambda b: b.view(-1)[0].mul_(4)):
        compiled = torch.compile(lambda b, f=f: f(b).sum() + b.sum(), fullgraph=True)
        for dtype in (torch.float32, torch.int64):
            mine, theirs = (torch.ones(2, 2, dtype=dtype) for _ in range(2))
            for _ in range(3):
                assert float(compiled(mine)) == float(f(theirs).sum() + theirs.sum())
                np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_write_is_seen_by_a_tape() -> None:
    w = cr.nn.Parameter(np.ones(3))
    x = cr.ones(3)
    loss = (w * x * w).sum()
    cr.compile(added)(x)
    np.testing.assert_array_equal(x.numpy(), 2)
    with pytest.raises(cr.InPlaceError):
        loss.backward()


def test_an_argument_that_is_an_array_from_outside() -> None:
    kept, seen = np.arange(3.0), np.arange(3.0)

    def f(x: Any) -> Any:
        before = kept * 2
        x += float(seen[0]) + 1
        return before + kept + x

    compiled = cr.compile(f)
    for array in (np.zeros(3), kept, kept[::-1], np.zeros(3), kept):
        start, given = kept.copy(), array.copy()
        found = compiled(array)
        at, after = kept.copy(), array.copy()
        kept[:] = start
        array[:] = given
        np.testing.assert_array_equal(found, f(array))
        np.testing.assert_array_equal(at, kept)
        np.testing.assert_array_equal(after, array)
