"""Random numbers: PyTorch's functions over NumPy's generators, so other numbers than PyTorch's from the same seed."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.random import default_generator, source
from chainrule.core.random import seed as _seed
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import as_array, is_captured, running
from chainrule.core.traces.tape import ARRAYS

from .creation import finished, making
from .dtypes import check_device, default, numpy_dtype
from .face import Tensor, unwrapped, values_of
from .shapes import sizes
from .writing import assign


class Generator:
    """A source of random numbers; `manual_seed(n)` starts it again.

    >>> import chainrule.torch as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> first = torch.rand(2, generator=g)
    >>> bool((torch.rand(2, generator=g.manual_seed(0)) == first).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        self.device = device
        self._rng = np.random.default_rng(0)
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> "Generator":
        """Start the sequence of a seed; return the generator."""
        self._seed = int(seed)
        # The generator stays the same object: a compiled function draws from it.
        self.set_state(np.random.default_rng(self._seed % 2**64).bit_generator.state)
        return self

    def seed(self) -> int:
        """Start a sequence of an arbitrary seed, and return that."""
        self.manual_seed(int(np.random.default_rng().integers(2**63)))
        return self._seed

    def initial_seed(self) -> int:
        """Return the seed."""
        return self._seed

    def get_state(self) -> Any:
        """Return the state, for `set_state`."""
        return self._rng.bit_generator.state

    def set_state(self, new_state: Any) -> None:
        """Continue from a state."""
        self._rng.bit_generator.state = new_state

    def clone_state(self) -> "Generator":
        """Return a generator in the same state."""
        made = Generator().manual_seed(self._seed)
        made.set_state(self.get_state())
        return made


class _Global:
    seed = 0


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used when none is passed."""
    _seed(int(seed) % 2**64)
    _Global.seed = int(seed)
    return _Default()


def initial_seed() -> int:
    """Return the last seed."""
    return _Global.seed


def get_rng_state() -> Any:
    """Return the state of the default generator."""
    return default_generator().bit_generator.state


def set_rng_state(new_state: Any) -> None:
    """Continue the default generator from a state."""
    default_generator().bit_generator.state = new_state


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **_: Any) -> Iterator[None]:
    """Continue after the block as if nothing had been drawn in it.

    >>> import chainrule.torch as torch
    >>> with torch.random.fork_rng():
    ...     first = torch.rand(1)
    >>> bool(first == torch.rand(1))
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


class _Default(Generator):
    """The generator that is used when none is passed."""

    def __init__(self) -> None:
        self.device = "cpu"

    def manual_seed(self, seed: int) -> "Generator":
        """Start the sequence of a seed."""
        return manual_seed(seed)

    def initial_seed(self) -> int:
        """Return the last seed."""
        return _Global.seed

    @property
    def _rng(self) -> Any:  # type: ignore[override]
        return default_generator()


default_generator_ = _Default()


def rng_of(generator: Any) -> Any:
    """Return NumPy's generator of one of ours, or the default one; in a capture one that draws at each replay."""
    if running.capture is not None:
        return _AtEachReplay(None if generator is None or isinstance(generator, _Default) else generator._rng)
    return default_generator() if generator is None else generator._rng


class _AtEachReplay:
    """A generator whose methods return what stands for their numbers in a capture."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def __getattr__(self, name: str) -> Any:
        def draw(*args: Any, **settings: Any) -> Any:
            def numbers() -> Any:
                return np.asarray(getattr(source(self.generator), name)(*args, **settings))

            return Engine(running.capture.draw(numbers, self.generator, name), ARRAYS, None)

        return draw


def _drawn(draw: Any, size: tuple[Any, ...], dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    array = as_array(draw(sizes(unwrapped(size))))
    return finished(array.astype(numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


@making
def rand(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return numbers uniform in [0, 1)."""
    return _drawn(rng_of(generator).random, size, dtype, requires_grad, device)


@making
def randn(
    *size: Any, generator: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return standard normal numbers."""
    return _drawn(rng_of(generator).standard_normal, size, dtype, requires_grad, device)


@making
def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return integers from `low` (0 by default) up to but without `high`: `randint(high, size)` works as well."""
    if size is None:
        low, high, size = 0, low, high
    if high is not None and low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if high is None:
        low, high = 0, low
    drawn = rng_of(generator).integers(int(low), int(high), sizes((unwrapped(size),)))
    return finished(as_array(drawn).astype(numpy_dtype(dtype) or np.int64), requires_grad, device)


@making
def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """Return the numbers below n in random order."""
    return finished(rng_of(generator).permutation(n).astype(numpy_dtype(dtype) or np.int64), False, device)


def _kind(input: Tensor, dtype: Any) -> Any:
    return dtype if dtype is not None else input.dtype


@making
def rand_like(input: Tensor, *, dtype: Any = None, generator: Any = None, **settings: Any) -> Tensor:
    """Return numbers uniform in [0, 1), in the shape of a tensor."""
    return rand(tuple(input.shape), dtype=_kind(input, dtype), generator=generator, **settings)


@making
def randn_like(input: Tensor, *, dtype: Any = None, generator: Any = None, **settings: Any) -> Tensor:
    """Return standard normal numbers, in the shape of a tensor."""
    return randn(tuple(input.shape), dtype=_kind(input, dtype), generator=generator, **settings)


@making
def randint_like(input: Tensor, low: Any, high: Any = None, *, dtype: Any = None, **settings: Any) -> Tensor:
    """Return random integers in the shape and dtype of a tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), dtype=_kind(input, dtype), **settings)


@making
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal numbers of the given means and standard deviations."""
    m, s = (value_of(unwrapped(x)) for x in (mean, std))
    if np.any(np.asarray(s) < 0):
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    shape = np.broadcast_shapes(np.shape(m), np.shape(s)) if size is None else sizes((unwrapped(size),))
    kind = numpy_dtype(dtype) or next((x.dtype for x in (m, s) if hasattr(x, "dtype")), default.floating.numpy)
    drawn = as_array(m + s * rng_of(generator).standard_normal(shape)).astype(kind)
    return finished(drawn, requires_grad, device)


def bernoulli(input: Tensor, p: Any = None, *, generator: Any = None) -> Tensor:
    """Return ones with the probabilities in `input`, and zeros."""
    if running.capture is not None and p is None and is_captured(unwrapped(input)):
        chances = unwrapped(input).detach()  # a replay does not look whether they are probabilities
        return finished((rng_of(generator).random(tuple(chances.shape)) < chances).astype(input._x.dtype))
    chances = values_of(input) if p is None else np.broadcast_to(values_of(p), tuple(input.shape))
    if np.any((chances < 0) | (chances > 1)):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    return finished((rng_of(generator).random(chances.shape) < chances).astype(input._x.dtype))


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Return Poisson numbers of the given rates."""
    return finished(np.asarray(rng_of(generator).poisson(values_of(input))).astype(input._x.dtype))


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Return indices drawn with the probabilities in each row, which need not add up to 1."""
    weights = values_of(input).astype(np.float64)
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    rng = rng_of(generator)
    rows = np.atleast_2d(weights)
    if np.any(rows.sum(1) <= 0):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if replacement:
        edges = np.cumsum(rows / rows.sum(1, keepdims=True), axis=1)
        drawn = rng.random((len(rows), num_samples))
        found = np.stack([np.searchsorted(edge, one, "right") for edge, one in zip(edges, drawn, strict=True)])
        last = rows.shape[1] - 1 - np.argmax(rows[:, ::-1] > 0, axis=1)
        found = np.minimum(found, last[:, None])
    else:
        if np.any((rows > 0).sum(1) < num_samples):
            raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
        # The order of exponential times divided by weights is that of draws without replacement.
        with np.errstate(divide="ignore"):
            times = rng.standard_exponential(rows.shape) / rows
        found = np.argsort(times, axis=1, kind="stable")[:, :num_samples]
    return finished(found.reshape((*weights.shape[:-1], num_samples)).astype(np.int64))


# Methods that fill a tensor


def _filler(name: str, draw: Any) -> Any:
    def fill(self: Tensor, *args: Any, generator: Any = None, **kwargs: Any) -> Tensor:
        drawn = as_array(draw(rng_of(generator), tuple(self.shape), *args, **kwargs))
        return assign(self, name, drawn.astype(self._x.dtype), unsafe=True)  # type: ignore[no-any-return]

    fill.__name__, fill.__doc__ = name, f"Fill the tensor with random numbers, in place ({name[:-1]})."
    return fill


def _integers(rng: Any, shape: Any, low: int = 0, high: int | None = None, **given: Any) -> Any:
    first, last = given.get("from", low), given.get("to", high)
    first, last = (first, last) if last is not None else (0, first or 2**24)
    return rng.integers(first, last, shape)


def _normal(rng: Any, shape: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    return mean + std * rng.standard_normal(shape)


def _uniform(rng: Any, shape: Any, low: float = 0.0, high: float = 1.0, **given: Any) -> Any:
    low, high = given.get("from", low), given.get("to", high)
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    return low + (high - low) * rng.random(shape)


def _exponential(rng: Any, shape: Any, lambd: float = 1.0) -> Any:
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return rng.standard_exponential(shape) / lambd


FILLERS = {
    "normal_": _normal,
    "uniform_": _uniform,
    "exponential_": _exponential,
    "cauchy_": lambda rng, shape, median=0.0, sigma=1.0: median + sigma * rng.standard_cauchy(shape),
    "log_normal_": lambda rng, shape, mean=1.0, std=2.0: np.exp(mean + std * rng.standard_normal(shape)),
    "geometric_": lambda rng, shape, p: rng.geometric(p, shape),
    "random_": _integers,
    "bernoulli_": lambda rng, shape, p=0.5: rng.random(shape) < np.asarray(value_of(unwrapped(p))),
}
FILL_METHODS = {name: _filler(name, draw) for name, draw in FILLERS.items()}
