"""`install`: make `import autograd` import this package, for libraries whose imports are not ours to change."""

from chainrule.base.aliases import install_alias

__all__ = ["install"]

DOOR = __name__.rpartition(".")[0]


def install() -> None:
    """Make `import autograd`, in this process and from now on, import `chainrule.autograd`.

    Call it before the library that imports autograd. Raises ImportError if HIPS autograd itself has been imported
    already: its traced values and these do not mix. A second call does nothing.
    """
    install_alias("autograd", DOOR, "HIPS autograd")
