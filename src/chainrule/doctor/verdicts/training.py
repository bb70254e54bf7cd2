"""Verdicts on training: frozen layers, the learning rate, weight decay, noise, a loss at chance, tried out."""

import math

import numpy as np

from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.examine.mixing import mixing
from chainrule.doctor.examine.steps import layer_name
from chainrule.doctor.found import Verdict
from chainrule.train.batches import are_classes

from .flow import through_time

LOWER, LOWEST = (0.1, 0.01, 0.001), (1e-4, 1e-5)
USUAL = (1e-3, 1e-2, 1e-1)
"""Relative step sizes that larger rates are chosen to reach; the first is the usual one according to CS231n."""
ENOUGH = 6
"""With fewer batches, the noise scale is too rough an estimate for a verdict."""
BETTER = 0.9
"""Another rate is better if its final loss is less than this fraction of that of the present one."""

SURE = 10.0
"""A first loss above so many times that at chance comes of answers that are sure and wrong."""
LATE = 0.9
"""A loss above this share of chance after the training counts as staying there, unless it falls later."""


def too_high(f: Findings) -> Verdict | None:
    """Steps so large that the loss does not fall, although it falls with smaller ones."""
    if f.case.optimizer is None or f.trial is None:
        return None
    update = f.trial.update(largest=True)
    rises = not f.trial.finite or f.final > 0.95 * f.start.loss
    if not rises and not update > f.limit("update high"):
        return None
    factor, better = f.best_rate(LOWER)
    if not better < f.start.loss:
        factor, better = f.best_rate(LOWEST)
    if not math.isfinite(better) or not better < BETTER * f.final or better >= f.start.loss:
        return None
    return _rate_verdict(f, "learning-rate-too-high", "update high", factor, better, update)


def too_low(f: Findings) -> Verdict | None:
    """Steps so small that nothing happens, although larger ones would learn."""
    if f.case.optimizer is None or f.trial is None or not f.trial.finite or f.learned:
        return None
    update = f.trial.update()
    if not update < f.limit("update low"):
        return None
    if not update > 0:
        return None
    factor, better = f.best_rate([10.0 ** round(math.log10(usual / update)) for usual in USUAL])
    if not better < BETTER * f.final:
        return None
    return _rate_verdict(f, "learning-rate-too-low", "update low", factor, better, update)


def _rate_verdict(f: Findings, code: str, limit: str, factor: float, better: float, update: float) -> Verdict:
    return f.verdict(
        code, "", limit, update=update, loss=f.start.loss, final=f.final, lr=f.lr * factor, better=better, factor=factor
    )


def left_out(f: Findings) -> Verdict | None:
    """Parameters that the optimiser does not hold, if it holds none of them or the loss stays at chance."""
    missing = f.case.left_out
    trainable = sum(p.requires_grad for p in f.case.model.parameters())
    if not missing or (len(missing) < trainable and not f.level > f.limit("chance")):
        return None
    names = ", ".join(missing[:4]) + (f", … ({len(missing)})" if len(missing) > 4 else "")
    values = {"names": names, "loss": f.start.loss, "final": f.final, "steps": f.steps}
    return f.verdict("gradient-cut", layer_name(missing[0]), "cut", "gradient-cut optimizer", **values)


def silent(f: Findings) -> Verdict | None:
    """Layers whose gradient is exactly 0, both at first and after a short training; idle branches are another matter.

    A residual branch behind a scale that starts at 0 gets its gradient as soon as the scale has moved.
    """
    if f.end is None or f.trial is None or not f.trial.finite:
        return None
    layers: dict[str, list[str]] = {}
    for name in f.start.gradients:
        layers.setdefault(layer_name(name), []).append(name)
    branches = {layer_name(name) for group in f.start.branches for name in group}
    ways = (f.start.gradients, f.end.gradients)
    found = [
        layer
        for layer, names in layers.items()
        if layer not in branches and all(way.get(name) == 0 for way in ways for name in names)
    ]
    weights = [name for layer in found for name in layers[layer]]
    sized = {name for name, p in f.case.model.named_parameters() if len(p.shape) > 1}
    if not sized & set(weights):
        return None
    names = ", ".join(weights[:4]) + (f", … ({len(weights)})" if len(weights) > 4 else "")
    return f.verdict("gradient-cut", found[0], "cut", "gradient-cut silent", names=names, steps=f.steps)


def frozen(f: Findings) -> Verdict | None:
    """Layers from the input on that are frozen, and a loss that stays at chance, where it falls if they are trained."""
    parameters = dict(f.case.model.named_parameters())
    names = [name for name, p in parameters.items() if not p.requires_grad]
    if not names or names[0] != next(iter(parameters)) or f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    better = f.final_thawed
    if not better < min(BETTER * f.final, LATE * f.chance) or f.recovers:
        return None
    values = {"count": len(names), "total": len(parameters), "level": f.level, "better": better, "steps": f.steps}
    return f.verdict("gradient-cut", layer_name(names[0]), "cut", "gradient-cut frozen", names=names[0], **values)


def unregistered(f: Findings) -> Verdict | None:
    """Layers in a plain list, which no optimiser gets from the model, and a loss that stays at chance."""
    if f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    found = f.case.engine.unregistered(f.case.model)
    if not found or f.recovers:
        return None
    names = ", ".join(name for name, _ in found[:4]) + (f", … ({len(found)})" if len(found) > 4 else "")
    values = {"names": names, "where": found[0][1], "level": f.level}
    return f.verdict("gradient-cut", layer_name(found[0][0]), "cut", "gradient-cut unregistered", **values)


