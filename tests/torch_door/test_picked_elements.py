"""The elements that `max`, `min`, `median`, `mode` and `kthvalue` pick along an axis, and elements at integers."""

import numpy as np
import pytest

import chainrule.torch as door

PICKS = {
    "max": lambda x, dim, keep: x.max(dim, keepdim=keep),
    "min": lambda x, dim, keep: x.min(dim, keepdim=keep),
    "median": lambda x, dim, keep: x.median(dim, keepdim=keep),
    "mode": lambda x, dim, keep: x.mode(dim, keepdim=keep),
    "kthvalue": lambda x, dim, keep: x.kthvalue(2, dim, keepdim=keep),
}


@pytest.mark.parametrize("name", PICKS)
def test_values_places_and_both_derivatives_are_pytorchs(torch, name: str) -> None:
    array = np.random.default_rng(0).standard_normal((3, 4, 2))

    def found(lib, dim, keep, shape):
        x = lib.tensor(array).reshape(shape).detach().requires_grad_(True)
        values, places = PICKS[name](x, dim, keep)
        (first,) = lib.autograd.grad((values**3).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad((first * first).sum(), x)
        return [t.detach().numpy() for t in (values, places, first, second)]

    for shape, dim in (((3, 4, 2), 0), ((3, 4, 2), 1), ((3, 4, 2), -1), ((24,), 0), ((24,), -1), ((8, 3), -2)):
        for keep in (False, True):
            for ours, theirs in zip(found(door, dim, keep, shape), found(torch, dim, keep, shape), strict=True):
                assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), (shape, dim, keep)
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=f"{shape} {dim} {keep}")


def test_what_was_picked_is_not_a_view() -> None:
    x = door.tensor([1.0, 3.0, 2.0])
    values, _ = x.max(0)
    values.mul_(10)
    assert x.tolist() == [1.0, 3.0, 2.0]


def test_under_transforms_and_compiled_the_same_is_picked() -> None:
    x = door.tensor(np.random.default_rng(0).standard_normal((5, 4)))

    def score(row):
        return (row.max(0).values * row.min(-1, keepdim=True).values).sum()

    expected = door.stack([door.func.grad(score)(row) for row in x])
    assert door.allclose(door.func.vmap(door.func.grad(score))(x), expected)
    compiled = door.compile(door.func.grad(score))
    for row, wanted in zip(x, expected, strict=True):
        assert door.allclose(compiled(row), wanted)


def test_elements_at_integers_are_views_that_can_be_written_to() -> None:
    x = door.zeros(2, 3)
    one, row = x[1, 2], x[-1]
    one.fill_(5.0)
    assert row.tolist() == [0.0, 0.0, 5.0]
    row.add_(1)
    assert x.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 6.0]]
    assert one.item() == 6.0
    with pytest.raises(IndexError, match="out of bounds"):
        x[2]
    with pytest.raises(IndexError):
        x[0, 0, 0]
    whole = door.arange(6).reshape(2, 3)
    whole[1, 1] += 10
    assert whole[1].tolist() == [3, 14, 5]
    assert x[True].shape == (1, 2, 3)
