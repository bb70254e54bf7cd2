"""The findings of `doctor` as plain data: renderers read them, and `Diagnosis` adds the output formats."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .examine.measure import Layer
from .report.words import called, said

CODES = (
    *("not-finite", "gradient-cut", "normalisation-misplaced", "loss-mismatch", "bad-input-scale"),
    *("bad-initialisation", "exploding", "dead-units", "saturated", "vanishing", "learning-rate-too-high"),
    *("learning-rate-too-low", "noise-dominates", "loss-at-chance", "healthy"),
)
"""All verdicts, worst first: those that make the others meaningless, then causes, then consequences."""


@dataclass(frozen=True)
class Measured:
    """A trial's outcome over the seeds: the mean loss at its end, with the standard deviation over seeds.

    `flow` is the smallest norm of ∂L/∂z near the input divided by that in the last layer; infinite values mean that the
    training broke down.
    """

    loss: float
    spread: float
    flow: float
    accuracy: float = math.nan

    def text(self, lang: str = "en") -> str:
        """Return the figures in words."""
        parts = {"loss": f"{self.loss:.4g} ± {self.spread:.2g}" if math.isfinite(self.spread) else f"{self.loss:.4g}"}
        if not math.isnan(self.accuracy):
            parts["accuracy"] = f"{self.accuracy:.0%}"
        if not math.isnan(self.flow):
            parts["flow"] = f"{self.flow:.1e}"
        return ", ".join(f"{said(name, lang)} {figure}" for name, figure in parts.items())

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Remedy:
    """A change tried on a copy, with the same seeds and batches as the copy without it."""

    change: str
    measured_before: Measured
    measured_after: Measured
    helped: bool
    diff: str
    error: str = ""
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lr: float | None = None
    """The learning rate that the change was tried with, if it differs."""

    def text(self, lang: str = "en") -> str:
        """Return the change in words."""
        if not self.key:
            return self.change
        change = said(f"remedy {self.key}", lang, self.values)
        return said("with rate", lang, {"change": change, "lr": self.lr}) if self.lr else change

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON."""
        measured = {k: _plain(vars(getattr(self, k))) for k in ("measured_before", "measured_after")}
        return {"change": self.change, **measured, "helped": self.helped, "diff": self.diff, "error": self.error}


@dataclass(frozen=True)
class Verdict:
    """One problem, or `healthy`.

    `layer` is its location ("" for the whole network), `evidence` a sentence with the figures, `threshold` the limit
    that they exceed, `source` the reference for it, `remedies` those that were tried, best first, `untried` the names
    of remedies that cannot be tried with the model's modules.
    """

    code: str
    layer: str
    threshold: float
    source: str
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    remedies: tuple[Remedy, ...] = ()
    untried: tuple[str, ...] = ()
    source_ko: str = field(default="", repr=False)
    """The source in Korean."""

    @property
    def evidence(self) -> str:
        """The measurements in a sentence."""
        return self.text("en")

    def text(self, lang: str = "en") -> str:
        """Return the evidence in English ("en") or Korean ("ko")."""
        return said(self.key or self.code, lang, self.values)

    def limit(self, lang: str = "en") -> str:
        """Return the limit and its source in words; "" for a healthy network."""
        source = self.source_ko if lang == "ko" and self.source_ko else self.source
        return "" if self.code == "healthy" else said("limit", lang, {"value": self.threshold, "source": source})

    def titled(self, lang: str = "en") -> str:
        """Return the code with its layer; in Korean with its meaning."""
        return titled(called(self.code, lang), self.layer)

    @property
    def winner(self) -> Remedy | None:
        """The remedy that helped most, or None."""
        return next((r for r in self.remedies if r.helped), None)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON."""
        own = {k: getattr(self, k) for k in ("code", "layer", "evidence", "source")}
        tried = {"remedies": [r.to_dict() for r in self.remedies], "untried": list(self.untried)}
        return {**own, "threshold": _plain(self.threshold), **tried}


@dataclass(frozen=True)
class Diagnosed:
    """All that an examination found: true if `.ok`.

    `history` has the gradients' norms at some steps of a short training, `(step, loss, norm of each layer)`.
    `cut` is what the budget left no time for; `left_out()` puts it in words.
    """

    model: str
    verdicts: tuple[Verdict, ...]
    layers: tuple[Layer, ...]
    loss: float
    chance: float
    noise_scale: float
    batch_size: float
    steps: int
    final_loss: float
    history: tuple[tuple[int, float, tuple[float, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    cut: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    parameters: int = 0

    @property
    def name(self) -> str:
        """The model's class, and how many trainable values it has."""
        return self.named("en")

    def named(self, lang: str = "en") -> str:
        """Return the name in English ("en") or Korean ("ko")."""
        return said("name", lang, {"model": self.model, "n": self.parameters})

    def left_out(self, lang: str = "en") -> tuple[str, ...]:
        """Return what the budget left no time for, in sentences."""
        return tuple(said(key, lang, {**values, "names": _named(values, lang)}) for key, values in self.cut)

    @property
    def ok(self) -> bool:
        """Whether the network is healthy."""
        return self.verdicts[0].code == "healthy"

    @property
    def codes(self) -> list[str]:
        """The verdicts' codes, worst first."""
        return [v.code for v in self.verdicts]

    @property
    def winner(self) -> Remedy | None:
        """The best remedy for the worst verdict that any remedy helped with, or None."""
        return next((v.winner for v in self.verdicts if v.winner), None)

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON; NaN becomes None, infinities "inf" and "-inf"."""
        numbers = ("loss", "chance", "noise_scale", "batch_size", "final_loss")
        return {
            "name": self.name,
            "ok": self.ok,
            "verdicts": [v.to_dict() for v in self.verdicts],
            **{k: _plain(getattr(self, k)) for k in numbers},
            "steps": self.steps,
            "layers": [{f.name: _plain(getattr(row, f.name)) for f in fields(row)} for row in self.layers],
            "history": _plain(self.history),
            "notes": [*self.notes, *self.left_out()],
        }


def _named(values: Mapping[str, Any], lang: str) -> str:
    """Return the names of the remedies among some values."""
    return ", ".join(said(f"remedy {key}", lang, own) for key, own in values.get("remedies", ()))


def titled(code: str, layer: str) -> str:
    """Return a verdict's code with its layer."""
    return f"{code} [{layer}]" if layer else code


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value
