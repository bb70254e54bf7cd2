"""Measurements of each layer, forward and backward, over all batches."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.facts import Flat
from chainrule.core.operation import Operation
from chainrule.core.transforms.derivatives import grad
from chainrule.doctor.engines.trace import Box
from chainrule.rules.network.activation import LeakyRelu

from .steps import WeightUse

FLAT = 0.05
"""A slope below this share of the steepest one counts as flat."""
PART = 1 << 20
"""How many elements are converted to float64 at once."""
ROWS = 256
"""The number of rows that the effective rank is computed from."""
WIDEST = 768
"""No singular values are computed for wider matrices: the decomposition costs more than a step."""

Counts: TypeAlias = tuple[list[int], float, float]
"""A histogram: counts in bins of equal width, and the smallest and the largest value."""


@dataclass
class Layer:
    """One layer, or one of its time steps.

    `gradient` is the norm of ∂L/∂z before the activation, `ratio` that norm relative to the next layer's. For each step
    back, `activation_factor` is the effect of the activation's slope on the norm and `weight_factor` that of the
    weights; `largest` and `smallest` are the weights' extreme singular values. A `gate` only scales something larger,
    as in squeeze and excitation. Shares run from 0 to 1; nan marks figures that do not apply.
    """

    name: str
    kind: str
    function: str
    use: int
    shape: tuple[int, ...]
    normalised: bool
    recurrent: bool
    mean: float = math.nan
    spread: float = math.nan
    size: float = math.nan
    saturated: float = math.nan
    dead: float = math.nan
    always_on: float = math.nan
    gradient: float = math.nan
    ratio: float = math.nan
    activation_factor: float = math.nan
    weight_factor: float = math.nan
    largest: float = math.nan
    smallest: float = math.nan
    gain: float = math.nan
    effective_rank: float = math.nan
    update_ratio: float = math.nan
    noise_scale: float = math.nan
    parameter_gradient: float = math.nan
    symmetric: float = math.nan
    not_finite: int = 0
    gate: bool = False
    histogram: Counts | None = field(default=None, repr=False)
    gradient_histogram: Counts | None = field(default=None, repr=False)
    weight_histogram: Counts | None = field(default=None, repr=False)


def named_use(name: str, use: int) -> str:
    """Return the name of a layer's row: the layer's name, numbered if it is used several times."""
    return name if use == 0 else f"{name} ({use + 1})"


class Meter:
    """Collects one layer's figures over batches."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}
        self.alive: Any = None
        self.always: Any = None
        self.rank = math.nan
        self.not_finite = 0
        self.histogram: Counts | None = None
        self.gradient_histogram: Counts | None = None

    def add(self, step: WeightUse) -> None:
        """Add one batch."""
        value = step.out.value
        if value.dtype.kind != "f":
            return
        first = not self.sums
        self.not_finite += int(np.size(value) - np.count_nonzero(np.isfinite(value)))
        with np.errstate(all="ignore"):
            self._put("mean", float(np.mean(value, dtype=np.float64)))
            self._put("spread", float(np.std(value, dtype=np.float64)))
            self._put("size", rms(value))
            self._flow(step)
            self._units(step, value)
            if first and self.not_finite == 0:
                self.rank = effective_rank(value, step.units)
                self.histogram, self.gradient_histogram = counted(value), counted(step.z.gradient)

    def _put(self, name: str, value: float) -> None:
        self.sums.setdefault(name, []).append(value)

    def _flow(self, step: WeightUse) -> None:
        z_grad, out_grad = step.z.gradient, step.out.gradient
        if z_grad is None:  # frozen up to here, or cut off from the loss
            return
        gradient = norm(z_grad)
        self.not_finite += int(np.size(z_grad) - np.count_nonzero(np.isfinite(z_grad)))
        self._put("gradient", gradient)
        if step.activation is not None and out_grad is not None:
            self._put("activation_factor", _quotient(gradient, norm(out_grad)))
        x_grad = step.x.gradient if isinstance(step.x, Box) else None
        if x_grad is not None:
            self._put("weight_factor", _quotient(norm(x_grad), gradient))

    def _units(self, step: WeightUse, value: Any) -> None:
        if step.activation is None:
            return
        record: Any = step.record
        derivative = value if record.flat is Flat.ZERO_LEFT else step.activation.slope()
        if derivative is None:
            return
        if record.flat is Flat.BOTH:
            self._put("saturated", float(np.mean(np.abs(derivative) < FLAT * steepest(record))))
        elif record.flat.is_one_sided:
            axis = step.units % value.ndim
            others = tuple(k for k in range(value.ndim) if k != axis)
            on = np.abs(derivative) > 1e-6
            alive, always = on.any(axis=others), on.all(axis=others)
            self.alive = alive if self.alive is None else self.alive | alive
            self.always = always if self.always is None else self.always & always

    def read(self, layer: Layer) -> Layer:
        """Write the figures into a layer's row."""
        for name, values in self.sums.items():
            setattr(layer, name, float(np.mean(values)))
        if self.alive is not None:
            layer.dead, layer.always_on = float(1 - np.mean(self.alive)), float(np.mean(self.always))
        layer.effective_rank, layer.not_finite = self.rank, self.not_finite
        layer.histogram, layer.gradient_histogram = self.histogram, self.gradient_histogram
        return layer


