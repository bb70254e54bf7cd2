"""The state of a module at capture. Modules announce changes, so this is checked only after one."""

from collections.abc import Container, Sequence
from operator import is_
from typing import Any

from .reach import Read
from .read_names import is_of_package
from .watch import same_plain


class ModuleState:
    """The state of a module at capture: its mode, what is registered in it, and its plain attributes."""

    def __init__(self, module: Any, names: Container[str] | None = None, numbers: Sequence[Read] = ()) -> None:
        self.module = module
        self._open = {read.key for read in numbers if read.owner is vars(module)}
        """The attributes that are numbers whose values may change."""
        ours = [cls.__qualname__ for cls in type(module).__mro__ if is_of_package(cls)]
        self._names = names if ours == ["Module"] else None
        """The attributes that code may read; None for all, where that code is this package's."""
        self._before = self._now()

    def _now(self) -> dict[str, Any]:
        own = vars(self.module)
        read = self._names
        found = {
            k: v
            for k, v in own.items()
            if k not in self.module._bookkeeping
            and (read is None or k in read or k == "training" or hasattr(type(self.module), k))
        }
        found = {k: type(v) if k in self._open else v for k, v in found.items()}
        found = {k: v.copy() if isinstance(v, list | dict | set) else v for k, v in found.items()}
        found["__class__"] = type(self.module)
        for name in self.module._registries:
            # The arrays of buffers may be replaced: where that matters, the capture has noted the buffer.
            found[name] = tuple(own[name]) if name == "_buffers" else dict(own[name])
        return found

    def changed(self) -> str | None:
        """Return the name of an attribute that has changed, or None."""
        now, before = self._now(), self._before
        if now.keys() != before.keys():
            return next(iter(now.keys() ^ before.keys()))
        return next((k for k in now if not same_plain(now[k], before[k], _same_inside)), None)

    def restore(self) -> None:
        """Give plain attributes their values of the capture."""
        own, now = vars(self.module), self._now()
        if now["__class__"] is not self._before["__class__"]:
            object.__setattr__(self.module, "__class__", self._before["__class__"])
        for name in self._before.keys() & own.keys() - {*self.module._registries} - self._open:
            if not same_plain(now[name], self._before[name], _same_inside):
                own[name] = self._before[name]
        for name in now.keys() - self._before.keys():
            del own[name]

    def assigned(self) -> str | None:
        """Return the name of an attribute that was reassigned, even to an equal number, or None."""
        now, before = self._now(), self._before
        copied = (k for k in now if isinstance(now[k], list | dict | set))
        anew = (k for k in now.keys() - {*copied, *self.module._registries} if now[k] is not before.get(k))
        return self.changed() or next(anew, None)

    def holds(self) -> bool:
        """Whether it is unchanged and calls no hooks."""
        return not self.module._hooks and self.changed() is None


def _same_inside(now: Any, before: Any) -> bool:
    if isinstance(now, list):
        return len(now) == len(before) and all(same_plain(a, b, is_) for a, b in zip(now, before, strict=True))
    if isinstance(now, dict):
        return now.keys() == before.keys() and all(same_plain(now[k], before[k], is_) for k in now)
    return bool(now == before) if isinstance(now, set) else False
