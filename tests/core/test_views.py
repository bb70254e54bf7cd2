"""Which results share memory, and what a write into one of them does: as in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.memory.alias import View, alias_of, innermost

X = np.array([1.0, 2.0, 3.0])


SHARING: dict[str, Callable[[Any], Any]] = {
    **{"[1:]": lambda a: a[1:], "[0]": lambda a: a[0], "[...]": lambda a: a[...], "[()]": lambda a: a[()]},
    **{"[:, None]": lambda a: a[:, None], "[[0, 1]]": lambda a: a[[0, 1]], "[a > 0]": lambda a: a[a > 0]},
    **{"T": lambda a: a.T, "mT": lambda a: a.mT, "ravel": lambda a: a.ravel(), "T.ravel": lambda a: a.T.ravel()},
    **{"flatten": lambda a: a.flatten(), "copy": lambda a: a.copy(), "reshape": lambda a: a.reshape(3, 2)},
    **{"T.reshape": lambda a: a.T.reshape(-1), "[:, ::2].ravel": lambda a: a[:, ::2].ravel(), "+": lambda a: +a},
    **{"[::2].reshape": lambda a: a[:, ::2].reshape(-1), "[0, ::2].reshape": lambda a: a[0, ::2].reshape(-1)},
    **{"[0, ::2].ravel": lambda a: a[0, ::2].ravel(), "np.array_split": lambda a: np.array_split(a, 2)[1]},
    **{"np.hsplit": lambda a: np.hsplit(a, 3)[1], "np.flip": np.flip, "np.rot90": np.rot90, "np.real": np.real},
    **{"np.conjugate": np.conjugate, "np.squeeze": np.squeeze, "np.expand_dims": lambda a: np.expand_dims(a, 0)},
    **{"np.atleast_3d": np.atleast_3d, "np.moveaxis": lambda a: np.moveaxis(a, 0, 1), "np.diagonal": np.diagonal},
    **{"np.diag": np.diag, "np.einsum": lambda a: np.einsum("ij->ji", a), "np.take": lambda a: np.take(a, 0, axis=0)},
    **{"np.broadcast_to": lambda a: np.broadcast_to(a, (2, 2, 3)), "np.tile": lambda a: np.tile(a, 1)},
    **{"np.meshgrid": lambda a: np.meshgrid(a[0], a[1])[0], "np.pad": lambda a: np.pad(a, 0), "np.copy": np.copy},
    **{"astype": lambda a: a.astype(float), "astype, no copy": lambda a: a.astype(float, copy=False)},
    **{"np.trim_zeros": lambda a: np.trim_zeros(a[0]), "np.roll": lambda a: np.roll(a, 1), "np.sort": np.sort},
    **{"np.block": lambda a: np.block([a]), "np.concatenate": lambda a: np.concatenate([a]), "np.diff": np.diff},
    **{"np.resize": lambda a: np.resize(a, (2, 3)), "iteration": lambda a: next(iter(a)), "swapaxes": np.transpose},
    **{"np.clip": lambda a: np.clip(a, -9, 9), "np.nan_to_num": np.nan_to_num, "[0, 0]": lambda a: a[0, 0]},
}


@walked("view", SHARING.values(), ids=SHARING)
def test_what_shares_memory_in_numpy_shares_it_here(view: Callable[[Any], Any]) -> None:
    a = np.arange(6.0).reshape(2, 3)
    expected = view(a)
    x = cr.tensor(a, requires_grad=True) * 1.0
    found = view(x)
    alias = alias_of(found)
    shares = found is x or (type(alias) is View and alias.root is x)
    assert shares == np.shares_memory(a, expected)
    assert isinstance(innermost(found), np.generic) == isinstance(expected, np.generic)


def test_writing_into_what_numpy_makes_read_only_is_an_error() -> None:
    x = cr.tensor(np.eye(3)) * 1.0
    for view in (np.broadcast_to(x, (2, 3, 3)), np.diagonal(x), np.diag(x), np.broadcast_to(x, (2, 3, 3))[0]):
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            view[0] = 1.0
        with pytest.raises(ValueError, match="assignment destination is read-only"):
            view.__iadd__(1.0)
    x[0, 0] = 5.0
    assert np.diagonal(x)[0] == 5.0


def test_views_follow_their_base_after_a_write() -> None:
    y = cr.tensor(X, requires_grad=True) * 1.0
    views = [y[1:], y[::-1], y.reshape(3, 1), np.broadcast_to(y, (2, 3)), y[1:][1:], y.detach(), y.detach()[1:]]
    y[2] = y[0] * 10.0
    assert [v.numpy().ravel()[-1] for v in views] == [10.0, 1.0, 10.0, 10.0, 10.0, 10.0, 10.0]
    assert [v.requires_grad for v in views] == [True] * 5 + [False] * 2
    views[2][2] = 7.0
    assert y.tolist() == [1.0, 2.0, 7.0]
    assert views[4].tolist() == [7.0]


def test_a_write_casts_and_broadcasts_as_numpys_does() -> None:
    whole = cr.tensor(np.arange(3))
    whole += 2
    assert whole.tolist() == [2, 3, 4]
    for update in (lambda a: a.__iadd__(0.5), lambda a: a.__itruediv__(2), lambda a: np.add(a, 0.5, out=a)):
        with pytest.raises(TypeError, match=r"cannot write float64 into int64 by the casting rule 'same_kind'"):
            update(whole)
    y = cr.tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"x \+= value: a value of shape \(4, 2, 3\) cannot be written into"):
        y += np.ones((4, 1, 1))
    with pytest.raises(ValueError, match="broadcast"):
        y += np.ones(2)
    mask = y > 0.5
    same = mask
    mask &= y < 0.5
    assert same is mask
    assert not same.any()


def test_nothing_is_left_of_what_was_overwritten() -> None:
    def f(x: Any) -> Any:
        with np.errstate(all="ignore"):
            y = np.log(0.0 * x)
        y[...] = x
        y[:] += 0.0
        return y.sum()

    assert cr.grad(f)(X).tolist() == [1.0] * 3
    with pytest.raises(TypeError, match="float64 cannot be written into int64"):
        cr.tensor(np.arange(3))[:] = 0.5
    with pytest.raises(ValueError, match="could not broadcast"):
        cr.tensor(X)[:] = np.ones(4)
