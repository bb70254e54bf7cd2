"""The mode of a model, training or evaluation, for the duration of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from chainrule.base.overlapping import Overlapping

_open: WeakKeyDictionary[Any, Overlapping[bool]] = WeakKeyDictionary()


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Put a model and all modules in it into training or evaluation mode, and restore their own modes after the block.

    Blocks on the same model may end in any order: the last one to end restores the modes.
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
