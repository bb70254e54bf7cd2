"""A run of a function, operation by operation, with everything that went in and came out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chainrule.core.tree import flatten
from chainrule.observe.entry import Entry, value_in
from chainrule.observe.recorder import Recorder

from .subject import Recorded


def record(run: Callable[..., Any], leaves: Sequence[Any]) -> list[Recorded]:
    """Return the operations of one run that depend on its leaves, in their order."""
    recorder = Recorder()
    flatten(run(*(recorder.enter(leaf, "", tracked=True) for leaf in leaves)))
    return list(_operations(recorder.entries))


def _operations(entries: Sequence[Entry]) -> Iterator[Recorded]:
    for entry in entries:
        tracked = tuple(isinstance(x, Entry) and x.tracked for x in entry.inputs)
        if any(tracked) and "part" not in entry.settings:
            inputs = tuple(map(value_in, entry.inputs))
            yield Recorded(entry.op, inputs, tracked, entry.settings, entry.value, entry.source)
