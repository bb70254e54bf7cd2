"""A run of a function, operation by operation, with everything that went in and came out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chainrule.base.provenance import users_frame
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten
from chainrule.observe.entry import Detached, Entry, value_in
from chainrule.observe.recorder import Recorder

from .subject import Recorded


class Watcher(Recorder):
    """A tape that also records where values leave it as Python's numbers, in `item` and `tolist`."""

    __slots__ = ()

    def left(self, box: Tensor) -> None:
        """Record that the values of a box leave the tape, without a gradient."""
        found = self.entry_of(box)
        if isinstance(found, Entry) and found.tracked:
            frame = users_frame()
            where = (frame.f_code, frame.f_lasti)
            self._keep(Entry(Detached, (found,), {}, found.value, None, self.path, where=where), None)


def record(run: Callable[..., Any], leaves: Sequence[Any]) -> list[Recorded]:
    """Return the operations of one run that depend on its leaves, in their order."""
    recorder = Watcher()
    flatten(run(*(recorder.enter(leaf, "", tracked=True) for leaf in leaves)))
    return list(_operations(recorder.entries))


def _operations(entries: Sequence[Entry]) -> Iterator[Recorded]:
    for entry in entries:
        tracked = tuple(isinstance(x, Entry) and x.tracked for x in entry.inputs)
        if any(tracked) and "part" not in entry.settings:
            inputs = tuple(map(value_in, entry.inputs))
            lost = not entry.tracked and entry.op.kind != "constant"
            yield Recorded(entry.op, inputs, tracked, entry.settings, entry.value, entry.source, lost)
