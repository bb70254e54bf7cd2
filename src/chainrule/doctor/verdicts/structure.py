"""Verdicts on wrong structure or data: values that are not finite, cut gradients, normalisations, losses, inputs."""

from typing import Any

import numpy as np

from chainrule.core.operation import Operation
from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.examine.steps import NORMS, class_name, layer_name
from chainrule.doctor.found import Verdict
from chainrule.rules.network.activation import Relu, Sigmoid


def not_finite(f: Findings) -> Verdict | None:
    """A NaN or an infinity in the loss or a gradient before any training."""
    first = f.start.not_finite
    if first is None:
        return None
    if first.in_input:
        return f.verdict("not-finite", "input", "not finite", "not-finite input", shapes=_shapes(first.shapes))
    return f.verdict(
        "not-finite",
        first.layer,
        "not finite",
        operation=first.operation,
        where=f" ({first.source})" if first.source else "",
        direction="backward" if first.backward else "forward",
        shapes=_shapes(first.shapes),
    )


def gradient_cut(f: Findings) -> Verdict | None:
    """A parameter that requires a gradient and never gets one."""
    if f.start.error is not None or f.start.not_finite is not None:
        return None
    wanted = [name for name, p in f.case.model.named_parameters() if p.requires_grad]
    missing = [name for name in wanted if name not in f.start.gradients]
    if not missing:
        return None
    names = ", ".join(missing[:4]) + (f", … ({len(missing)})" if len(missing) > 4 else "")
    layer = layer_name(missing[0])
    reached = [name for name in missing if name in f.start.used]
    if reached and f.start.cuts:
        how, source, _ = f.start.cuts[-1]
        where = f" ({source})" if source else ""
        return f.verdict("gradient-cut", layer_name(reached[0]), "cut", names=names, how=how, where=where)
    constant = f.start.constants
    if reached and constant:
        return f.verdict("gradient-cut", layer_name(reached[0]), "cut", names=names, how=constant[0], where=constant[1])
    return f.verdict("gradient-cut", layer, "cut", "gradient-cut unused", names=names)


def normalisation(f: Findings) -> Verdict | None:
    """A normalisation over a single value, or one that restricts the outputs that the loss needs."""
    modules = dict(f.case.model.named_modules())
    if f.start.error is not None:
        kind = class_name(modules.get(f.start.error_path))
        if kind not in NORMS:
            raise f.start.error
        error = str(f.start.error)
        code = "normalisation-misplaced"
        return f.verdict(code, f.start.error_path, "values per channel", f"{code} error", type=kind, error=error)
    for use in f.start.norms:
        one_value = use.values <= f.limit("values per channel")
        if not one_value and _starts_at_zero(modules.get(use.path)):
            continue  # a residual branch that starts as zero, as in Goyal et al. (2017), section 5.1
        if one_value or (use.before > 0 and use.after < 1e-6 * use.before):
            return f.verdict(
                "normalisation-misplaced",
                use.path,
                "values per channel",
                type=use.type,
                count=use.values,
                before=use.before,
                after=use.after,
            )
    last = next((use for use in f.start.norms if use.is_last), None)
    if last is not None and f.level > 0.6:
        key = "normalisation-misplaced last"
        return f.verdict("normalisation-misplaced", last.path, "chance", key, type=last.type, ratio=f.level)
    return None


def _starts_at_zero(module: Any) -> bool:
    """Whether a normalisation multiplies by zero, as the last one of a residual branch may do at first."""
    scale = next((p for name, p in module.named_parameters() if name in ("weight", "gamma")), None) if module else None
    return scale is not None and not bool((abs(scale) > 0).any())


def loss_mismatch(f: Findings) -> Verdict | None:
    """Outputs or targets that the loss does not expect."""
    if not f.start.outputs or f.start.not_finite is not None:
        return None
    end, code = f.start.ending, "loss-mismatch"
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
    return _out_of_range(f) or _summed(f)


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
        "loss-mismatch",
        end.path,
        "mismatch",
        "loss-mismatch range",
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
    return f.verdict("loss-mismatch", "loss", "mismatch", "loss-mismatch sum", sizes=shown)


def input_scale(f: Findings) -> Verdict | None:
    """Inputs of a size far from one, of very different sizes, or far from zero."""
    if not f.start.inputs or any(use.of_input for use in f.start.norms):
        return None
    if len({x.shape[1:] for x in f.start.inputs}) != 1 or f.start.inputs[0].ndim < 2:
        return None
    x = np.concatenate(f.start.inputs).astype(np.float64)
    if not np.isfinite(x).all():
        return None
    axis = 1 if x.ndim == 4 else x.ndim - 1
    rows = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    filled = (rows != 0).sum(axis=0)
    sizes = np.sqrt((rows**2).sum(axis=0) / np.maximum(filled, 1))[filled > 0]
    if sizes.size == 0:
        return None
    size = float(np.sqrt((rows**2).sum() / filled.sum()))
    layer, code = next(row.name for row in f.start.layers if row.kind != "embedding"), "bad-input-scale"
    most = f.limit("input size")
    spread = float(sizes.max() / sizes.min())
    if spread > f.limit("input spread"):
        large, small = int(np.argmax(sizes)), int(np.argmin(sizes))
        return f.verdict(code, layer, "input spread", f"{code} spread", spread=spread, large=large, small=small)
    if size > most or size < 1 / most:
        return f.verdict(code, layer, "input size", f"{code} size", size=size)
    deviation = rows.std(axis=0)
    moving = deviation > 0
    offset = float(np.median(np.abs(rows.mean(axis=0))[moving] / deviation[moving])) if moving.any() else 0.0
    if offset > f.limit("input offset"):
        return f.verdict(code, layer, "input offset", f"{code} offset", offset=offset)
    return None


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(str(list(s)) for s in shapes)


RULES = (not_finite, gradient_cut, normalisation, loss_mismatch, input_scale)
