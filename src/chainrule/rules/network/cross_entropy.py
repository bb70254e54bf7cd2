r"""Softmax and cross-entropy as one operation, whose gradient is $\hat y - t$.

Two records share it: the target is a row of probabilities, or the index of a class. Both return one loss per sample;
`loss.cross_entropy` chooses between them and takes the mean. Only $\hat y$ is kept, and the backward pass is one pass
over the logits.

`derivation` is the algebra from the two textbook rules to the one used here: a tuple of `RuleStep`s, each with a check
that evaluates both of its sides.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, RuleStep, case
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import example, plain
from chainrule.core.transforms.batch import all_in_stacks
from chainrule.core.transforms.mapped import is_mapped
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.linalg.matmul import rows

from .softmax import exponentials, log_softmax

SOFTMAX = r"\hat y = \operatorname{softmax}(z)"


def one_hot(classes: Array, count: int, dtype: Array = np.float64) -> Array:
    """Return `[..., count]` with a 1 at each class, for a plain array of classes in range."""
    return (np.asarray(classes)[..., None] == np.arange(count)).astype(dtype)


def of_classes(x: Array, classes: Array) -> Array:
    """Return `x[..., classes]`, one element of each row, for classes in range."""
    picked = rows(x)[np.arange(classes.size), classes.reshape(-1)] if x.ndim > 1 else x[classes]
    return picked.reshape(classes.shape) if x.ndim > 2 else picked


def check_classes(z: Array, classes: Array) -> None:
    """Raise an error unless there is one class in range for each row of z."""
    if classes.dtype.kind not in "iu":
        raise TypeError(f"expected integers as class indices, got {classes.dtype}; convert with .astype(np.int64)")
    if z.ndim == 0 or classes.shape != z.shape[:-1]:
        raise ValueError(
            f"expected class indices of shape {z.shape[:-1]} for the scores {z.shape}, got shape {classes.shape}"
            + ("; integers that are probabilities: convert with .astype(float)" if classes.shape == z.shape else "")
        )
    if classes.size and (classes.min() < 0 or classes.max() >= z.shape[-1]):
        place = tuple(int(i) for i in np.argwhere((classes < 0) | (classes >= z.shape[-1]))[0])
        raise IndexError(
            f"target[{', '.join(map(str, place))}] is {classes[place]}, expected a class from 0 to {z.shape[-1] - 1}"
        )


def checked_classes(z: Array, t: Array) -> Array:
    """Return the classes of `t` as a constant; raise an error unless there is one in range for each row of z."""
    like = example(z)
    if is_mapped(t) and t.shape == like.shape[:-1]:  # all rows at once
        return plain(lambda t: _in_range(np.broadcast_to(0.0, (*t.shape, like.shape[-1])), t), t, stacks=True)
    return plain(_Checked(like), t)


class _Checked:
    """Makes of classes the same, where there is one in range for each row of what is like some logits."""

    name = "classes in range"

    def __init__(self, like: Array) -> None:
        self.like = np.broadcast_to(np.zeros((), like.dtype), like.shape)

    def __call__(self, classes: Array) -> Array:
        """Return them; an error for others."""
        return _in_range(self.like, np.asarray(classes))

    def tasks_into(self, arrays: Sequence[Any], outs: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import cross_entropy
        from chainrule.kernels.native.copies import copied, is_movable

        (classes,), (out,) = arrays, outs
        made = cross_entropy.checked(classes, self.like.shape[-1])
        if made is None or classes.dtype != out.dtype or not is_movable(classes, out):
            return None
        made.rescue = lambda: self(classes)
        return [made, copied(classes, out)]


def _in_range(z: Array, classes: Array) -> Array:
    check_classes(z, classes)
    return classes


def _check_probabilities(z: Array, t: Array) -> None:
    if t.dtype.kind not in "fb":
        raise TypeError(f"expected floats as target probabilities, got {t.dtype}; convert with .astype(float)")
    if z.ndim == 0 or t.shape != z.shape:
        hint = "; class indices must be integers: convert with .astype(np.int64)" if t.shape == z.shape[:-1] else ""
        raise ValueError(f"expected target probabilities of the logits' shape {z.shape}, got shape {t.shape}{hint}")


def _impossible(log_p: Array, t: Array) -> Array:
    """Where a class has probability 0 and target 0: 0 log 0, which counts as 0."""
    return np.logical_and(t == 0, log_p == -np.inf)


# The derivation, numerically. Derivatives on the other side of a check are complex steps, exact up to rounding: Squire
# & Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).

TINY = 1e-100


def _softmax(z: Array) -> Array:
    """Softmax of a real or complex array, apart from the record that is being derived."""
    powers = np.exp(z - np.max(z.real, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def _derivatives(f: Callable[[Array], Array], z: Array) -> Array:
    """Return the derivatives of `f` with respect to each entry of its argument's last axis, along a new last axis."""
    steps = TINY * 1j * np.eye(z.shape[-1])
    return np.stack([f(z + step).imag / TINY for step in steps], axis=-1)


