"""Which variables and attributes a function's code names, and who owns the code."""

import dis
import functools
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from chainrule.base.provenance import PACKAGE

COMPUTED = frozenset({"getattr", "vars", "__dict__", "attrgetter", "methodcaller", "asdict", "astuple"})
"""Functions through which code can reach attributes that it does not name."""
COPIES = frozenset(
    [
        *("asarray", "array", "ascontiguousarray", "asfortranarray", "require", "frombuffer", "nditer"),
        *("memoryview", "from_numpy", "as_tensor", "from_dlpack", "as_strided", "Series", "DataFrame"),
    ]
)
"""Functions through which code may copy an array without notifying it."""
LIBRARIES = frozenset(
    [
        *("numpy", "numba", "llvmlite", "scipy", "jax", "jaxlib", "torch", "pandas", "sklearn", "matplotlib", "optree"),
        *("onnx", "onnxruntime", "mpi4py", "rich", "typer", "jinja2", "tqdm", "IPython", "ipykernel", "_pytest"),
        *("pytest", "hypothesis", "pyarrow", "tensorboard"),
    ]
)
"""Packages whose module variables are assumed constant."""
_STANDARD = {str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("stdlib", "platstdlib")}


class CodeNames(NamedTuple):
    """What the code of a function and its nested functions names."""

    variables: tuple[str, ...]
    """Global variables."""
    attributes: tuple[str, ...]
    imports: tuple[tuple[str, str], ...]
    """Modules, and what is looked up in them at each call."""
    stored: tuple[str, ...]
    """Attributes and global variables that it assigns."""
    is_wide: bool
    """Whether it looks up attributes by computed names."""
    copies: bool
    """Whether it may copy an array unseen."""


@functools.lru_cache(maxsize=4096)
def names_of(code: CodeType) -> CodeNames:
    """Return the names that a code object uses."""
    variables: dict[str, None] = {}
    attributes: dict[str, None] = {}
    imports: dict[tuple[str, str], None] = {}
    stored: dict[str, None] = {}
    source = ""
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            variables[i.argval] = None
        elif i.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
            attributes[i.argval] = None
        elif i.opname in ("STORE_ATTR", "STORE_GLOBAL"):
            stored[i.argval] = None
        elif i.opname == "IMPORT_NAME":
            source = i.argval
        elif i.opname == "IMPORT_FROM":
            imports[source, i.argval] = None
    texts = [x for x in code.co_consts if isinstance(x, str) and x.isidentifier()]
    inner = [names_of(x) for x in code.co_consts if isinstance(x, CodeType)]
    is_wide = not COMPUTED.isdisjoint((*variables, *attributes))
    if is_wide:
        attributes.update(dict.fromkeys(texts))
    return CodeNames(
        tuple(dict.fromkeys([*variables, *(n for x in inner for n in x.variables)])),
        tuple(dict.fromkeys([*attributes, *(n for x in inner for n in x.attributes)])),
        tuple(dict.fromkeys([*imports, *(n for x in inner for n in x.imports)])),
        tuple(dict.fromkeys([*stored, *(n for x in inner for n in x.stored)])),
        is_wide or any(x.is_wide for x in inner),
        not COPIES.isdisjoint((*variables, *attributes)) or any(x.copies for x in inner),
    )


@functools.lru_cache(maxsize=4096)
def is_of_user(file: str) -> bool:
    """Whether a file is the user's: not this package's, Python's own, or that of a library known to keep no state."""
    if file.startswith((PACKAGE, "<frozen", "<builtins", "<numpy", "<collections", "<functools")) or not file:
        return False
    parts = Path(file).parts
    for home in ("site-packages", "dist-packages"):
        if home in parts:
            return Path(parts[parts.index(home) + 1]).stem not in LIBRARIES
    resolved = str(Path(file).resolve()) if not file.startswith("<") else file
    return not any(resolved.startswith(folder) for folder in _STANDARD)


def is_of_package(cls: type[Any]) -> bool:
    """Whether a class is one of this package's."""
    return cls.__module__.partition(".")[0] == "chainrule"
