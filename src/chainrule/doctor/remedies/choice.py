"""The remedies to try for each verdict."""

from collections.abc import Mapping

from . import interface as interface
from . import network as network
from . import training as training
from .proposal import Complaint, Maker, Proposal

BY_CODE: Mapping[str, tuple[Maker, ...]] = {
    "not-finite": (training.clean, training.guard, training.inputs, network.init, training.rate(0.1), network.norm),
    "gradient-cut": (interface.thaw, interface.hold, training.attach, training.straight),
    "normalisation-misplaced": (network.moments, network.renorm, network.drop),
    "loss-mismatch": (interface.axis, interface.shapes, interface.sign, network.drop, training.loss),
    "bad-input-scale": (training.inputs, network.norm),
    "bad-initialisation": (network.table, network.init, network.norm, network.activation),
    "exploding": (network.init, network.norm, training.clip, network.residual, training.rate(0.1, 0.01)),
    "vanishing": (network.activation, network.init, network.norm, network.residual, training.rate(10.0)),
    "dead-units": (network.bias, network.activation, network.init, network.norm),
    "saturated": (network.scores, network.init, network.norm, network.activation),
    "learning-rate-too-high": (training.rate(), training.clip, training.warmup),
    "learning-rate-too-low": (training.rate(),),
    "noise-dominates": (interface.dropout, training.batch, training.rate(0.1)),
    "loss-at-chance": (interface.decay, training.rate(10.0, 0.1), network.norm, network.activation),
}


SAID: Mapping[Maker, str] = {
    network.activation: "activation",
    network.init: "init",
    network.norm: "norm",
    network.residual: "residual",
    training.inputs: "inputs",
}
"""Remedies that the report should mention even if they cannot be applied to the model."""


def proposals(complaint: Complaint) -> tuple[list[Proposal], tuple[str, ...]]:
    """Return the remedies for a verdict, most promising first, and those that cannot be tried."""
    found: list[Proposal] = []
    untried = []
    for make in BY_CODE.get(complaint.verdict.code, ()):
        proposed = list(make(complaint))
        found += proposed
        if not proposed and make in SAID:
            untried.append(SAID[make])
    return found, tuple(untried)