def _quotient(t: Array, y_hat: Array) -> Array:
    return np.divide(t, y_hat, out=np.zeros(np.shape(t)), where=np.asarray(t) != 0)


def _jacobian(y_hat: Array) -> Array:
    return y_hat[..., None] * (np.eye(y_hat.shape[-1]) - y_hat[..., None, :])


def _substituted(z: Array, t: Array) -> Array:
    y_hat = _softmax(z)
    return np.einsum("...i,...ij->...j", -_quotient(t, y_hat), _jacobian(y_hat))


def _loss(z: Array, t: Array) -> tuple[Array, Array]:
    top = np.max(z, axis=-1)
    log_sum = np.log(np.sum(np.exp(z - top[..., None]), axis=-1)) + top
    log_y_hat = np.log(_softmax(z), out=np.zeros(np.shape(z)), where=np.asarray(t) != 0)
    return -np.sum(t * log_y_hat, axis=-1), log_sum * np.sum(t, axis=-1) - np.sum(t * z, axis=-1)


def _outer(z: Array, t: Array) -> tuple[Array, Array]:
    # log(ŷ + ih) has the imaginary part h/ŷ; without a target there is nothing to differentiate.
    y_hat = _softmax(z)

    def loss(p: Array) -> Array:
        return -np.sum(t * np.log(p, out=np.zeros(p.shape, complex), where=np.asarray(t) != 0), axis=-1)

    return -_quotient(t, y_hat), _derivatives(loss, y_hat)


def _inner(z: Array, t: Array) -> tuple[Array, Array]:  # noqa: ARG001
    return _jacobian(_softmax(z)), _derivatives(_softmax, z)


def _expanded(z: Array, t: Array) -> tuple[Array, Array]:
    y_hat = _softmax(z)
    delta = np.eye(y_hat.shape[-1])
    return _substituted(z, t), -np.sum(t[..., None] * (delta - y_hat[..., None, :]), axis=-2)


def _collected(z: Array, t: Array) -> tuple[Array, Array]:
    return _expanded(z, t)[1], _softmax(z) * np.sum(t, axis=-1, keepdims=True) - t


def _normalised(z: Array, t: Array) -> tuple[Array, Array]:
    return _collected(z, t)[1], _softmax(z) - t


def _sums_to_one(z: Array, t: Array) -> bool:  # noqa: ARG001
    return bool(np.allclose(np.sum(t, axis=-1), 1.0, rtol=1e-6, atol=0))


