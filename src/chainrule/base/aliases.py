"""One package under another's name: `import torch` that gives `chainrule.torch`, in this process."""

import importlib
import sys
from collections.abc import Iterable, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def install_alias(name: str, door: str, called: str) -> None:
    """Make `import name`, in this process and from now on, import the package `door`, and the same for submodules.

    `called` is what the library is called in the error. Raises ImportError if the library itself has been imported
    already: its values and those of `door` do not mix. A second call does nothing.
    """
    loaded = sys.modules.get(name)
    if loaded is not None and not loaded.__name__.startswith(door):
        raise ImportError(
            f"install: {called} has been imported already, and its values do not mix with chainrule's; call "
            f"{door}.install() first"
        )
    if not any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(name, door))


class _Finder(MetaPathFinder):
    """Finds a package and every module under it in another package."""

    def __init__(self, name: str, door: str) -> None:
        self.name, self.door = name, door

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self.name and not fullname.startswith(f"{self.name}."):
            return None
        return ModuleSpec(fullname, _Alias(self.door + fullname[len(self.name) :]))


class _Alias(Loader):
    """Loads a module under the name of another one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        try:
            module = importlib.import_module(self.name)
        except ModuleNotFoundError as error:
            if error.name != self.name:
                raise
            package, _, part = self.name.rpartition(".")
            where = sys.modules[package]
            if isinstance(found := getattr(where, part, None), ModuleType):
                module = found  # a module that its package offers under another name
            else:
                raise ModuleNotFoundError(_reason(where, part, self.name), name=spec.name) from None
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just given the module the spec of its other name.
        module.__spec__ = self.spec


def _reason(package: ModuleType, part: str, name: str) -> str:
    """Return what the package says of the missing name; by default that there is no such module."""
    try:
        getattr(package, part)
    except AttributeError as error:
        if hasattr(package, "__getattr__"):
            return str(error)
    return f"No module named {name!r}"


def submodules(package: str, names: Iterable[str], contents: Mapping[str, Any]) -> None:
    """Make modules of a package that all have the same contents: where another library keeps one name in each file."""
    for name in names:
        module = ModuleType(f"{package}.{name}", f"The names of `{package}`.")
        module.__dict__.update({key: value for key, value in contents.items() if not key.startswith("__")})
        sys.modules[module.__name__] = module
        setattr(sys.modules[package], name, module)
