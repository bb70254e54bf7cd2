"""The mode of a model for the time of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from chainrule.base.overlapping import Overlapping

_open: WeakKeyDictionary[Any, Overlapping[bool]] = WeakKeyDictionary()


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Put a model and all modules in it into training or evaluation mode; after the block each has its own again.

    Blocks of one model may end in any order: its own mode comes back with the last.
    """
    blocks = [(module, _open.setdefault(module, Overlapping())) for module in model.modules()]
    entries = [(module, open_, open_.enter(module.training)) for module, open_ in blocks]
    try:
        model.train(training)
        yield
    finally:
        for module, open_, entry in entries:
            for mode in open_.leave(entry):
                module.training = mode
