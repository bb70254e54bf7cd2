"""`Registry`: the tables of a module's parameters, buffers and submodules, which count their changes."""

from collections import OrderedDict
from typing import Any

from chainrule.core.memory.changes import changes


class Registry(OrderedDict[str, Any]):
    """An ordered dict whose changes compiled programs notice, also those by code that writes into it directly."""

    announces = True

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        changes.settings += 1

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        changes.settings += 1

    def pop(self, *name_and_default: Any) -> Any:
        """Remove a name and return its value."""
        changes.settings += 1
        return super().pop(*name_and_default)

    def popitem(self, last: bool = True) -> tuple[str, Any]:
        """Remove the last or the first name, and return it with its value."""
        changes.settings += 1
        return super().popitem(last)

    def clear(self) -> None:
        """Remove all names."""
        super().clear()
        changes.settings += 1

    def move_to_end(self, name: str, last: bool = True) -> None:
        """Put a name at the end, or at the beginning."""
        super().move_to_end(name, last)
        changes.settings += 1
