"""Initial values of weights: `kaiming`, `xavier`, `lecun`, `orthogonal`.

Each takes a shape and returns a new array, or takes a parameter, fills it in place and returns it. A matrix is
`[in, out]`; in a shape with more axes, `[out, in, *kernel]`, every kernel position counts as an input. `distribution`
is "normal" or "uniform", with the same variance; `generator` is a NumPy Generator (default: the global one).

√(2/in) is Kaiming (He) initialisation, √(2/(in + out)) is Xavier (Glorot) initialisation.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.random import default_generator
from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import check_real

Distribution: TypeAlias = Literal["normal", "uniform"]
Target: TypeAlias = Sequence[int] | Tensor
Generator: TypeAlias = np.random.Generator | None
"""The source of random numbers; None is the global generator, which `chainrule.seed` seeds."""


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return how many inputs each output has, and how many outputs each input reaches.

    >>> fans((784, 100)), fans((8, 3, 5, 5))
    ((784, 100), (75, 200))
    """
    if len(shape) < 2:
        raise ValueError(f"fans: expected a shape of at least two axes, [in, out], got {list(shape)}")
    if len(shape) == 2:
        return shape[0], shape[1]
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def kaiming(
    target: Target,
    gain: float = math.sqrt(2),
    distribution: Distribution = "normal",
    generator: Generator = None,
    dtype: Any = np.float64,
) -> Any:
    r"""Standard deviation $\mathrm{gain} / \sqrt{\mathrm{in}}$, with the gain √2 for ReLU: also called He.

    It preserves the mean square of activations through ReLU layers.

    Source: He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (2015), equation 10.

    >>> bool(abs(kaiming((200, 300), generator=np.random.default_rng(0)).std() - 0.1) < 0.001)
    True
    """
    return _filled("kaiming", target, lambda shape: gain / _root(fans(shape)[0]), distribution, generator, dtype)


def xavier(
    target: Target,
    gain: float = 1.0,
    distribution: Distribution = "normal",
    generator: Generator = None,
    dtype: Any = np.float64,
) -> Any:
    r"""Standard deviation $\mathrm{gain} \sqrt{2 / (\mathrm{in} + \mathrm{out})}$: also called Glorot.

    For tanh and sigmoid; a compromise between the variance that preserves activations and the one that preserves
    gradients.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010),
    equations 12 and 16.

    >>> bool(abs(xavier((100, 100), distribution="uniform")).max() <= (6 / 200) ** 0.5)
    True
    """
    return _filled("xavier", target, lambda shape: gain / _root(sum(fans(shape)) / 2), distribution, generator, dtype)


def lecun(
    target: Target,
    gain: float = 1.0,
    distribution: Distribution = "normal",
    generator: Generator = None,
    dtype: Any = np.float64,
) -> Any:
    r"""Standard deviation $\mathrm{gain} / \sqrt{\mathrm{in}}$, which preserves the variance through a linear layer.

    Source: LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), equation 16.

    >>> lecun((3, 2), dtype=np.float32).dtype
    dtype('float32')
    """
    return _filled("lecun", target, lambda shape: gain / _root(fans(shape)[0]), distribution, generator, dtype)


def orthogonal(target: Target, gain: float = 1.0, generator: Generator = None, dtype: Any = np.float64) -> Any:
    r"""Orthonormal rows or columns, whichever are fewer, times `gain`: all singular values are equal.

    The axes after the first are treated as one. The matrix is drawn uniformly from all such matrices: it is Q of the QR
    decomposition of a normal matrix, with the diagonal of R made positive.

    Sources: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks" (2014); Mezzadri, "How to generate random matrices from the classical compact groups" (2007).

    >>> w = orthogonal((4, 3))
    >>> bool(np.allclose(w.T @ w, np.eye(3)))
    True
    """

    def draw(shape: tuple[int, ...], source: np.random.Generator) -> Any:
        fans(shape)
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(source.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return gain * (q if rows >= columns else q.T).reshape(shape)

    return _written("orthogonal", target, draw, generator, dtype)


def _root(fan: float) -> float:
    return math.sqrt(max(fan, 1))  # a layer without inputs has no weights to scale


def _filled(
    name: str,
    target: Target,
    deviation: Callable[[tuple[int, ...]], float],
    distribution: Distribution,
    generator: Generator,
    dtype: Any,
) -> Any:
    if distribution not in ("normal", "uniform"):
        raise ValueError(f"{name}: distribution: expected 'normal' or 'uniform', got {distribution!r}")

    def draw(shape: tuple[int, ...], source: np.random.Generator) -> Any:
        std = deviation(shape)
        if distribution == "normal":
            return std * source.standard_normal(shape)
        limit = math.sqrt(3) * std  # the variance of a uniform distribution on [−a, a] is a²/3
        return source.uniform(-limit, limit, shape)

    return _written(name, target, draw, generator, dtype)


def _written(name: str, target: Target, draw: Callable[..., Any], generator: Generator, dtype: Any) -> Any:
    """Draw an array of a shape, or fill a parameter; errors of `draw` are prefixed with the function's name."""
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"{name}: generator: expected a numpy.random.Generator, as np.random.default_rng(0), got "
            f"{type(generator).__name__}"
        )
    source = generator or default_generator()
    try:
        if isinstance(target, Tensor):
            target.data = draw(target.shape, source)
            return target
        check_real(name, np.dtype(dtype))
        return np.asarray(draw(tuple(target), source), dtype)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


BY_NAME: dict[str, Callable[..., Any]] = {
    "kaiming": kaiming,
    "xavier": xavier,
    "lecun": lecun,
    "orthogonal": orthogonal,
}


def initial(what: str, init: str | Callable[..., Any], shape: tuple[int, ...], generator: Generator, dtype: Any) -> Any:
    """Return an array by the function of this name, or by `init` itself if it is one of (shape, generator=, dtype=)."""
    if not callable(init):
        if init not in BY_NAME:
            names = ", ".join(map(repr, BY_NAME))
            raise ValueError(f"{what}: init: expected one of {names} or a function, got {init!r}")
        init = BY_NAME[init]
    weight = np.asarray(init(shape, generator=generator, dtype=dtype), dtype)
    if weight.shape != shape:
        raise ValueError(f"{what}: init: expected an array of shape {list(shape)}, got {list(weight.shape)}")
    return weight


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__, "; PyTorch's names, as xavier_uniform_, are in chainrule.torch.nn.init")
