"""Verdicts on the interface of model and loss: outputs or targets that the loss does not expect."""

from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.operation import Operation
from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.found import Verdict
from chainrule.rules.network.activation import Relu, Sigmoid
from chainrule.train.batches import are_classes

CODE = "loss-mismatch"
CLASSES = ("right", "wrong")
"""The answers that are compared if the targets are classes; with numbers there are more."""
FEW = 16
"""So few targets may well be of one class."""
SURE = 0.9
"""The probability that a right answer gives to its class."""


def loss_mismatch(f: Findings) -> Verdict | None:
    """Outputs or targets that the loss does not expect."""
    if not f.start.outputs or f.start.not_finite is not None:
        return None
    end, code = f.start.ending, CODE
    output = np.concatenate(
        [o.reshape(-1, o.shape[-1]) if o.ndim > 1 else o.reshape(-1, 1) for o, _ in f.start.outputs]
    )
    tolerance = f.limit("mismatch")
    rows_sum = output.shape[1] > 1 and output.min() >= 0 and np.abs(output.sum(axis=1) - 1).max() < tolerance
    within = output.min() >= 0 and output.max() <= 1
    if rows_sum and end.softmax_in_loss:
        return f.verdict(code, end.path, "mismatch", f"{code} twice", operation=end.operation, own="softmax")
    if within and end.record is Sigmoid and end.sigmoid_in_loss:
        return f.verdict(code, end.path, "mismatch", f"{code} twice", operation="sigmoid", own="sigmoid")
    if rows_sum and f.start.loss < 0 and not end.softmax_in_loss:
        return f.verdict(code, end.path, "mismatch", f"{code} probabilities", loss=f.start.loss)
    if end.record is Relu and (end.softmax_in_loss or end.sigmoid_in_loss):
        return f.verdict(code, end.path, "mismatch", f"{code} clipped", operation="relu")
    return (
        _wrong_axis(f)
        or _broadcast(f)
        or _one_class(f)
        or _no_shares(f)
        or _reversed(f)
        or _out_of_range(f)
        or _summed(f)
    )


def _wrong_axis(f: Findings) -> Verdict | None:
    """Return the verdict on probabilities of classes that sum to 1 over samples or places, and not over the classes."""
    end = f.start.ending
    if end.record.role is not Role.SOFTMAX:
        return None
    found = [_normalised(output, y, f.limit("mismatch")) for output, y in f.start.outputs]
    axes = set.intersection(*found)
    if not axes:
        return None
    axis = min(axes)
    if axis == 0:
        return f.verdict(CODE, end.path, "mismatch", f"{CODE} axis", operation=end.operation)
    shown = axis + 1 if f.start.moved else axis
    return f.verdict(CODE, end.path, "mismatch", f"{CODE} inner axis", operation=end.operation, axis=shown)


def _normalised(output: Any, y: Any, tolerance: float) -> set[int]:
    """Return the axes over which probabilities sum to 1, if the last one, the classes, is not among them."""
    if output.ndim < 2 or len(output) < 2 or not isinstance(y, np.ndarray) or not are_classes(y, output):
        return set()
    p = output if output.min() >= 0 else np.exp(output)
    last = output.ndim - 1
    axes = {k for k in range(output.ndim) if np.abs(p.sum(axis=k) - 1).max() <= tolerance}
    return set() if last in axes else axes


def _broadcast(f: Findings) -> Verdict | None:
    """Return the verdict on outputs [B, 1] and targets [B], which a difference makes a table [B, B]."""
    output, y = f.start.outputs[0]
    if not isinstance(y, np.ndarray) or y.dtype.kind != "f" or output.shape == y.shape:
        return None
    if output.size != y.size or y.size < 2 or {output.ndim, y.ndim} != {1, 2}:
        return None
    given, meant = f.loss_of(output, y), f.loss_of(output.reshape(y.shape), y)
    if not abs(given - meant) > f.limit("mismatch") * abs(given):  # also where one of them cannot be computed
        return None
    shapes = {"outputs": list(output.shape), "targets": list(y.shape), "table": [y.size, y.size]}
    return f.verdict(CODE, "loss", "mismatch", f"{CODE} broadcast", given=given, meant=meant, **shapes)


def _one_class(f: Findings) -> Verdict | None:
    """Return the verdict on targets that are all of one class, which needs no input to be told."""
    pairs = f.start.outputs
    if len(pairs) < 2 or not all(isinstance(y, np.ndarray) and are_classes(y, output) for output, y in pairs):
        return None
    targets = np.concatenate([np.ravel(y) for _, y in pairs])
    label = int(targets[0])
    if len(np.unique(targets)) > f.limit("classes") or targets.size < FEW or label < 0:
        return None
    output, y = pairs[0]
    if f.loss_of(output, (y + 1) % output.shape[-1]) == f.loss_of(output, y):  # a loss that does without targets
        return None
    values = {"count": targets.size, "label": label, "classes": output.shape[-1]}
    return f.verdict(CODE, "loss", "classes", f"{CODE} one class", **values)


