"""Verdicts on wrong structure or data: values that are not finite, cut gradients, normalisations, inputs."""

from typing import Any

import numpy as np

from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.examine.steps import NORMS, class_name, layer_name
from chainrule.doctor.found import Verdict
from chainrule.doctor.report.words import Phrase

from .losses import loss_mismatch


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
        direction=Phrase("backward" if first.backward else "forward"),
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
        how, source = constant
        after = Phrase("after", {"source": source}) if source else ""
        return f.verdict("gradient-cut", layer_name(reached[0]), "cut", names=names, how=how, where=after)
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
    stale = _stale(f)
    if stale is not None:
        return stale
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


def _stale(f: Findings) -> Verdict | None:
    """Return the verdict on a batch normalisation in evaluation mode whose stored moments are not the data's."""
    limit = f.limit("stored moments")
    for uses, key in ((f.start.norms, "stale"), (f.start.as_given, "stale given")):
        found = next((use for use in uses if use.stored > limit or use.stored < 1 / limit), None)
        if found is not None:
            code = "normalisation-misplaced"
            return f.verdict(
                code,
                found.path,
                "stored moments",
                f"{code} {key}",
                type=found.type,
                size=found.stored,
                loss=f.start.loss,
            )
    return None


def _starts_at_zero(module: Any) -> bool:
    """Whether a normalisation multiplies by zero, as the last one of a residual branch may do at first."""
    scale = next((p for name, p in module.named_parameters() if name in ("weight", "gamma")), None) if module else None
    return scale is not None and not bool((abs(scale) > 0).any())


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
