"""Accelerators that are not here: the everyday questions are answered, anything else is refused."""

from types import ModuleType
from typing import Any


def no(*_: Any, **__: Any) -> bool:
    """Return False: there is no such device."""
    return False


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing: there is no device to do it on."""


def none_used(*_: Any, **__: Any) -> int:
    """Return 0: no device, and none of its memory."""
    return 0


def refuse(where: str, name: str) -> AttributeError:
    """Return the error for a name that needs a device."""
    return AttributeError(
        f"torch.{where}.{name}: chainrule computes on the CPU; ask torch.{where}.is_available() first"
    )


class Absent(ModuleType):
    """A kind of accelerator that is not here: `is_available()` is False; anything else is refused."""

    is_available = is_initialized = is_built = is_bf16_supported = staticmethod(no)
    synchronize = empty_cache = manual_seed = manual_seed_all = staticmethod(nothing)
    device_count = current_allocated_memory = staticmethod(none_used)
    current_accelerator = staticmethod(nothing)

    def __getattr__(self, name: str) -> Any:
        raise refuse(self.__name__.rpartition(".")[2], name)


mps, xpu, accelerator = Absent("mps"), Absent("xpu"), Absent("accelerator")