def mixed(f: Findings) -> Verdict | None:
    """Answers that depend on the other samples of the batch, and a loss that stays at chance."""
    if f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    change = mixing(f.case, f.seed)
    if not change > f.limit("mixing") or f.recovers:
        return None
    return f.verdict("loss-at-chance", "", "mixing", "loss-at-chance mixed", change=change, level=f.level)


def in_order(f: Findings) -> Verdict | None:
    """Batches of one class each, and a loss that stays at chance."""
    if f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    targets = [y for output, y in f.start.outputs if isinstance(y, np.ndarray) and are_classes(y, output)]
    classes = [np.unique(y) for y in targets if y.size > 1]
    if len(classes) < len(f.case.batches) or any(len(c) > 1 for c in classes) or len({int(c[0]) for c in classes}) < 2:
        return None
    values = {"batches": len(classes), "level": f.level}
    return f.verdict("noise-dominates", "", "noise", "noise-dominates sorted", **values)


def decayed(f: Findings) -> Verdict | None:
    """Weight decay that holds the loss at chance, where it falls without."""
    decay = f.case.decay
    if not decay > f.limit("decay") or f.trial is None or not (f.level > LATE or not f.trial.finite):
        return None
    better = f.final_without_decay
    if not better < min(BETTER * f.final, LATE * f.chance):
        return None
    values = {"decay": decay, "final": f.final, "level": f.level, "better": better, "steps": f.steps}
    return f.verdict("loss-at-chance", "", "decay", "loss-at-chance decay", **values)


def dropped(f: Findings) -> Verdict | None:
    """Dropout that leaves too little to learn from, where the loss falls without."""
    share = f.case.dropout
    if not share > f.limit("dropout") or f.trial is None or not (f.level > LATE or not f.trial.finite):
        return None
    better = f.final_without_dropout
    if not better < LATE * f.chance or better >= BETTER * f.final:
        return None
    values = {"share": share, "final": f.final, "better": better, "chance": f.chance, "steps": f.steps}
    return f.verdict("noise-dominates", "", "dropout", "noise-dominates dropout", **values)


def out_of_scale(f: Findings) -> Verdict | None:
    """Targets far larger or smaller than the outputs, and a loss that falls only where they are standardised."""
    if f.trial is None or not (f.level > LATE or not f.trial.finite):
        return None
    size = f.target_size
    if not max(size, 1 / size if size > 0 else 0.0) > f.limit("target size"):
        return None
    better = f.level_standardised
    if not better < LATE:
        return None
    y = np.concatenate([np.ravel(y) for _, y in f.start.outputs])
    values = {"size": size, "mean": float(y.mean()), "spread": float(y.std()), "better": better, "steps": f.steps}
    return f.verdict("loss-mismatch", "loss", "target size", "loss-mismatch scale", **values)


def forgotten(f: Findings) -> Verdict | None:
    """A gradient that does not reach the first steps of a recurrent network whose loss stays at chance."""
    if f.end is None or f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    ways = [through_time(f.start), through_time(f.end)]
    found = ways[0]
    if found is None or any(way is None or not way[1] < f.limit("vanishing") for way in ways):
        return None
    if f.recovers and f.generalises:
        return None
    row, ratio, uses = found
    values = {"ratio": ratio, "uses": uses, "step": ratio ** (1 / (uses - 1)), "largest": row.largest, "level": f.level}
    return f.verdict("vanishing", row.name, "vanishing", "vanishing in time", **values)


def too_sure(f: Findings) -> Verdict | None:
    """Logits so large that the loss begins at many times chance, and is still above it after the training."""
    if f.trial is None or not f.trial.finite or not f.level > LATE or not f.start.ending.softmax_in_loss:
        return None
    if not f.start.loss > SURE * f.chance:
        return None
    most = max(float(np.abs(output).max()) for output, _ in f.start.outputs)
    values = {"most": most, "loss": f.start.loss, "chance": f.chance, "final": f.final, "steps": f.steps}
    return f.verdict("bad-initialisation", f.start.ending.path, "chance", "bad-initialisation sure", **values)


def noise(f: Findings) -> Verdict | None:
    """Batches that disagree about the direction, and a loss that stays at chance."""
    if f.end is None or f.trial is None or not f.trial.finite or not f.level > LATE:
        return None
    if len(f.end.noise.sizes) < ENOUGH:
        return None
    scale, batch = f.end.noise.scale(), f.end.noise.batch
    limit = f.limit("noise") * batch
    if not scale > limit or f.varies == 0:
        return None
    if f.recovers and (f.quietest <= limit or f.generalises):  # a plateau that training leaves
        return None
    values = {"scale": scale, "batch": batch, "ratio": scale / batch, "level": f.level}
    key = "" if math.isfinite(scale) else "noise-dominates unclear"
    return f.verdict("noise-dominates", "", "noise", key, batches=len(f.end.noise.sizes), **values)


def at_chance(f: Findings) -> Verdict | None:
    """A loss that, after training, is no better than that of a constant prediction."""
    if f.trial is None or not f.trial.finite or not f.level > f.limit("chance"):
        return None
    if f.recovers:
        return None
    return f.verdict(
        "loss-at-chance", "", "chance", final=f.final, level=f.level, chance=f.chance, steps=len(f.trial.losses)
    )


RULES = (
    *(left_out, silent, frozen, unregistered, in_order, dropped, out_of_scale),
    *(too_high, too_low, decayed, forgotten, mixed, too_sure, noise, at_chance),
)
