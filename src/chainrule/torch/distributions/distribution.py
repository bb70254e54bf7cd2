"""`Distribution`: what all of them share."""

import copy
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chainrule.core.traces.capturing import as_array, running

from .. import shapes
from ..autograd.modes import no_grad
from ..creation import as_tensor
from ..dtypes import Size, default
from ..face import Tensor, values_of, wrapped
from .constraints import check_value, dependent_property, independent, is_dependent


def parameters(*given: Any) -> list[Any]:
    """Return parameters as tensors of one shape."""
    like = next((x for x in given if isinstance(x, Tensor)), None)
    kind = default.floating if like is None else like.dtype
    made = [x if isinstance(x, Tensor) else as_tensor(x, dtype=kind) for x in given]
    return list(shapes.broadcast_tensors(*made)) if len(made) > 1 else made


def _of_the_support(function: Any) -> Any:
    """Return a method of a value that holds it against the support first."""

    @functools.wraps(function)
    def checked(self: Any, value: Any) -> Any:
        if self.validates(self._validate_args):
            self._validate_sample(value)
        return function(self, value)

    return checked


class Distribution:
    """A distribution of `batch_shape` independent variables, each of `event_shape`.

    The parameters named in `arg_constraints` are held against their constraints, and the values of `log_prob` and `cdf`
    against the support, unless `validate_args` is False. In `vmap` and in a compiled function, where their values are
    not known, they are not.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: ClassVar[Mapping[str, Any]] = {}
    support: Any = None
    _validate_args = __debug__
    _of_values: tuple[str, ...] = ("log_prob", "cdf")  # methods that hold their argument against the support
    _derived: tuple[str, ...] = ()  # parameters made of others, which were held against theirs

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if cls.__module__.startswith(__package__):  # one's own calls `_validate_sample` itself, as in PyTorch
            for name in cls._of_values:
                if name in vars(cls):
                    setattr(cls, name, _of_the_support(vars(cls)[name]))

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Set whether parameters are held against their constraints where `validate_args` is not given."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: got {value!r}, expected True or False")
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: Any = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = bool(validate_args)
        if not self.validates(validate_args):
            return
        for name, constraint in self.arg_constraints.items():
            if name in vars(self) and name not in self._derived and not is_dependent(constraint):
                check_value(getattr(self, name), name, type(self).__name__, constraint)

    @property
    def batch_shape(self) -> Size:
        """The shape of the independent variables."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw of each."""
        return self._event_shape

    @classmethod
    def validates(cls, validate_args: Any) -> bool:
        """Whether parameters are held against their constraints."""
        wanted = cls._validate_args if validate_args is None else bool(validate_args)
        return wanted and running.capture is None and not running.maps

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its parameters expanded to another batch shape."""
        made = copy.copy(self) if _instance is None else _instance
        old, new = tuple(self.batch_shape), tuple(batch_shape)
        for name, part in vars(self).items():
            if isinstance(part, Distribution):
                vars(made)[name] = part.expand((*new, *part.batch_shape[len(old) :]))
            elif isinstance(part, Tensor) and tuple(part.shape)[: len(old)] == old:
                vars(made)[name] = part.expand(*new, *part.shape[len(old) :])
        made._batch_shape = Size(new)
        return made

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """Return an empty instance for the `expand` of `cls`, which a subclass with its own `__init__` must replace."""
        if _instance is not None:
            return _instance
        kind: Any = type(self)
        if kind.__init__ is not cls.__init__:
            raise RuntimeError(
                f"{type(self).__name__} has an __init__ of its own, so expand() does not know what its instances hold; "
                f"define {type(self).__name__}.expand(batch_shape, _instance=None)"
            )
        return kind.__new__(kind)

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        return Size(self._shape(sample_shape))

    def _validate_sample(self, value: Any) -> None:
        """Raise a ValueError if values lie outside the support, or their shape does not fit; for `log_prob`."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        try:
            np.broadcast_shapes(tuple(value.shape), (*self.batch_shape, *self.event_shape))
        except ValueError:
            raise ValueError(
                f"Value is not broadcastable with batch_shape+event_shape: {tuple(value.shape)} vs "
                f"{(*self.batch_shape, *self.event_shape)}"
            ) from None
        if self.support is not None and not bool(values_of(self.support.check(value)).all()):
            raise ValueError(
                f"Expected value argument (Tensor of shape {tuple(value.shape)}) to be within the support "
                f"({self.support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _shape(self, sample_shape: Any) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples through which gradients reach the parameters."""
        raise TypeError(f"{type(self).__name__}: has no differentiable samples; use sample() and log_prob()")

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        with no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Any:
        """Return n samples."""
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of density or probability."""
        raise TypeError(f"{type(self).__name__}: has no log_prob")

    def entropy(self) -> Any:
        """Return the entropy."""
        raise TypeError(f"{type(self).__name__}: has no entropy")

    @property
    def mean(self) -> Any:
        """The mean."""
        raise TypeError(f"{type(self).__name__}: has no mean")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise TypeError(f"{type(self).__name__}: has no variance")

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.variance.sqrt()

    def perplexity(self) -> Any:
        """Return the exponential of the entropy."""
        return self.entropy().exp()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_shape: {self.batch_shape}, event_shape: {self.event_shape})"


class Independent(Distribution):
    """A distribution whose last batch axes count as axes of one event."""

    _of_values = ()  # the distribution inside looks at them

    def __init__(self, base_distribution: Any, reinterpreted_batch_ndims: int, validate_args: Any = None) -> None:
        shape, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        cut = len(shape) - n
        super().__init__(shape[:cut], shape[cut:] + base_distribution.event_shape, validate_args)
        self.base_dist, self._n, self.has_rsample = base_distribution, n, base_distribution.has_rsample

    @dependent_property
    def support(self) -> Any:
        """Where the values lie."""
        return independent(self.base_dist.support, self._n)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.base_dist.rsample(sample_shape)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.base_dist.sample(sample_shape)

    def _summed(self, x: Any) -> Any:
        return x.sum(tuple(range(-self._n, 0))) if self._n else x

    def log_prob(self, value: Any) -> Any:
        """Return the sum of the log-densities."""
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Any:
        """Return the sum of the entropies."""
        return self._summed(self.base_dist.entropy())

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.base_dist.variance


def drawn(array: Any, like: Any) -> Any:
    """Return an array as a tensor in the dtype of another."""
    return wrapped(as_array(array).astype(like._x.dtype))
