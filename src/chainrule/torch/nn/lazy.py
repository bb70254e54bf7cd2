"""Layers that take the number of input channels from their first input."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from . import layers
from .module import Module
from .parameter import Parameter, UninitializedBuffer, UninitializedParameter


class _Lazy(Module):
    """A layer without shapes yet; the first call makes it an ordinary one, and its parameters stay the same objects."""

    full: ClassVar[Any]
    axis: ClassVar[int] = 1

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__()
        object.__setattr__(self, "_settings", (settings, named))
        given = self._given()
        normalizes = "affine" in given
        for name in ("weight", "bias"):
            has = given["affine"] if normalizes else name == "weight" or given["bias"]
            self.register_parameter(name, UninitializedParameter() if has else None)
        if normalizes:
            track = self.full.tracks if given["track_running_stats"] is None else given["track_running_stats"]
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, UninitializedBuffer() if track else None)

    def _given(self) -> dict[str, Any]:
        settings, named = self._settings
        bound = inspect.signature(self.full).bind(0, *settings, **named)
        bound.apply_defaults()
        return bound.arguments

    def has_uninitialized_params(self) -> bool:
        """Return True: there has been no input."""
        return True

    def __call__(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the number of channels from the input, and compute the output."""
        self.initialize_parameters(input)
        return self(input, *args, **kwargs)

    def initialize_parameters(self, input: Any) -> None:
        """Make this an ordinary layer for inputs like this one."""
        self._become(input.shape[self._channels(input)])

    def initialize_from(self, state: Mapping[str, Any], prefix: str) -> None:
        """Make this an ordinary layer whose parameters have the shapes of those in a state dict."""
        for name in ("weight", "running_mean"):
            if (found := state.get(prefix + name)) is not None:
                channels_first = len(found.shape) == 1 or getattr(self.full, "transposed", False)
                groups = 1 if channels_first else self._given().get("groups", 1)
                replaced = all(prefix + name in state for name, p in self._parameters.items() if p is not None)
                self._become(int(found.shape[0 if channels_first else 1]) * groups, drawn=not replaced)
                return

    def _become(self, channels: int, drawn: bool = True) -> None:
        settings, named = self.__dict__.pop("_settings")
        full, kept, training, hooks = self.full, dict(self._parameters), self.training, self._hooks
        object.__setattr__(self, "__class__", full)
        if not drawn:  # what is replaced at once takes no time, and no numbers from those that a seed gives
            self.__dict__["reset_parameters"] = lambda: None
        full.__init__(self, channels, *settings, **named)
        self.__dict__.pop("reset_parameters", None)
        object.__setattr__(self, "_hooks", hooks)
        object.__setattr__(self, "training", training)
        for name, parameter in kept.items():
            if parameter is not None:
                parameter._x = self._parameters[name]._x
                parameter.__class__ = Parameter
                self._parameters[name] = parameter

    def _channels(self, input: Any) -> int:
        return self.axis

    def extra_repr(self) -> str:
        """Return the settings."""
        settings, named = self._settings
        return ", ".join(["0", *map(str, settings), *(f"{key}={value}" for key, value in named.items())])


class LazyLinear(_Lazy):
    """`Linear` that takes `in_features` from its first input.

    >>> import chainrule.torch as torch
    >>> layer = torch.nn.LazyLinear(2)
    >>> layer(torch.zeros(5, 3)).shape, layer
    (torch.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    full, axis = layers.Linear, -1


def _by_channel(name: str) -> Any:
    full = getattr(layers, name)

    def channels(self: Any, input: Any) -> int:
        # An input without a batch has its channels first; batch norm's always has a batch.
        spatial = getattr(full, "axes", None)
        return input.ndim - spatial - 1 if isinstance(spatial, int) else 1

    doc = f"`{name}` that takes the number of channels from its first input."
    return type(f"Lazy{name}", (_Lazy,), {"full": full, "_channels": channels, "__doc__": doc, "__module__": __name__})


LazyConv1d, LazyConv2d, LazyConv3d = (_by_channel(f"Conv{k}d") for k in (1, 2, 3))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = (_by_channel(f"ConvTranspose{k}d") for k in (1, 2, 3))
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = (_by_channel(f"BatchNorm{k}d") for k in (1, 2, 3))
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = (_by_channel(f"InstanceNorm{k}d") for k in (1, 2, 3))

__all__ = [name for name in dir() if name.startswith("Lazy")]
