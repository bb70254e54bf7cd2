"""What stands for names of several processes in a script of one."""

from typing import Any


def refused(where: str, name: str) -> type:
    """Return a class that stands for a name, of which nothing is an instance and which cannot be made or called."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(
            f"{where}.{name}: this is one process; chainrule.distributed trains a model in several, over MPI"
        )

    return type(name, (), {"__new__": refuse, "__module__": where})
