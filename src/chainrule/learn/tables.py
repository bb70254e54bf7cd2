"""The doctor's table of a small network, to be read: what is wrong with it, and how the table shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.doctor import Diagnosis, doctor
from chainrule.doctor.report.text import table
from chainrule.nn import CrossEntropyLoss, Linear, Module, ReLU, Sequential, Sigmoid, Tanh
from chainrule.optim import SGD

from .draw import Draw

INPUTS, CLASSES, SAMPLES = 4, 2, 32


@dataclass(frozen=True)
class Sick:
    """How a network with one ailment is made: its activation, the spread of its weights, its biases and depth."""

    activation: type[Module]
    gain: float
    bias: float = 0.0
    depth: tuple[int, int] = (4, 6)
    rate: float = 0.1


CASES: Mapping[str, Sick] = {
    "vanishing": Sick(Sigmoid, 1.0, depth=(6, 8)),
    "exploding": Sick(ReLU, 3.8, depth=(8, 9), rate=1e-6),
    "dead-units": Sick(ReLU, 1.4, bias=-1.5),
    "saturated": Sick(Tanh, 5.0),
    "healthy": Sick(Tanh, 1.2),
}
"""By the doctor's code. Weights have the spread gain/√n: 1 keeps the signal of tanh, √2 that of ReLU."""

BESIDES: Mapping[str, frozenset[str]] = {
    **{code: frozenset({code}) for code in CASES},
    "dead-units": frozenset({"dead-units", "vanishing"}),
}
"""What is not offered as a wrong choice because the table shows it as well: no gradient passes dead units."""


@dataclass(frozen=True)
class Reading:
    """A table as printed, the code of the verdict, and the doctor's evidence for it."""

    text: str
    code: str
    evidence: str


def reading(draw: Draw, lang: str) -> Reading:
    """Return a table in which the doctor finds what was drawn, and nothing else of CASES."""
    code = draw.choice(list(CASES))
    for _ in range(20):
        found = _diagnosis(CASES[code], draw)
        verdict = next((v for v in found.verdicts if v.code == code), None)
        if verdict is not None and not any(v.code in CASES and v.code != code for v in found.verdicts):
            return Reading("\n".join(table(found.layers, lang)), code, verdict.text(lang))
    raise ArithmeticError(f"exercise: no network came out as {code}; please report this")


def _diagnosis(case: Sick, draw: Draw) -> Diagnosis:
    width, layers, features = draw.choice([12, 14, 16]), list[Module](), INPUTS
    for _ in range(draw.integer(*case.depth)):
        layers += [_linear(features, width, case.gain, case.bias, draw), case.activation()]
        features = width
    model = Sequential(*layers, _linear(features, CLASSES, 1.0, 0.0, draw))
    x = draw.uniform(SAMPLES, INPUTS)
    y = (x[:, 0] > 0).astype(int)
    batches = [(x[k::2], y[k::2]) for k in range(2)]
    return doctor(
        model, CrossEntropyLoss(), batches, SGD(model.parameters(), lr=case.rate), try_remedies=False, steps=2
    )


def _linear(features: int, width: int, gain: float, bias: float, draw: Draw) -> Linear:
    """Return a layer whose weights are drawn, so that they are the same on every machine."""
    layer = Linear(features, width)
    spread = 1.5 / np.sqrt(3)  # the standard deviation of what is drawn
    layer.weight.data[...] = (draw.uniform(*layer.weight.shape) * gain / spread / np.sqrt(features)).astype(np.float32)
    if layer.bias is not None:
        layer.bias.data[...] = bias
    return layer