DERIVATION = (
    RuleStep(
        "The loss of one row, without its index",
        r"L = -\sum_i t_i \log \hat y_i = \left(\log \sum_k e^{z_k}\right) \sum_i t_i - \sum_i t_i z_i",
        _loss,
    ),
    RuleStep(
        "Its derivative by the probabilities", r"\frac{\partial L}{\partial \hat y_i} = -\frac{t_i}{\hat y_i}", _outer
    ),
    RuleStep(
        "The Jacobian of softmax",
        r"\frac{\partial \hat y_i}{\partial z_j} = \hat y_i ([i = j] - \hat y_j)",
        _inner,
    ),
    RuleStep(
        "The chain rule: substitute both; each probability cancels",
        r"\frac{\partial L}{\partial z_j} = -\sum_i \frac{t_i}{\hat y_i} \hat y_i ([i = j] - \hat y_j)"
        r" = -\sum_i t_i ([i = j] - \hat y_j)",
        _expanded,
    ),
    RuleStep(
        "Only i = j is left of the sum",
        r"\frac{\partial L}{\partial z_j} = \hat y_j \sum_i t_i - t_j",
        _collected,
    ),
    RuleStep(
        "The target sums to one",
        r"\frac{\partial L}{\partial z_j} = \hat y_j - t_j",
        _normalised,
        _sums_to_one,
    ),
)


class SoftmaxCrossEntropy(Fused):
    r"""y_i = -\sum_k t_{ik} \log \operatorname{softmax}(z)_{ik}

    Logits z and target probabilities t, which need not sum to one, both `[..., K]`; one loss for each row. A class of
    logit −inf and target 0 adds nothing.
    """

    role = Role.SOFTMAX_LOSS
    letters = {"y": r"\ell"}
    definitions = {"y_hat": SOFTMAX}
    keeps = ("y_hat",)
    derivation = DERIVATION
    cases = (
        case((4, 3), (4, 3)),
        case((3,), (3,)),
        case((2, 4, 3), (2, 4, 3)),
        case((0, 3), (0, 3)),
    )
    stacked = staticmethod(all_in_stacks)

    @staticmethod
    def composite(z: Array, t: Array) -> Array:
        _check_probabilities(z, t)
        log_p = log_softmax(z)
        return -np.sum(t * np.where(_impossible(log_p, t), 0.0, log_p), axis=-1)

    @staticmethod
    def regain(t: Array, y_hat: Array | None, z: Array, **_: Any) -> dict[str, Array]:
        """Return arguments that have the same derivatives as those of the call: log ŷ is z up to a constant."""
        if y_hat is None:  # z is a constant
            return {"z": z, "t": t}
        return {"z": np.log(np.maximum(y_hat, np.finfo(y_hat.dtype).tiny)), "t": t}

    @staticmethod
    def primal(z: Array, t: Array) -> Array:
        return SoftmaxCrossEntropy.primal_keeping(z, t)[0]

    @staticmethod
    def primal_keeping(z: Array, t: Array) -> tuple[Array, Array]:
        z, t = np.asarray(z), np.asarray(t)
        _check_probabilities(z, t)
        shifted, powers, total, _ = exponentials(z, -1)
        log_p = shifted - np.log(total)
        terms = np.multiply(t, log_p, out=np.zeros(t.shape, np.result_type(t, log_p)), where=t != 0)
        return -terms.sum(axis=-1), np.divide(powers, total, out=powers)

    @staticmethod
    def adjoint_z(y_bar: Array, t: Array, y_hat: Array) -> Array:
        r"""\bar z_{ij} = \bar y_i \left(\hat y_{ij} \sum_k t_{ik} - t_{ij}\right)"""
        return (y_hat * t.sum(axis=-1, keepdims=True) - t) * np.expand_dims(y_bar, -1)

    @staticmethod
    def adjoint_t(y_bar: Array, z: Array, t: Array) -> Array:
        r"""\bar t_{ij} = -\bar y_i \log \operatorname{softmax}(z)_{ij}"""
        log_p = log_softmax(z)
        return -np.expand_dims(y_bar, -1) * np.where(_impossible(log_p, t), 0.0, log_p)