def _no_shares(f: Findings) -> Verdict | None:
    """Return the verdict on targets outside 0 and 1 where the loss takes them for probabilities."""
    targets = [np.ravel(y) for _, y in f.start.outputs if isinstance(y, np.ndarray) and y.dtype.kind == "f"]
    if not f.start.ending.sigmoid_in_loss or not targets:
        return None
    least, most = float(np.concatenate(targets).min()), float(np.concatenate(targets).max())
    if least >= -f.limit("mismatch") and most <= 1 + f.limit("mismatch"):
        return None
    return f.verdict(CODE, "loss", "mismatch", f"{CODE} no shares", least=least, most=most)


def _reversed(f: Findings) -> Verdict | None:
    """Return the verdict on a loss that is larger for right answers than for wrong ones.

    With numbers the answers may live in another space than the targets, as with a rate's logarithm, so there the loss
    must also be one that is never positive, which is what a sign makes of an error.
    """
    pairs = [_answers(output, y) for output, y in f.start.outputs]
    if not pairs or not all(pairs):
        return None
    right = [f.loss_of(answers[0], y) for answers, (_, y) in zip(pairs, f.start.outputs, strict=True)]
    wrong = [f.loss_of(a, y) for answers, (_, y) in zip(pairs, f.start.outputs, strict=True) for a in answers[1:]]
    if not np.isfinite([*right, *wrong]).all() or not min(right) > max(wrong):
        return None
    if len(pairs[0]) > len(CLASSES) and max(right) > 0:
        return None
    values = {"right": float(np.mean(right)), "wrong": float(np.mean(wrong))}
    return f.verdict(CODE, "loss", "right answers", f"{CODE} reversed", **values)


def _answers(output: Any, y: Any) -> list[Any]:
    """Return the right answer and wrong ones; none if they are not known."""
    if not isinstance(y, np.ndarray) or output.ndim == 0:
        return []
    if are_classes(y, output):
        answer = _sure(output, y)
        return [answer, np.roll(answer, 1, axis=-1)]
    if y.dtype.kind != "f" or y.shape != output.shape or not y.std() > 0:
        return []
    mean, spread = y.mean(), y.std()
    return [a.astype(output.dtype) for a in (y, 2 * mean - y, y + spread, y - spread, np.full_like(y, mean))]


def _sure(output: Any, y: Any) -> Any:
    """Return what is nearly sure of the right class; it serves as probabilities and as logits."""
    k = output.shape[-1]
    answer = np.full(output.shape, (1 - SURE) / max(k - 1, 1), output.dtype)
    known = (y >= 0) & (y < k)
    np.put_along_axis(answer, np.where(known, y, 0)[..., None], SURE, axis=-1)
    return answer


def _out_of_range(f: Findings) -> Verdict | None:
    end, (output, y) = f.start.ending, f.start.outputs[0]
    if end.record.bounds == Operation.bounds or not isinstance(y, np.ndarray) or y.shape != output.shape:
        return None
    targets = np.concatenate([np.ravel(t) for _, t in f.start.outputs])
    low, high = end.record.bounds
    share = float(np.mean((targets < low - 1e-6) | (targets > high + 1e-6)))
    if share <= 0.05:
        return None
    return f.verdict(
        CODE,
        end.path,
        "mismatch",
        f"{CODE} range",
        share=share,
        operation=end.operation,
        low=low,
        high=high,
        least=float(targets.min()),
        most=float(targets.max()),
    )


def _summed(f: Findings) -> Verdict | None:
    """A summed loss matters if the size of the gradient does: without Adam's division, or with batches of several
    sizes.
    """
    sizes = sorted({len(y) for _, y in f.case.batches if np.ndim(y)})
    optimizer = f.case.optimizer
    scaled = type(optimizer).__name__ in ("SGD",) or (len(sizes) > 1 and min(sizes) * 2 <= max(sizes))
    if not f.summed or not scaled or max(sizes, default=1) == 1:
        return None
    worse = not f.trial or not f.trial.finite or f.level > 0.9 or f.trial.update() > f.limit("update high")
    if not worse and len(sizes) == 1:
        return None
    shown = ", ".join(map(str, sizes[:4]))
    return f.verdict(CODE, "loss", "mismatch", f"{CODE} sum", sizes=shown)
