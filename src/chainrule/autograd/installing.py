"""`install`: make `import autograd` import this package, for libraries whose imports are not ours to change."""

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["install"]

DOOR = __name__.rpartition(".")[0]


def install() -> None:
    """Make `import autograd`, in this process and from now on, import `chainrule.autograd`.

    Call it before the library that imports autograd. Raises ImportError if HIPS autograd itself has been imported
    already: its traced values and these do not mix. A second call does nothing.
    """
    loaded = sys.modules.get("autograd")
    if loaded is not None and not loaded.__name__.startswith(DOOR):
        raise ImportError(
            "install: HIPS autograd has been imported already, and its values do not mix with chainrule's; call "
            "chainrule.autograd.install() first"
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds `autograd` and every module under it in this package."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != "autograd" and not fullname.startswith("autograd."):
            return None
        return ModuleSpec(fullname, _Alias(DOOR + fullname[len("autograd") :]))


class _Alias(Loader):
    """Loads a module of this package under autograd's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just given the module the spec of its other name.
        module.__spec__ = self.spec