def _by_classes(step: RuleStep) -> RuleStep:
    """Return a step whose check takes classes where the given one takes probabilities."""
    return RuleStep(step.title, step.latex, lambda z, t: step.check(z, one_hot(t, z.shape[-1])), None)


def _flat_classes(t: Array) -> Array:
    return np.ascontiguousarray(t.reshape(-1), np.int64)


class SparseSoftmaxCrossEntropy(Fused):
    r"""y_i = \log \sum_k e^{z_{ik}} - z_{i t_i}

    Logits z `[..., K]` and the index t `[...]` of each row's class; one loss for each row. This is
    `SoftmaxCrossEntropy` for one-hot targets, without materialising them.
    """

    role = Role.SOFTMAX_LOSS
    letters = {"y": r"\ell"}
    definitions = {"y_hat": SOFTMAX}
    keeps = ("y_hat",)
    differentiable = ("z",)
    derivation = tuple(map(_by_classes, DERIVATION))
    cases = (
        case((4, 3), np.array([0, 2, 1, 2])),
        case((3,), np.array(1)),
        case((2, 2, 3), np.array([[0, 1], [2, 2]])),
        case((0, 3), np.zeros(0, np.int64)),
    )
    stacked = staticmethod(all_in_stacks)

    @staticmethod
    def composite(z: Array, t: Array) -> Array:
        return -of_classes(log_softmax(z), checked_classes(z, t))

    @staticmethod
    def regain(t: Array, y_hat: Array, **_: Any) -> dict[str, Array]:
        """Return arguments that have the same derivatives as those of the call: log ŷ is z up to a constant."""
        return {"z": np.log(np.maximum(y_hat, np.finfo(y_hat.dtype).tiny)), "t": t}

    @staticmethod
    def primal(z: Array, t: Array) -> Array:
        return SparseSoftmaxCrossEntropy.primal_keeping(z, t)[0]

    @staticmethod
    def primal_keeping(z: Array, t: Array) -> tuple[Array, Array]:
        z, t = np.asarray(z), np.asarray(t)
        check_classes(z, t)
        if suitable(LARGE, z):
            from chainrule.kernels.cross_entropy import losses_and_probabilities

            losses, y_hat = np.empty(t.shape, z.dtype), np.empty_like(z)
            losses_and_probabilities(rows(z), _flat_classes(t), losses.reshape(-1), rows(y_hat))
            return losses, y_hat
        shifted, powers, total, _ = exponentials(z, -1)
        losses = np.log(total[..., 0]) - of_classes(shifted, t)
        return losses, np.divide(powers, total, out=powers)

    @staticmethod
    def adjoint_z(y_bar: Array, t: Array, y_hat: Array) -> Array:
        r"""\bar z_{ij} = \bar y_i (\hat y_{ij} - [j = t_i])"""
        if isinstance(y_bar, Tensor):  # this pass is itself differentiated: nothing in place
            return y_bar[..., None] * (y_hat - one_hot(t, y_hat.shape[-1], y_hat.dtype))
        y_bar = np.asarray(y_bar)
        if suitable(LARGE, y_hat) and y_bar.dtype == y_hat.dtype and y_bar.shape == t.shape:
            from chainrule.kernels.cross_entropy import gradient

            z_bar = np.empty_like(y_hat)
            gradient(rows(y_hat), _flat_classes(t), np.ascontiguousarray(y_bar.reshape(-1)), rows(z_bar))
            return z_bar
        z_bar = np.multiply(y_hat, y_bar[..., None], order="C")  # so that its rows are a view
        rows(z_bar)[np.arange(t.size), t.reshape(-1)] -= y_bar.reshape(-1)
        return z_bar

    @staticmethod
    def primal_and_adjoint(z: Array, t: Array, y_bar: Array) -> tuple[Array, Array]:
        losses, y_hat = SparseSoftmaxCrossEntropy.primal_keeping(z, t)
        return losses, SparseSoftmaxCrossEntropy.adjoint_z(y_bar, t, y_hat)
