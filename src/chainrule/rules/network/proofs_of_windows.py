r"""The proofs of convolution and pooling, written with indices.

n counts samples, o output channels, m input channels, i positions of the kernel, k its taps and j elements of the
image. Their notation cannot be evaluated as it stands, so each line comes with plain NumPy that follows it. Derivatives
on the other side of a check are complex steps: Squire & Trapp, "Using complex variables to estimate derivatives of real
functions" (1998).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.facts import Proof, ProofStep
from chainrule.core.operation import Array

from .written_out import convolved, flat, input_adjoint, scattered, under, weight_adjoint

Values = Mapping[str, Any]
Check = Callable[[Values], tuple[Array, Array]]
TINY = 1e-100
PLACE = "s i + d k - p"
ELEMENT = "Element by element: o counts output channels, m input channels, i places, k places of the kernel"


def _convolved(x: Array, w: Array, values: Values) -> Array:
    return convolved(x, w, values["windows"], values["groups"])


def _bias(values: Values) -> Array:
    return np.reshape(values["beta"], (-1, 1)) if "beta" in values else np.zeros((1, 1))


def _direction(like: Array) -> Array:
    return np.random.default_rng(0).standard_normal(like.shape)


def _forward(values: Values) -> tuple[Array, Array]:
    return _convolved(values["x"], values["w"], values) + _bias(values), flat(values["y"])


def _change(values: Values, name: str) -> Array:
    """Return the derivative of the output along a direction of one argument."""
    arrays = {key: values[key] + 0j for key in ("x", "w")}
    arrays[name] = arrays[name] + TINY * 1j * _direction(values[name])
    return _convolved(arrays["x"], arrays["w"], values).imag / TINY


def _by_weight(values: Values) -> tuple[Array, Array]:
    return _convolved(values["x"], _direction(values["w"]), values), _change(values, "w")


def _by_input(values: Values) -> tuple[Array, Array]:
    return _convolved(_direction(values["x"]), values["w"], values), _change(values, "x")


def _along(name: str) -> Check:
    """Return the check of a cotangent: its product with a direction is the change of the sum of ȳ y."""

    def check(values: Values) -> tuple[Array, Array]:
        moved = np.sum(_direction(values[name]) * _ADJOINTS[name](values))
        return np.atleast_1d(moved), np.atleast_1d(np.sum(flat(values["y_bar"]) * _change(values, name)))

    return check


def _weight_adjoint(values: Values) -> Array:
    w = values["w"]
    return weight_adjoint(values["y_bar"], values["x"], w.shape, values["windows"], values["groups"])


def _input_adjoint(values: Values) -> Array:
    x = values["x"]
    return input_adjoint(values["y_bar"], values["w"], x.shape, values["windows"], values["groups"])


_ADJOINTS: dict[str, Callable[[Values], Array]] = {"x": _input_adjoint, "w": _weight_adjoint}


def _by_bias(values: Values) -> tuple[Array, Array]:
    v = _direction(values["beta"])
    moved = (_bias({"beta": values["beta"] + TINY * 1j * v}).imag / TINY) + 0 * flat(values["y"])
    return np.broadcast_to(v[:, None], moved.shape[1:]), moved[0]


def _bias_adjoint(values: Values) -> tuple[Array, Array]:
    v, y_bar = _direction(values["beta"]), flat(values["y_bar"])
    return np.atleast_1d(v @ y_bar.sum(axis=(0, 2))), np.atleast_1d(np.sum(y_bar * v[:, None]))


def _convolution(added: str) -> Proof:
    latex = rf"y_{{n, o, i}} = \sum_{{m, k}} w_{{o, m, k}}\,x_{{n, m, {PLACE}}}{added}"
    return (ProofStep(ELEMENT, latex, _forward),)


def _of_convolution(added: str) -> dict[str, Proof]:
    return {
        "w": (
            *_convolution(added),
            ProofStep(
                "Each weight meets one input of every window",
                rf"\frac{{\partial y_{{n, o, i}}}}{{\partial w_{{o, m, k}}}} = x_{{n, m, {PLACE}}}",
                _by_weight,
            ),
            ProofStep(
                "The chain rule over all samples and places",
                rf"\bar w_{{o, m, k}} = \sum_{{n, i}} \bar y_{{n, o, i}}\,x_{{n, m, {PLACE}}}",
                _along("w"),
            ),
        ),
        "x": (
            *_convolution(added),
            ProofStep(
                "An input is in several windows, each time under another weight",
                r"\frac{\partial y_{n, o, i}}{\partial x_{n, m, j}}"
                rf" = \sum_k w_{{o, m, k}}\,[{PLACE} = j]",
                _by_input,
            ),
            ProofStep(
                "The chain rule over all windows that contain it",
                rf"\bar x_{{n, m, j}} = \sum_{{o, k, i: {PLACE} = j}} w_{{o, m, k}}\,\bar y_{{n, o, i}}",
                _along("x"),
            ),
        ),
    }


CONVOLUTION = _of_convolution("")
CONVOLUTION_MAP = {
    **_of_convolution(r" + \beta_o"),
    "beta": (
        *_convolution(r" + \beta_o"),
        ProofStep(
            "The bias is added at every place",
            r"\frac{\partial y_{n, o, i}}{\partial \beta_o} = 1",
            _by_bias,
        ),
        ProofStep(
            "The chain rule over all samples and places",
            r"\bar \beta_o = \sum_{n, i} \bar y_{n, o, i}",
            _bias_adjoint,
        ),
    ),
}


# Transposed convolution


def _spread(z: Array, w: Array, values: Values) -> Array:
    return input_adjoint(z, w, values["y"].shape, values["windows"], values["groups"])


def _spread_forward(values: Values) -> tuple[Array, Array]:
    return _spread(values["z"], values["w"], values), values["y"]


def _spread_change(values: Values, name: str) -> Array:
    """Return the change of the output along a direction of one argument, in which it is linear."""
    moved = {key: values[key] + (key == name) * _direction(values[key]) for key in ("z", "w")}
    return _spread(moved["z"], moved["w"], values) - _spread(values["z"], values["w"], values)


def _spread_slope(name: str) -> Check:
    """Return the check of the derivative along a direction of one argument."""

    def check(values: Values) -> tuple[Array, Array]:
        own = {key: _direction(values[key]) if key == name else values[key] for key in ("z", "w")}
        return _spread(own["z"], own["w"], values), _spread_change(values, name)

    return check


def _spread_along(name: str) -> Check:
    """Return the check of a cotangent: its product with a direction is the change of the sum of ȳ y."""

    def check(values: Values) -> tuple[Array, Array]:
        z, w, y_bar, groups = (values[key] for key in ("z", "w", "y_bar", "groups"))
        if name == "z":
            made = convolved(y_bar, w, values["windows"], groups).reshape(z.shape)
        else:
            made = weight_adjoint(z, y_bar, w.shape, values["windows"], groups)
        moved = np.sum(made * _direction(values[name]))
        return np.atleast_1d(moved), np.atleast_1d(np.sum(y_bar * _spread_change(values, name)))

    return check


_SPREAD = ProofStep(
    ELEMENT,
    rf"y_{{n, m, j}} = \sum_{{o, k, i: {PLACE} = j}} w_{{o, m, k}}\,z_{{n, o, i}}",
    _spread_forward,
)
CONVOLUTION_TRANSPOSE = {
    "z": (
        _SPREAD,
        ProofStep(
            "Each element adds its kernel to the image",
            rf"\frac{{\partial y_{{n, m, j}}}}{{\partial z_{{n, o, i}}}} = \sum_k w_{{o, m, k}}\,[{PLACE} = j]",
            _spread_slope("z"),
        ),
        ProofStep(
            "The chain rule over the places that it was added to",
            rf"\bar z_{{n, o, i}} = \sum_{{m, k}} w_{{o, m, k}}\,\bar y_{{n, m, {PLACE}}}",
            _spread_along("z"),
        ),
    ),
    "w": (
        _SPREAD,
        ProofStep(
            "Each weight is added once for every element",
            rf"\frac{{\partial y_{{n, m, j}}}}{{\partial w_{{o, m, k}}}} = \sum_i z_{{n, o, i}}\,[{PLACE} = j]",
            _spread_slope("w"),
        ),
        ProofStep(
            "The chain rule over all samples and places",
            rf"\bar w_{{o, m, k}} = \sum_{{n, i}} \bar y_{{n, m, {PLACE}}}\,z_{{n, o, i}}",
            _spread_along("w"),
        ),
    ),
}


# Pooling


def _totals(values: Values) -> tuple[Array, Array]:
    total = under(values["x"], values["windows"]).sum(axis=-2)
    return total, values["y"].reshape(total.shape)


def _largest(x: Array, values: Values) -> Array:
    """Return the first of the largest elements of each window; of complex numbers, by their real part."""
    below = under(x, values["windows"], -np.inf)
    first = np.argmax(below.real, axis=-2)[..., None, :]
    return np.take_along_axis(below, first, axis=-2)[..., 0, :]


def _maxima(values: Values) -> tuple[Array, Array]:
    most = _largest(values["x"], values)
    return most, values["y"].reshape(most.shape)


def _won(values: Values) -> Array:
    below = under(values["x"], values["windows"], -np.inf)
    return np.arange(below.shape[-2])[:, None] == np.argmax(below, axis=-2)[..., None, :]


def _sum_slope(values: Values) -> tuple[Array, Array]:
    v = _direction(values["x"])
    moved = under(values["x"] + TINY * 1j * v, values["windows"]).sum(axis=-2).imag / TINY
    return under(v, values["windows"]).sum(axis=-2), moved


def _max_slope(values: Values) -> tuple[Array, Array]:
    v = _direction(values["x"])
    return (_won(values) * under(v, values["windows"])).sum(axis=-2), (
        _largest(values["x"] + TINY * 1j * v, values).imag / TINY
    )


def _pooled(slope: Check, selected: Callable[[Values], Array]) -> Check:
    def check(values: Values) -> tuple[Array, Array]:
        x, windows = values["x"], values["windows"]
        moved = slope(values)[1]
        y_bar = values["y_bar"].reshape(moved.shape)
        x_bar = scattered(selected(values) * y_bar[..., None, :], x.shape, windows)
        return np.atleast_1d(np.sum(x_bar * _direction(x))), np.atleast_1d(np.sum(y_bar * moved))

    return check


def _all_taps(values: Values) -> Array:
    return np.ones((values["windows"].places, 1))


SUM_POOL = {
    "x": (
        ProofStep("Window by window", rf"y_i = \sum_k x_{{{PLACE}}}", _totals),
        ProofStep(
            "Every input of a window counts once",
            rf"\frac{{\partial y_i}}{{\partial x_j}} = \sum_k [{PLACE} = j]",
            _sum_slope,
        ),
        ProofStep(
            "The chain rule over all windows that contain it",
            rf"\bar x_j = \sum_{{k, i: {PLACE} = j}} \bar y_i",
            _pooled(_sum_slope, _all_taps),
        ),
    )
}
MAX_POOL = {
    "x": (
        ProofStep("Window by window", rf"y_i = \max_k x_{{{PLACE}}}", _maxima),
        ProofStep(
            "Only the largest input of a window counts",
            rf"\frac{{\partial y_i}}{{\partial x_j}} = \sum_k [{PLACE} = j]\,[x_j = y_i]",
            _max_slope,
        ),
        ProofStep(
            "The chain rule over all windows that contain it",
            rf"\bar x_j = \sum_{{k, i: {PLACE} = j}} [x_j = y_i] \bar y_i",
            _pooled(_max_slope, _won),
        ),
    )
}
