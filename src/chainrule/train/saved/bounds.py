"""What every recipe demands of the settings that it shares with others."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def check_settings(recipe: Any) -> None:
    """Raise ValueError for a setting out of range, of those that a recipe has.

    They are `epochs`, `batch_size`, `lr`, `weight_decay`, `dropout`, `label_smoothing` and `held_out`; None leaves the
    choice to the job.

    >>> from types import SimpleNamespace
    >>> check_settings(SimpleNamespace(epochs=None, dropout=1.0))
    Traceback (most recent call last):
    ValueError: dropout: expected a share from 0 to below 1, got 1.0
    """
    for name, (fits, expected) in _BOUNDS.items():
        value = getattr(recipe, name, None)
        if value is not None and not fits(value):
            raise ValueError(f"{name}: expected {expected}, got {value}")


_BOUNDS: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "epochs": (lambda value: value >= 1, "at least 1"),
        "batch_size": (lambda value: value >= 1, "at least 1"),
        "lr": (lambda value: value > 0, "a positive learning rate"),
        "weight_decay": (lambda value: value >= 0, "a number from 0"),
        "dropout": (lambda value: 0 <= value < 1, "a share from 0 to below 1"),
        "label_smoothing": (lambda value: 0 <= value < 1, "a share from 0 to below 1"),
        "held_out": (lambda value: 0 < value < 1, "a share between 0 and 1"),
    }
)
