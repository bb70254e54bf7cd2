"""Mistakes of every day are errors here where they are in PyTorch, of a kind that code for PyTorch catches."""

import pytest
from tests.named import named

import chainrule.torch as door

MISTAKES = {
    "axis out of range": lambda t: t.ones(2).squeeze(3),
    "axis that is no integer": lambda t: t.ones(2, 2).sum(1.0),
    "axis that is text": lambda t: t.ones(2, 2).sum("a"),
    "sums of unequal shapes": lambda t: t.ones(2, 3) + t.ones(2),
    "products of unequal lengths": lambda t: t.ones(9).dot(t.ones(3)),
    "products of unequal dtypes": lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64),
    "deviation of integers": lambda t: t.tensor([1, 2]).std(),
    "classes that are floats": lambda t: t.nn.functional.one_hot(t.tensor([1.0])),
    "scattered values of another dtype": lambda t: t.zeros(2, 2).scatter(
        1, t.tensor([[0], [1]]), t.ones(2, 1).double()
    ),
    "slices of another shape": lambda t: t.zeros(3, 2).index_add(0, t.tensor([0, 1]), t.ones(2)),
    "mask that is no mask": lambda t: t.ones(2).masked_fill(t.ones(2), 0.0),
    "condition that is no condition": lambda t: t.where(t.ones(2), t.ones(2), t.ones(2)),
    "trace of no matrix": lambda t: t.ones(2, 2, 2).trace(),
    "triangle of no matrix": lambda t: t.ones(3).tril(),
    "cross product in two dimensions": lambda t: t.linalg.cross(t.ones(2), t.ones(2)),
    "two shifts of one axis": lambda t: t.ones(3, 3).roll((1, 2), 0),
    "margin on one side": lambda t: t.nn.functional.pad(t.ones(3), (1,)),
    "corners of nearest pixels": lambda t: t.nn.functional.interpolate(t.ones(1, 1, 3), 4, align_corners=True),
    "a size and a factor": lambda t: t.nn.functional.interpolate(t.ones(1, 1, 3), 4, 2.0),
    "neither size nor factor": lambda t: t.nn.functional.interpolate(t.ones(1, 1, 3)),
    "picture without channels": lambda t: t.nn.functional.interpolate(t.ones(3, 3), scale_factor=2),
    "no chunks": lambda t: t.ones(4).chunk(0),
    "range backwards": lambda t: t.arange(3, 0, 1),
    "range without steps": lambda t: t.arange(3, 0, 0),
    "integers below themselves": lambda t: t.randint(5, 5, (2,)),
    "negative deviation": lambda t: t.zeros(2).normal_(0, -1),
    "interval backwards": lambda t: t.zeros(2).uniform_(2, 1),
    "negative rate": lambda t: t.zeros(2).exponential_(-1),
    "probability above one": lambda t: t.nn.functional.dropout(t.ones(2), 2.0),
    "written shape": lambda t: t.ones(4).__setitem__(slice(0, 2), t.ones(3)),
    "layer that is none": lambda t: t.nn.Sequential(t.nn.Linear(1, 1), 1),
    "batches of nothing": lambda t: t.utils.data.DataLoader([1, 2], batch_size=0),
    "singular matrix": lambda t: t.linalg.inv(t.zeros(2, 2)),
}


def test_mistakes_are_errors_as_in_pytorch(torch) -> None:
    for name, call in MISTAKES.items():
        with named(name):
            with pytest.raises((RuntimeError, TypeError, ValueError, IndexError)) as theirs:
                call(torch)
            kind = RuntimeError if isinstance(theirs.value, RuntimeError) else theirs.type
            with pytest.raises(kind):
                call(door)


def test_a_name_that_tensors_do_not_have_says_what_is_meant() -> None:
    for name, hint in {"astype": "x.to", "copy": "x.clone", "append": "torch.cat", "shapes": "no attribute"}.items():
        with named(name), pytest.raises(AttributeError, match=hint):
            getattr(door.ones(2), name)