def weights(layer: Layer, step: WeightUse, gradient: Any) -> None:
    """Measure a layer's weights: singular values, gain, and whether its units are copies of each other."""
    matrix = step.matrix()
    if not np.isfinite(matrix).all() or matrix.size == 0:
        return
    layer.weight_histogram = counted(matrix)
    layer.gain = rms(matrix) * math.sqrt(matrix.shape[0]) / wanted_gain(step.record)
    if min(matrix.shape) <= WIDEST:
        values = np.linalg.svd(matrix, compute_uv=False)
        layer.largest, layer.smallest = float(values[0]), float(values[-1])
    if gradient is not None and matrix.shape[1] > 1:
        own = step.like_matrix(gradient)
        if own.shape == matrix.shape and np.isfinite(own).all():
            layer.symmetric = max(_difference(matrix), _difference(own))


def wanted_gain(record: type[Operation]) -> float:
    """Return the gain that preserves the signal's size: √2 for ReLU and its variants (He et al. 2015), else 1."""
    return math.sqrt(2) if record.flat.is_one_sided or record is LeakyRelu else 1.0


@cache
def steepest(record: Any) -> float:
    """Return the largest slope of an activation that saturates on both sides, which is the slope at zero.

    >>> from chainrule.core.operation import REGISTRY
    >>> steepest(REGISTRY["sigmoid"]), steepest(REGISTRY["tanh"])
    (0.25, 1.0)
    """
    return float(grad(record.apply)(0.0))


def _difference(matrix: Any) -> float:
    """Return how much the columns differ, relative to their size."""
    size = np.abs(matrix).max()
    return 0.0 if size == 0 else float(np.abs(matrix - matrix[:, :1]).max() / size)


def counted(values: Any) -> Counts | None:
    """Return the histogram of values in 24 bins; None if there are no values or some are not finite."""
    if values is None or np.size(values) == 0 or not np.isfinite(values).all():
        return None
    counts, edges = np.histogram(np.asarray(values, np.float64), 24)
    return counts.tolist(), float(edges[0]), float(edges[-1])


def norm(array: Any) -> float:
    """Return the Euclidean norm, in float64; of a large array in parts, so that it is not copied as a whole."""
    flat = np.asarray(array).ravel()
    total = 0.0
    for start in range(0, flat.size, PART):
        part = np.asarray(flat[start : start + PART], np.float64)
        total += float(part @ part)
    return math.sqrt(total)


def rms(array: Any) -> float:
    """Return the root mean square, in float64."""
    return norm(array) / math.sqrt(max(np.size(array), 1))


def _quotient(a: float, b: float) -> float:
    return a / b if b else math.nan


def effective_rank(value: Any, units: int = -1) -> float:
    r"""Return $\exp(-\sum_i p_i \log p_i)$, where $p_i$ is the share of the singular value σᵢ in their sum.

    The values are taken as [samples, units], at most 256 rows. Source: Roy & Vetterli, "The effective rank" (2007).

    >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((4, 4))), 6)
    (4.0, 1.0)
    """
    if value.ndim < 2 or value.shape[units] > WIDEST:
        return math.nan
    rows = np.moveaxis(value, units, -1).reshape(-1, value.shape[units])
    rows = rows[:: max(1, len(rows) // ROWS)][:ROWS]
    rows = np.asarray(rows, np.float64)
    if not np.isfinite(rows).all():
        return math.nan
    # The squares of the singular values are the eigenvalues of the smaller Gram matrix, which is far cheaper.
    squares = np.linalg.eigvalsh(rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows)
    squares[squares < len(squares) * np.finfo(np.float64).eps * max(squares[-1], 0.0)] = 0.0
    sizes = np.sqrt(squares)
    total = sizes.sum()
    if total == 0:
        return 0.0
    shares = sizes[sizes > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


class Noise:
    r"""The gradient noise scale $\mathrm{tr}(\Sigma) / |G|^2$, from the gradients of several batches.

    For n batches of B samples $E|g_b|^2 = |G|^2 + \mathrm{tr}(\Sigma)/B$, and likewise for their mean with nB: two
    equations in two unknowns (McCandlish et al. 2018, appendix A.1). For batches of different sizes, B is their
    harmonic mean.
    """

    def __init__(self) -> None:
        self.total: dict[str, Any] = {}
        self.squares: dict[str, float] = {}
        self.sizes: list[int] = []

    def add(self, gradients: dict[str, Any], size: int, norms: Mapping[str, float] | None = None) -> None:
        """Add one batch's gradients, with their norms if they are known."""
        self.sizes.append(size)
        for name, gradient in gradients.items():
            if name in self.total:
                self.total[name] += gradient
            else:
                self.total[name] = np.array(gradient, np.float64)
            own = norm(gradient) if norms is None else norms[name]
            self.squares[name] = self.squares.get(name, 0.0) + own**2

    @property
    def batch(self) -> float:
        """The batch size."""
        return len(self.sizes) / sum(1 / max(n, 1) for n in self.sizes) if self.sizes else math.nan

    def scale(self, names: Sequence[str] | None = None) -> float:
        """Return the noise scale in samples, over all parameters or some; nan for fewer than three batches."""
        n = len(self.sizes)
        names = [name for name in (self.total if names is None else names) if name in self.total]
        if n < 3 or not names:
            return math.nan
        squares = sum(self.squares[name] for name in names) / n
        of_mean = sum((norm(self.total[name]) / n) ** 2 for name in names)
        if not math.isfinite(squares + of_mean):
            return math.nan
        spread = max(squares - of_mean, 0.0) * n / (n - 1)  # tr(Σ) / B
        signal = of_mean - spread / n
        if signal <= 0:
            return math.inf if spread > 0 else math.nan
        return spread * self.batch / signal
