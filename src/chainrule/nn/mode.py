"""The mode of a model for the time of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Put a model and all modules in it into training or evaluation mode; after the block each has its own again."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode
