"""A network that forecasts a series from a window of it."""

from typing import Any

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.rules.arrays.join import concatenate
from chainrule.rules.arrays.shape import swapaxes

from ..containers import Sequential
from ..convolutions import Conv1d
from ..dropout import Dropout
from ..function import ReLU
from ..init import Generator
from ..inputs import positive_size
from ..layers import Flatten, Linear
from ..module import Module
from ..recurrent import GRU

MODELS = ("gru", "conv")


class Forecaster(Module):
    """From a window `[B, window, channels]` of a series to the next `horizon` values `[B, horizon]` of channel 0.

    `model` is "gru", a recurrent layer whose last state is read, or "conv", two convolutions over time; either has
    `hidden` units. What it computes is added to a linear map of the window, which is a good forecast by itself (Zeng et
    al., "Are Transformers Effective for Time Series Forecasting?", 2023). Channel 0 is seen relative to its last value,
    and so are the forecasts: at the start, when the linear map is zero, they are near that value, and a series may
    drift to where it has never been.

    Raises ValueError for another model, or a window of another length.

    >>> Forecaster(window=12, horizon=3, channels=2)(np.zeros((5, 12, 2), np.float32)).shape
    (5, 3)
    """

    @explained
    def __init__(
        self,
        window: int,
        horizon: int,
        channels: int = 1,
        model: str = "gru",
        hidden: int = 32,
        dropout: float = 0.0,
        generator: Generator = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.window = positive_size("Forecaster: window", window)
        self.horizon = positive_size("Forecaster: horizon", horizon)
        self.channels = positive_size("Forecaster: channels", channels)
        if model not in MODELS:
            raise ValueError(f"Forecaster: model: expected {' or '.join(map(repr, MODELS))}, got {model!r}")
        self.kind = model
        self.body = _bodies(model, channels, hidden, generator, dtype)
        self.drop = Dropout(dropout, generator)
        wide = hidden if model == "gru" else hidden * window
        self.head = Linear(wide, horizon, init="xavier", generator=generator, dtype=dtype)
        self.head.weight.data *= 0.1
        self.direct = Linear(window, horizon, init="xavier", generator=generator, dtype=dtype)
        self.direct.weight.data *= 0.0

    def forward(self, x: Any) -> Any:
        """Return the forecasts."""
        if x.ndim != 3 or tuple(x.shape[1:]) != (self.window, self.channels):
            raise ValueError(f"Forecaster: expected [B, {self.window}, {self.channels}], got {list(x.shape)}")
        last = x[:, -1:, 0]
        level = x[:, :, 0] - last
        seen = level[..., None]
        if self.channels > 1:
            seen = concatenate([seen, x[:, :, 1:]], axis=-1)
        found = self.body(seen)[0][:, -1] if self.kind == "gru" else self.body(swapaxes(seen, 1, 2))
        return last + self.direct(level) + self.head(self.drop(found))

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.window} → {self.horizon}, channels={self.channels}"


def _bodies(model: str, channels: int, hidden: int, generator: Generator, dtype: Any) -> Module:
    if model == "gru":
        return GRU(channels, hidden, batch_first=True, generator=generator, dtype=dtype)
    sizes = {"kernel_size": 5, "padding": 2, "generator": generator, "dtype": dtype}
    return Sequential(Conv1d(channels, hidden, **sizes), ReLU(), Conv1d(hidden, hidden, **sizes), ReLU(), Flatten())
