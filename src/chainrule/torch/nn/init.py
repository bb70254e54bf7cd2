"""`torch.nn.init`: functions that fill a tensor in place, and return it."""

import math
from typing import Any

import numpy as np

from chainrule.core.memory.alias import alias_of
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.capturing import running
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER

from ..autograd.modes import no_grad
from ..face import Tensor
from ..missing import lacking as _lacking
from ..random import rng_of
from ..writing import assign


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """Return the factor by which an activation shrinks its inputs' scale."""
    if nonlinearity in ("linear", "sigmoid", *(f"conv{t}{k}d" for t in ("", "_transpose") for k in (1, 2, 3))):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = _fans


def _filled(tensor: Tensor, array: Any) -> Tensor:
    values = np.asarray(array).astype(tensor._x.dtype)
    if _is_computed(tensor._x):  # a parametrized weight: it gets new numbers, and keeps its place in the graph
        shaped = np.array(np.broadcast_to(values, tensor._x.shape))
        tensor._x = Engine(shaped, EAGER, tensor._x._link)
        return tensor
    with no_grad():
        return assign(tensor, "init", values, unsafe=True)  # type: ignore[no-any-return]


def _is_computed(x: Any) -> bool:
    """Whether a value is the result of an operation that shares its memory with no other."""
    alone = isinstance(x, Engine) and alias_of(x) is None and x._trace is EAGER and running.capture is None
    return alone and x._link is not None and not isinstance(x._link, Leaf)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers uniform in [a, b)."""
    return _filled(tensor, rng_of(generator).uniform(a, b, tuple(tensor.shape)))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    return _filled(tensor, mean + std * rng_of(generator).standard_normal(tuple(tensor.shape)))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Fill with normal numbers, drawn again until they are in [a, b]."""
    rng, shape = rng_of(generator), tuple(tensor.shape)
    drawn = mean + std * rng.standard_normal(shape)
    while np.any(outside := (drawn < a) | (drawn > b)):
        drawn = np.where(outside, mean + std * rng.standard_normal(shape), drawn)
    return _filled(tensor, drawn)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _filled(tensor, np.full(tuple(tensor.shape), val))


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the unit matrix."""
    return _filled(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it keeps as many channels as it can."""
    array = np.zeros(tuple(tensor.shape))
    middle = tuple(n // 2 for n in tensor.shape[2:])
    size = tensor.shape[0] // groups
    for g in range(groups):
        for k in range(min(size, tensor.shape[1])):
            array[(g * size + k, k, *middle)] = 1
    return _filled(tensor, array)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill uniformly within ± gain √(6 / (fan_in + fan_out))."""
    limit = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -limit, limit, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill normally with the deviation gain √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def _deviation(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill uniformly within ± gain √(3 / fan)."""
    limit = math.sqrt(3.0) * _deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -limit, limit, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill normally with the deviation gain / √fan."""
    return normal_(tensor, 0.0, _deviation(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a matrix whose rows or columns are orthonormal."""
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    drawn = rng_of(generator).standard_normal((rows, columns))
    q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
    q = q * np.sign(np.diag(r))
    return _filled(tensor, gain * (q.T if rows < columns else q).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill with normal numbers, and set a share of each column to zero."""
    rows, columns = tensor.shape
    rng = rng_of(generator)
    array = std * rng.standard_normal((rows, columns))
    for k in range(columns):
        array[rng.permutation(rows)[: math.ceil(sparsity * rows)], k] = 0
    return _filled(tensor, array)


xavier_uniform, xavier_normal = xavier_uniform_, xavier_normal_
kaiming_uniform, kaiming_normal = kaiming_uniform_, kaiming_normal_
uniform, normal, constant, orthogonal = uniform_, normal_, constant_, orthogonal_

__getattr__ = _lacking(__name__)
