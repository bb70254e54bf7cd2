"""`install`: make `import autograd` import this package, for libraries whose imports are not ours to change."""

from types import ModuleType

from chainrule.base.aliases import install_alias
from chainrule.core.tensor import Tensor

from . import numpy

__all__ = ["install"]

DOOR = __name__.rpartition(".")[0]


def install() -> None:
    """Make `import autograd`, in this process and from now on, import `chainrule.autograd`.

    Call it before the library that imports autograd. Raises ImportError if HIPS autograd itself has been imported
    already: its traced values and these do not mix. A second call does nothing.
    """
    install_alias("autograd", DOOR, "HIPS autograd")
    for module in (numpy, numpy.linalg, numpy.fft):
        _fill(module)
    Tensor._named = staticmethod(lambda _: _ArrayBox)


def _fill(module: ModuleType) -> None:
    """Put all names of a module into its dictionary, where they are made at first use: libraries walk through that.

    They also copy what they find there, so the functions that make names at first use must go, and `import *` is to
    give all names.
    """
    space = vars(module)
    if "__getattr__" not in space:
        return
    for name in [name for name in dir(module) if not name.startswith("_")] + ["__version__"]:
        if hasattr(module, name):
            space.setdefault(name, getattr(module, name))
    for name in ("__getattr__", "__dir__", "__all__"):
        space.pop(name, None)


class _ArrayBox:
    """The class that a traced value claims to have. As in autograd it is not one of arrays or numbers.

    Libraries that work with arrays of many kinds look at `x.__class__` to find out whose an array is.
    """


_ArrayBox.__name__ = _ArrayBox.__qualname__ = "ArrayBox"
_ArrayBox.__module__ = "autograd.numpy.numpy_boxes"
