"""A second network next to the first, with one thing changed: another activation, initialisation or optimiser."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.doctor.remedies.surgery import activations, initialised
from chainrule.nn.module import Module
from chainrule.present.chart import line_chart
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.texts import Words

from .session import Session
from .subject import Subject
from .texts import TEXT
from .training import OPTIMIZERS, Moment

SEED = 0
_KINDS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softplus)
ACTIVATIONS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {"ReLU": nn.ReLU, "Tanh": nn.Tanh, "Sigmoid": nn.Sigmoid, "GELU": nn.GELU}
)
INITIALISATIONS = ("xavier", "kaiming", "orthogonal")
MOST = 40


@dataclass
class Rival:
    """The second session, and the name of what is different in it."""

    name: str
    session: Session

    @classmethod
    def of(cls, session: Session, name: str) -> "Rival":
        """Return a rival that begins where the session began; ValueError for an unknown name."""
        known = variants(session.subject)
        if name not in known:
            raise ValueError(f"with: expected one of {', '.join(known)}, got {name!r}")
        if name in OPTIMIZERS:
            made = Session(session.subject, name)
        else:
            made = Session(_changed(session.subject, name), None)
            made.rule = replace(session.rule)
        return cls(name, made)


def variants(subject: Subject) -> list[str]:
    """Return the names of the changes that make a difference to a subject."""
    if not isinstance(subject.function, Module):
        return list(OPTIMIZERS)
    kinds = {type(m) for m in subject.function.modules()}
    acts = [name for name, kind in ACTIVATIONS.items() if kinds & set(_KINDS) and kind not in kinds]
    return [*acts, *INITIALISATIONS, *OPTIMIZERS]


def _changed(subject: Subject, name: str) -> Subject:
    model = copy.deepcopy(subject.function)
    if name in ACTIVATIONS:
        activations(model, _KINDS, ACTIVATIONS[name])
    else:
        initialised(model, name, np.random.default_rng(SEED))
    return replace(subject, function=model)


def compared(session: Session, rival: Rival, lang: str) -> Markup:
    """Return both loss curves in one picture, and both heat maps side by side."""
    words = Words(TEXT, lang)
    both = ((words["this one"], session.moments), (rival.name, rival.session.moments))
    count = max(len(moments) for _, moments in both)
    steps = sorted({round(k * (count - 1) / max(MOST - 1, 1)) for k in range(MOST)})
    if count < 2:
        rows = (tag("li", f"{name}: {words['Loss']} {moments[0].loss:.4g}") for name, moments in both)
        return tag("ul", rows)
    lines = [(name, [moments[k].loss if k < len(moments) else float("nan") for k in steps]) for name, moments in both]
    positive = [v for _, ys in lines for v in ys if v == v]
    is_wide = min(positive) > 0 and max(positive) > 100 * min(positive)
    chart = line_chart(
        words["curve"], [float(k) for k in steps], lines, lang, x_label=words["training step"], log_y=is_wide
    )
    maps = (tag("div", _map(name, moments, steps, lang)) for name, moments in both)
    return join(chart, tag("div", maps, class_="side"))


def _map(name: str, moments: tuple[Moment, ...], steps: list[int], lang: str) -> Markup:
    words = Words(TEXT, lang)
    shown = [k for k in steps if k < len(moments)]
    names = list(moments[0].norms)
    rows = [[moments[k].norms.get(parameter, float("nan")) for k in shown] for parameter in names]
    if not names or len(shown) < 2:
        return Markup("")
    title = f"{name}: {words['norms']}"
    return heat_map(title, rows, names, [str(k) for k in shown], lang, x_label=words["training step"])
