"""Remedies that change the network: activations, initialisation, normalisation, residual connections."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.operation import record_of
from chainrule.doctor.examine.case import Case
from chainrule.doctor.examine.measure import wanted_gain
from chainrule.doctor.examine.moments import is_stored

from . import surgery
from .proposal import Complaint, Proposal, on_model


def activation(c: Complaint) -> Iterator[Proposal]:
    """Yield: activations that have a slope where the present ones have none."""
    last, nn = c.f.start.ending.path, c.case.engine.nn
    dead = c.verdict.code == "dead-units"
    old = surgery.kinds(c.case.engine, ("ReLU",) if dead else surgery.SATURATING)
    new = nn.LeakyReLU if dead else nn.ReLU

    def change(model: Any, seed: int) -> int:
        if not surgery.activations(model, old, new, last):
            return 0
        return surgery.initialised(model, "kaiming", np.random.default_rng(seed))

    names = sorted({type(m).__name__ for m in c.case.model.modules() if isinstance(m, old)})
    if names:
        joined = ", ".join(names)
        yield from on_model(c.case, "activation", change, "kaiming", old=joined, new=new.__name__, init="kaiming")


def init(c: Complaint) -> Iterator[Proposal]:
    """Yield: initialisations that suit the activations."""
    recurrent = any(row.recurrent for row in c.f.start.flow)
    one_sided = any(wanted_gain(record_of(row.function)) > 1 for row in c.f.start.flow)
    names = ("orthogonal", "xavier") if recurrent else ("kaiming", "xavier") if one_sided else ("xavier", "kaiming")
    for name in names:

        def change(model: Any, seed: int, name: str = name) -> int:
            return surgery.initialised(model, name, np.random.default_rng(seed))

        yield from on_model(c.case, "init", change, name, init=name)


def table(c: Complaint) -> Iterator[Proposal]:
    """Yield: an embedding of the usual size."""
    name, size = f"{c.verdict.layer}.weight", float(c.verdict.values.get("size", 1.0))
    if c.verdict.key != "bad-initialisation embedding" or name not in dict(c.case.model.named_parameters()):
        return

    def make(_: int) -> Case:
        model = c.case.engine.copied(c.case.model)[0]
        surgery.scaled(model, name, 1 / size)
        return c.case.changed(model)

    shown = "\n".join(f"+{line}" for line in (f"# {name}", f"table *= {1 / size:.3g}"))
    yield Proposal("table", make, shown, {"layer": c.verdict.layer, "size": size})


def norm(c: Complaint) -> Iterator[Proposal]:
    """Yield: a normalisation after each linear layer."""
    yield from on_model(c.case, "norm", lambda model, _: surgery.normalised(model), kind="LayerNorm")


def residual(c: Complaint) -> Iterator[Proposal]:
    """Yield: residual connections around the layers."""
    yield from on_model(c.case, "residual", lambda model, _: surgery.residual(model))


def drop(c: Complaint) -> Iterator[Proposal]:
    """Yield: the network without the last module."""
    path = c.verdict.layer
    module = dict(c.case.model.named_modules()).get(path)
    axes = "loss-mismatch axis", "loss-mismatch inner axis"
    kept = *axes, "normalisation-misplaced stale", "normalisation-misplaced stale given"
    if not path or module is None or list(module.children()) or c.verdict.key in kept:
        return
    kind = type(module).__name__
    for proposal in on_model(c.case, "drop", lambda model, _: surgery.removed(model, path), kind=kind, path=path):
        rescales = "range" not in c.verdict.key and c.verdict.code == "loss-mismatch"
        yield replace(proposal, rescales=rescales)


def renorm(c: Complaint) -> Iterator[Proposal]:
    """Yield: a normalisation that does not need a batch."""
    kinds = {"BatchNorm1d": "LayerNorm", "BatchNorm2d": "GroupNorm"}
    if c.verdict.key.endswith("given"):
        return
    old = str(c.verdict.values.get("type", ""))
    series = {use.path for use in c.f.start.norms if use.axes > 2}
    if old in kinds:
        new = "GroupNorm" if c.verdict.layer in series else kinds[old]
        yield from on_model(c.case, "renorm", lambda model, _: surgery.renormalised(model, series), old=old, new=new)


def moments(c: Complaint) -> Iterator[Proposal]:
    """Yield: batch normalisations that take the batch's moments, where they use stored ones."""
    if not c.verdict.key.endswith("stale"):
        return

    def change(model: Any, _: int) -> int:
        found = [module for module in model.modules() if is_stored(module)]
        for module in found:
            module.training = True
        return len(found)

    kind = c.verdict.values["type"]
    for proposal in on_model(c.case, "moments", change, kind=kind):
        yield replace(proposal, diff=surgery.diff([f"{c.verdict.layer}.eval()"], [f"{c.verdict.layer}.train()"]))


def scores(c: Complaint) -> Iterator[Proposal]:
    """Yield: smaller queries, which initially has the same effect as dividing the scores."""
    attention = next((a for a in c.f.start.attention if a.path == c.verdict.layer), None)
    parameter = c.f.start.queries.get(c.verdict.layer)
    if attention is None or parameter is None:
        return
    width = attention.width or dict(c.case.model.named_parameters())[parameter].shape[-1]
    root = math.sqrt(width)

    def make(_: int) -> Case:
        model = c.case.engine.copied(c.case.model)[0]
        for a in c.f.start.attention:
            if a.path in c.f.start.queries:
                surgery.scaled(model, c.f.start.queries[a.path], 1 / root)
        return c.case.changed(model)

    shown = surgery.diff(["scores = q @ k.T"], ["scores = q @ k.T / math.sqrt(d)"])
    yield Proposal("scores", make, shown, {"root": root})


def bias(c: Complaint) -> Iterator[Proposal]:
    """Yield: no biases."""
    engine = c.case.engine

    def change(model: Any, _: int) -> int:
        biases = [p for name, p in model.named_parameters() if p.ndim == 1 and name.endswith("bias")]
        moved = [p for p in biases if np.any(engine.array(p))]
        for p in moved:
            engine.put(p, np.zeros(p.shape, engine.array(p).dtype))
        return len(moved)

    for proposal in on_model(c.case, "bias", change):
        lines = ("for name, p in model.named_parameters():", "    if name.endswith('bias'):", engine.code["zero"])
        yield replace(proposal, diff="\n".join(f"+{line}" for line in lines))
