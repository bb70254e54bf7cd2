"""`install`: make `import torch` import this package, for code whose imports are not ours to change."""

from chainrule.base.aliases import install_alias

DOOR = __name__.rpartition(".")[0]


def install() -> None:
    """Make `import torch`, in this process and from now on, import `chainrule.torch`.

    Call it before the library that imports torch. Raises ImportError if PyTorch itself has been imported already: its
    tensors and these do not mix. A second call does nothing. PyTorch cannot be imported in the process any more, so
    neither can what needs it, such as `chainrule.interop.torch`.
    """
    install_alias("torch", DOOR, "PyTorch")
    install_alias("functorch", f"{DOOR}.functorch", "PyTorch")
