"""The subject of `chainrule check`: a function in a file or a module, and inputs for it."""

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin

import numpy as np

from chainrule.jobs.calling import said

SIZES = (3, 4, 5, 2, 6, 7)
"""The lengths of axes named by letters: all different, so as to catch a gradient that is right only if square."""
MakeArray = Callable[[Any], Any]
"""Converts a NumPy array to what the function takes: the array itself, or a tensor of another library."""


def load_name(target: str) -> tuple[ModuleType, str]:
    """Return the module and the name in it that `FILE.py:NAME` or `module:NAME` refers to.

    Raises ValueError if the target does not have this form, if there is no such file, module or name, or if the file
    itself raises.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise ValueError(f"{target!r}: expected FILE.py:NAME or module:NAME, as in model.py:loss")
    module = load_module(Path(place)) if place.endswith(".py") else _module_of_name(place)
    find(module, name)
    return module, name


def find(module: ModuleType, name: str) -> Any:
    """Return a module's object by name, which may be dotted."""
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            near = difflib.get_close_matches(part, names, 1) or sorted(names)[:8]
            hint = f"; it has {', '.join(near)}" if near else ""
            raise ValueError(f"{module.__name__} has no {part!r}{hint}")
        found = getattr(found, part)
    return found


def load_module(path: Path) -> ModuleType:
    """Return a file as a module. Raises ValueError if there is no such file, or if it raises."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    name = path.stem if path.stem not in sys.modules else f"checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path}: {told(error)}") from error
    return module


def _module_of_name(name: str) -> ModuleType:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"there is no module {name!r}; for a file write {name}.py:NAME") from error
    except Exception as error:
        raise ValueError(f"{name}: {told(error)}") from error


def told(error: Exception) -> str:
    """Describe an error in one line, with the user's line that raised it if one did."""
    return said(error) or f"{type(error).__name__}: {error}"


# Inputs


@dataclass(frozen=True)
class Inputs:
    """The source of a function's inputs: shapes given explicitly, or its file."""

    module: ModuleType
    name: str
    shapes: Mapping[str, tuple[int, ...]]
    seed: int = 0
    convert: MakeArray = np.asarray

    def of(self, f: Any) -> tuple[Any, ...]:
        """Return the inputs of a function; raise ValueError if nothing determines them.

        If shapes are given, they and the annotations decide. Otherwise these are tried in turn: the function's
        attribute `example` or `inputs`, `NAME_inputs` in its file, the annotations, and `inputs` in its file. The
        inputs are a tuple, or a function or generator that yields one and may take a random number generator.
        """
        if self.shapes:
            return self._from_signature(f)
        last = self.name.rpartition(".")[2]
        for holder, key in ((f, "example"), (f, "inputs"), (self.module, f"{last}_inputs")):
            if (found := getattr(holder, key, None)) is not None:
                return self._called(found, key)
        try:
            return self._from_signature(f)
        except ValueError:
            if not hasattr(self.module, "inputs"):
                raise
            return self._called(self.module.inputs, "inputs")

    def _called(self, found: Any, key: str) -> tuple[Any, ...]:
        if callable(found):
            rng = np.random.default_rng(self.seed)
            found = found(rng) if inspect.signature(found).parameters else found()
        if inspect.isgenerator(found):
            found = next(found)
        if isinstance(found, Mapping):
            raise ValueError(f"{key}: expected a tuple of arguments, got a {type(found).__name__}")
        return tuple(found) if isinstance(found, tuple | list) else (found,)

    def _from_signature(self, f: Any) -> tuple[Any, ...]:
        parameters = parameters_of(f) or [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in self.shapes]
        names = [p.name for p in parameters]
        if unknown := [name for name in self.shapes if name not in names]:
            raise ValueError(f"--shape {unknown[0]}: {self.name} has no such argument; it has {', '.join(names)}")
        rng, letters, found = np.random.default_rng(self.seed), Letters(), []
        for p in parameters:
            shape = self.shapes.get(p.name, letters.shape(p.annotation))
            if shape is not None:
                found.append(self.convert(rng.standard_normal(shape)) if shape else float(rng.standard_normal()))
            elif p.default is p.empty:
                raise ValueError(
                    f"{self.name}: nothing says what {p.name!r} is. Give --shape {p.name}=3,4, or annotate it "
                    f'(Annotated[np.ndarray, "B D"], float), or define {self.name}_inputs() in its file'
                )
            else:
                break
        return tuple(found)


class Letters:
    """Reads shapes from annotations; a letter means the same length wherever it occurs."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}

    def shape(self, annotation: Any) -> tuple[int, ...] | None:
        """Return the shape given by an annotation, () for a number, or None.

        Supported are `float`, `Annotated[X, (3, 4)]`, `Annotated[X, "B D"]`, the string "B D" itself, and types with a
        `dim_str`, such as those of jaxtyping.

        >>> from typing import Annotated
        >>> Letters().shape(Annotated[np.ndarray, "B D"]), Letters().shape("[4, N, N]"), Letters().shape(int)
        ((3, 4), (4, 3, 3), None)
        """
        if annotation in (float, "float"):
            return ()
        if get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
            said = [self.shape(item) for item in get_args(annotation)[1:]]
            return next((shape for shape in said if shape is not None), None)
        if hasattr(annotation, "dim_str"):
            annotation = annotation.dim_str
        if isinstance(annotation, str):
            annotation = annotation.strip("[]()").replace(",", " ").split()
        if not isinstance(annotation, tuple | list) or not annotation:
            return None
        lengths = [self._length(item) for item in annotation]
        return None if None in lengths else tuple(n for n in lengths if n is not None)

    def _length(self, item: Any) -> int | None:
        if isinstance(item, int):
            return item
        if item.isdigit():
            return int(item)
        if not item.isidentifier() or len(item) > 1:
            return None
        return self.lengths.setdefault(item, SIZES[len(self.lengths) % len(SIZES)])


def parameters_of(f: Any) -> list[inspect.Parameter]:
    """Return the positional parameters of a callable."""
    called = getattr(f, "forward", f) if not inspect.isfunction(f) else f
    try:
        found = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [p for p in positional if p.name not in ("self", "ctx")]


def shapes_of(options: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of `x=3,4` by name; `x=` is a number.

    >>> shapes_of(["x=3,4", "w=4", "t="])
    {'x': (3, 4), 'w': (4,), 't': ()}
    """
    found = {}
    for option in options:
        name, equals, text = option.partition("=")
        try:
            shape = tuple(int(part) for part in text.split(",") if part.strip())
        except ValueError:
            shape = (-1,)
        if not equals or not name or min(shape, default=0) < 0:
            raise ValueError(f"--shape: expected an argument and its lengths, as x=3,4; got {option!r}")
        found[name.strip()] = shape
    return found
