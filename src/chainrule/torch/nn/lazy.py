"""Layers that take the number of input channels from their first input."""

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
        drawn = self.full(1, *settings, **named)
        for name, value in drawn._parameters.items():
            self.register_parameter(name, None if value is None else UninitializedParameter(value.requires_grad))
        for name, value in drawn._buffers.items():
            self.register_buffer(name, None if value is None else UninitializedBuffer())

    def has_uninitialized_params(self) -> bool:
        """Return True: there has been no input."""
        return True

    def __call__(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the number of channels from the input, and compute the output."""
        self.initialize_parameters(input)
        return self(input, *args, **kwargs)

    def initialize_parameters(self, input: Any) -> None:
        """Make this an ordinary layer for inputs like this one."""
        settings, named = self.__dict__.pop("_settings")
        kept, training, hooks = dict(self._parameters), self.training, self._hooks
        full, channels = self.full, input.shape[self._channels(input)]
        object.__setattr__(self, "__class__", full)
        full.__init__(self, channels, *settings, **named)
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
