"""The findings of `check` as plain data: renderers read them, and `CheckReport` adds the output formats."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.provenance import Source

from .verdicts import ACCEPTED


@dataclass(frozen=True)
class Finding:
    """One problem.

    `argument` and `index` are its location (the worst element), `analytic` and `numeric` the gradient's value there and
    the measured one. `code` is the likeliest reason (the code of a hypothesis, or the verdict itself for anything but a
    wrong gradient), `message` describes the observation, and `detail` the likeliest reason: a sentence under "text",
    and its "factor", "axes", "rows", "term" or "argument". `explained` is the share of the error that it explains.
    `operation` and `source` give the first operation whose own gradient is wrong. `hypotheses` has all reasons,
    `reproduction` the Python code that reproduces the problem.
    """

    verdict: str
    argument: str
    message: str
    code: str = ""
    index: tuple[int, ...] | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    relative_error: float = math.nan
    operation: str = ""
    source: Source | None = None
    explained: float = math.nan
    hypotheses: tuple[Any, ...] = ()
    reproduction: str = ""
    sweep: tuple[tuple[float, float], ...] = ()
    """Central differences by step, along the direction in which the disagreement was found."""
    sweep_analytic: float = math.nan
    """The derivative along that direction according to the gradient."""
    error_map: Any = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.detail:
            object.__setattr__(self, "detail", {"text": self.message})

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON."""
        keys = ("verdict", "argument", "message", "code", "operation", "reproduction")
        numbers = ("analytic", "numeric", "relative_error", "explained")
        return {
            **{key: getattr(self, key) for key in keys},
            **{key: _json_number(getattr(self, key)) for key in numbers},
            "index": None if self.index is None else list(self.index),
            "detail": _plain(self.detail),
            "source": None if self.source is None else {"file": self.source.file, "line": self.source.line},
            "hypotheses": [
                {"code": h.code, "detail": _plain(h.detail), "explained": _json_number(h.explained)}
                for h in self.hypotheses
            ],
            "sweep": [list(point) for point in self.sweep],
            "sweep_analytic": _json_number(self.sweep_analytic),
            "error_map": None if self.error_map is None else self.error_map.tolist(),
        }


@dataclass(frozen=True)
class ArgumentRow:
    """The coverage of one argument.

    `worst` is the largest relative error found; `limit` is the smallest error that would have been detected in any one
    element, as a share of the gradient's root mean square.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    entries: int
    projections: int
    worst: float
    limit: float
    verdict: str
    expected: bool = False
    """Whether the gradient differs from the derivative by design, and was accepted for that."""


@dataclass(frozen=True)
class Checked:
    """All that a check found: true if `.ok`."""

    name: str
    verdict: str
    findings: tuple[Finding, ...]
    rows: tuple[ArgumentRow, ...]
    evaluations: int = 0
    modes: str = ""
    notes: tuple[str, ...] = ()
    gradients: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The analytic gradients of ⟨ȳ, f⟩ that were checked, by argument."""

    @property
    def ok(self) -> bool:
        """Whether no action is needed: the verdict is `right`, or `kink`, where any slope in between is right."""
        return self.verdict in ACCEPTED

    @property
    def worst(self) -> float:
        """The largest relative error of a gradient that is meant to be the derivative."""
        return max((row.worst for row in self.rows if not row.expected), default=0.0)

    @property
    def limit(self) -> float:
        """The coarsest detection limit of any argument."""
        return max((row.limit for row in self.rows if not row.expected), default=0.0)

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain Python, for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "verdict": self.verdict,
            "worst": _json_number(self.worst),
            "detection_limit": _json_number(self.limit),
            "evaluations": self.evaluations,
            "modes": self.modes,
            "notes": list(self.notes),
            "findings": [finding.to_dict() for finding in self.findings],
            "arguments": [
                {**vars(r), "shape": list(r.shape), "worst": _json_number(r.worst), "limit": _json_number(r.limit)}
                for r in self.rows
            ],
        }


def _plain(value: Any) -> Any:
    """Return a value in a form that JSON supports."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return _json_number(value) if isinstance(value, float) else value


def _json_number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")
