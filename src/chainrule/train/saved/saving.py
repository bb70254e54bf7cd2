"""A model and all that its training needs to go on, in one file.

The file is safetensors (`modelfile` says what is promised of it): arrays `model.<parameter>` and `optimizer.…`, and
the texts `chainrule.format`, `meta`, `random` and, where they were saved, `optimizer`, `loader`, `scheduler` and
`history`, each of them JSON (`packing` says how).
"""

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from reprlib import repr as short
from typing import Any

import numpy as np

from chainrule.core.random import default_generator
from chainrule.core.tensor import value_of

from .modelfile import ModelFileError, read_arrays, write_arrays
from .packing import pack, plain, unpack

StrPath = str | os.PathLike[str]
State = dict[str, Any]

FORMAT = "1"
_FORMAT, _MODEL = "chainrule.format", "model."
_PARTS = ("optimizer", "loader", "scheduler", "history")
_REBUILD = "build the model as it was when it was saved"


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    `meta` is what the caller of `save` added, `model` the model's arrays by name; `optimizer`, `loader`, `scheduler`
    and `history` are their states, None where they were not saved, and `random` the states of generators: the default
    one's under "default", that of a module's attribute under its path.
    """

    path: str
    meta: State
    model: State = field(repr=False)
    optimizer: Any = field(repr=False, default=None)
    loader: Any = field(repr=False, default=None)
    scheduler: Any = field(repr=False, default=None)
    history: Any = field(repr=False, default=None)
    random: State = field(repr=False, default_factory=dict)


def save(
    path: StrPath,
    model: Any,
    optimizer: Any = None,
    loader: Any = None,
    *,
    scheduler: Any = None,
    history: Any = None,
    **meta: Any,
) -> None:
    """Write a model to `path`, with the states of what trains it, and any `meta` values that JSON can hold.

    With optimizer, loader, the `History` of `fit` and, where one is used, scheduler, training that goes on from the
    file (`load`) is the same to the bit as if it had never stopped; the history says whether steps are compiled. The
    states of the default generator (`chainrule.seed`) and of the generators that the model's modules have as
    attributes are kept as well.

    The file is written whole or not at all, and an existing one is replaced only then.

    Raises TypeError for a meta value that JSON cannot hold, and ModelFileError where the file cannot be written.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> save("model.safetensors", nn.Linear(4, 3), epoch=7, classes=["a", "b", "c"])
    >>> load("model.safetensors").meta
    {'epoch': 7, 'classes': ['a', 'b', 'c']}
    """
    if not hasattr(model, "state_dict"):
        swapped = "; the path comes first" if isinstance(model, str | os.PathLike) else ""
        raise TypeError(f"save: model: expected a module, got {type(model).__name__}{swapped}: save(path, model)")
    texts = {_FORMAT: FORMAT, "meta": json.dumps(plain(meta, "meta"))}
    arrays = {_MODEL + name: np.asarray(value_of(array)) for name, array in model.state_dict().items()}
    for part, owner in zip(_PARTS, (optimizer, loader, scheduler, history), strict=True):
        if owner is not None:
            texts[part], own = pack(_state_of(owner, part), part)
            arrays |= own
    states = {name: generator.bit_generator.state for name, generator in generators(model).items()}
    texts["random"], own = pack(states, "random")
    write_arrays(path, arrays | own, texts)


def load(
    path: StrPath,
    model: Any = None,
    optimizer: Any = None,
    loader: Any = None,
    *,
    scheduler: Any = None,
    history: Any = None,
) -> Checkpoint:
    """Read a file of `save`, and put each of the arguments in the state it had.

    The model is built first, as it was when it was saved, and the optimizer, loader and scheduler for it, and an empty
    `History`. Without them the file is only read. Where an optimizer is given, training goes on: the default generator
    and the model's then take up their saved states, too.

    All or nothing: everything is read and checked before anything changes, and after an error each argument is as it
    was before.

    Raises ModelFileError, which names the path and what differs, and its subclass ModelFileMissing without a file.

    >>> from chainrule import nn
    >>> save("model.safetensors", nn.Linear(4, 3))
    >>> _ = load("model.safetensors", nn.Linear(4, 3))
    >>> load("model.safetensors", nn.Linear(4, 5))
    Traceback (most recent call last):
    chainrule.train.saved.modelfile.ModelFileError: model.safetensors: model.weight: file has [4, 3], the model [4, 5];
    build the model as it was when it was saved
    """
    found = _read(path)
    owners = dict(zip(_PARTS, (optimizer, loader, scheduler, history), strict=True))
    for part, owner in owners.items():
        if owner is not None and getattr(found, part) is None:
            raise ModelFileError(
                f"{path}: holds no state of the {part}; save it with {part}=…, or load without it to start it afresh"
            )
    if model is not None:
        _check_model(path, found.model, model.state_dict())
    with _undone_on_error() as change:
        for part, owner in owners.items():
            if owner is not None:
                with _named(path, part):
                    change(_state_of(owner, part), owner.load_state_dict, copy.deepcopy(getattr(found, part)))
        for name, generator in ({} if optimizer is None else generators(model)).items():
            with _named(path, f"random: {name}"):
                change({name: generator.bit_generator.state}, partial(_set_random, generator, name), found.random)
        if model is not None:
            with _named(path, "model"):
                change(model.state_dict(), model.load_state_dict, found.model)
    return found


def _read(path: StrPath) -> Checkpoint:
    arrays, texts = read_arrays(path)
    if _FORMAT not in texts:
        raise ModelFileError(
            f"{path}: was not written by chainrule.save; expected the metadata entry {_FORMAT!r}. Read its arrays with "
            f"read_arrays, and give them to model.load_state_dict"
        )
    if texts[_FORMAT] != FORMAT:
        raise ModelFileError(
            f"{path}: has format {texts[_FORMAT]!r}, expected {FORMAT!r}; read it with the version of chainrule that "
            f"wrote it, or a later one"
        )
    for name in ("meta", "random"):
        if name not in texts:
            raise ModelFileError(f"{path}: has no metadata entry {name!r}; restore the file, or save the model again")
    model = {name.removeprefix(_MODEL): array for name, array in arrays.items() if name.startswith(_MODEL)}
    states = {}
    for part in ("meta", "random", *_PARTS):
        if part in texts:
            with _named(path, part):
                states[part] = json.loads(texts[part]) if part == "meta" else unpack(texts[part], arrays)
    for part in ("meta", "random"):
        if not isinstance(states[part], dict):
            raise ModelFileError(f"{path}: {part}: expected entries by name, got {short(states[part])}; {_REBUILD}")
    return Checkpoint(path=str(path), model=model, **states)


def _check_model(path: StrPath, saved: State, mine: State) -> None:
    """Raise a ModelFileError unless the file has the model's names, shapes and dtypes."""
    missing, unexpected = [n for n in mine if n not in saved], [n for n in saved if n not in mine]
    if missing or unexpected:
        parts = [f"the file has no {_listed(missing)}"] if missing else []
        parts += [f"the model has no {_listed(unexpected)}"] if unexpected else []
        raise ModelFileError(f"{path}: {', and '.join(parts)}; {_REBUILD}")
    for name, array in mine.items():
        theirs = saved[name]
        for what, ours in ((list(theirs.shape), list(array.shape)), (theirs.dtype, array.dtype)):
            if what != ours:
                raise ModelFileError(f"{path}: {_MODEL}{name}: file has {what}, the model {ours}; {_REBUILD}")


def _listed(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(_MODEL + name for name in names[:most]) + rest


def _state_of(owner: Any, part: str) -> Any:
    if not hasattr(owner, "state_dict"):
        raise TypeError(f"{part}: a {type(owner).__name__} has no state_dict(); leave it out, or give one that has")
    return owner.state_dict()


def generators(model: Any) -> dict[str, np.random.Generator]:
    """Return the generators that training draws from: the default one, and those that modules have as attributes."""
    found = {"default": default_generator()}
    for path, module in [] if model is None else model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator):
                found[f"{path}.{name}" if path else name] = value
    return found


def _set_random(generator: np.random.Generator, name: str, states: Mapping[str, Any]) -> None:
    if name not in states:
        raise ValueError(f"the file has no state of this generator, only of {sorted(states)}")
    generator.bit_generator.state = states[name]


@contextmanager
def _named(path: StrPath, part: str) -> Iterator[None]:
    """Turn an error about the file's content into a ModelFileError that names the path and the part."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{path}: {part}: {error}") from error


@contextmanager
def _undone_on_error() -> Iterator[Callable[[Any, Callable[[Any], Any], Any], None]]:
    """Yield `change(before, set_state, after)`; an error inside the block takes every change back."""
    with ExitStack() as undo:

        def change(before: Any, set_state: Callable[[Any], Any], after: Any) -> None:
            undo.callback(set_state, before)
            set_state(after)

        yield change
        undo.pop_all()
