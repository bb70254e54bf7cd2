"""The parameters and buffers of a model under PyTorch's names and in its layout, both ways.

A matrix of `Linear` and of a recurrent layer is `[in, out]` here and `[out, in]` there; attention's three projections
are one matrix there; the parts of a `TransformerBlock` have other names. All else is the same in both.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.tensor import value_of
from chainrule.nn import GRU, LSTM, RNN, BatchNorm1d, Linear, Module, MultiheadAttention, TransformerBlock
from chainrule.nn.module import Mismatch

from .arrays import Torch, array_of, copied_to_torch

PROJECTIONS = ("query", "key", "value")
BLOCK = {"attention": "self_attn", "mlp.0": "linear1", "mlp.2": "linear2", "norm1": "norm1", "norm2": "norm2"}
"""The parts of a `TransformerBlock`, and their names in a `TransformerEncoderLayer`."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before each name."""


class WeightLayout(NamedTuple):
    """How PyTorch stores some of our arrays: `into` merges them into one array, `back` splits it again."""

    into: Callable[..., Any]
    back: Callable[[Any], Sequence[Any]]


def _thirds(x: Any) -> list[Any]:
    """Cut an array, or a tensor of PyTorch, into three along its first axis."""
    size = x.shape[0] // 3
    return [x[k * size : (k + 1) * size] for k in range(3)]


def _joined(pairs: Any) -> Any:
    return np.ascontiguousarray(pairs).view(np.result_type(pairs.dtype, np.complex64))[..., 0]


def _paired(x: Any) -> tuple[Any]:
    return (np.stack([np.real(x), np.imag(x)], axis=-1),)


SAME = WeightLayout(lambda x: x, lambda x: (x,))
TRANSPOSED = WeightLayout(lambda x: x.T, lambda x: (x.T,))
STACKED = WeightLayout(lambda *xs: np.concatenate(xs), _thirds)
STACKED_TRANSPOSED = WeightLayout(
    lambda *xs: np.concatenate([x.T for x in xs]), lambda x: [part.T for part in _thirds(x)]
)
PAIRS = WeightLayout(_joined, _paired)
"""A complex parameter, which is two real numbers for each here."""
COUNT = WeightLayout(lambda: np.zeros((), np.int64), lambda x: ())  # noqa: ARG005
"""The batches that a normalisation has seen, which only PyTorch's `momentum=None` reads."""


class StateName(NamedTuple):
    """One of PyTorch's names: what it corresponds to here, by name and value, and its layout."""

    theirs: str
    ours: tuple[str, ...]
    values: tuple[Any, ...]
    layout: WeightLayout


def entries(module: Module, theirs: str = "", ours: str = "") -> Iterator[StateName]:
    """Yield all parameters and persistent buffers of a model, shared ones repeatedly."""
    if isinstance(module, MultiheadAttention):
        yield from _attention_entries(module, theirs, ours)
        return
    kept = [*module._parameters.items(), *((n, b) for n, b in module._buffers.items() if n not in module._transient)]
    for name, value in kept:
        yield StateName(theirs + name, (ours + name,), (value,), _layout_of(module, name))
    if isinstance(module, BatchNorm1d):
        yield StateName(f"{theirs}num_batches_tracked", (), (), COUNT)
    if isinstance(module, TransformerBlock):
        for name, their_name in BLOCK.items():
            yield from entries(reached(module, name), f"{theirs}{their_name}.", f"{ours}{name}.")
        return
    for name, child in module.named_children():
        yield from entries(child, f"{theirs}{name}.", f"{ours}{name}.")


def _layout_of(module: Module, name: str) -> WeightLayout:
    if name in getattr(module, "pairs", ()):
        return PAIRS
    turned = isinstance(module, Linear | RNN | LSTM | GRU) and name.startswith("weight")
    return TRANSPOSED if turned else SAME


def _attention_entries(module: MultiheadAttention, theirs: str, ours: str) -> Iterator[StateName]:
    for name, layout in (("weight", STACKED_TRANSPOSED), ("bias", STACKED)):
        values = tuple(getattr(getattr(module, part), name) for part in PROJECTIONS)
        if all(value is not None for value in values):
            names = tuple(f"{ours}{part}.{name}" for part in PROJECTIONS)
            yield StateName(f"{theirs}in_proj_{name}", names, values, layout)
    yield from entries(module.output, f"{theirs}out_proj.", f"{ours}output.")


def reached(module: Any, path: str) -> Any:
    """Return what is at the end of a path of attributes, as `layers.0.weight`."""
    for name in path.split("."):
        module = getattr(module, name)
    return module


def array_in_torch(entry: StateName) -> Any:
    """Return the values as one array in PyTorch's layout."""
    return entry.layout.into(*map(value_of, entry.values))


def state_dict(model: Module) -> dict[str, Torch]:
    """Return copies of all parameters and buffers of a chainrule model as the state dict of PyTorch's.

    It is what `load_state_dict` of the same network in PyTorch takes: names, layout and dtypes are PyTorch's, for every
    layer that both have. Modules of your own keep the names of their attributes, and their own arrays as they are.

    >>> import torch
    >>> from chainrule import nn
    >>> {name: tuple(t.shape) for name, t in state_dict(nn.Linear(4, 3)).items()}
    {'weight': (3, 4), 'bias': (3,)}
    """
    needed("torch", "state_dict")
    _check_model("state_dict", model)
    return {
        entry.theirs: copied_to_torch(f"state_dict: {entry.theirs}", array_in_torch(entry)) for entry in entries(model)
    }


def load_state_dict(model: Module, state: Mapping[str, Torch], strict: bool = True) -> Mismatch:
    """Load a PyTorch state dict into a chainrule model, in place; all of it or nothing.

    It is the inverse of `state_dict`. Values may be on any device and of any floating dtype, and are rounded to the
    dtype of the parameter they are written to. Without `strict`, names that only one side has are skipped and returned.

    Raises ValueError for missing or unexpected names, a wrong shape, or two values for one shared parameter; TypeError
    for values that are not tensors. In these cases nothing has been written.

    >>> import torch
    >>> from chainrule import nn
    >>> theirs, ours = torch.nn.Linear(4, 3), nn.Linear(4, 3)
    >>> load_state_dict(ours, theirs.state_dict())
    Mismatch(missing=[], unexpected=[])
    >>> bool((ours.weight.numpy().T == theirs.weight.detach().numpy()).all())
    True
    """
    torch = needed("torch", "load_state_dict")
    _check_model("load_state_dict", model)
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: expected a dict of tensors, got {type(state).__name__}")
    known = {entry.theirs: entry for entry in entries(model)}
    missing = [name for name, entry in known.items() if name not in state and entry.ours]
    mismatch = Mismatch(missing, [name for name in state if name not in known])
    if strict and any(mismatch):
        raise ValueError(f"load_state_dict: {_told(mismatch)}")
    new: dict[str, Any] = {}
    names: dict[int, str] = {}
    for name, entry in known.items():
        if name in state and entry.ours:
            parts = entry.layout.back(_checked(torch, name, state[name], entry))
            for path, value, part in zip(entry.ours, entry.values, parts, strict=True):
                first = names.setdefault(id(value), path)
                if first in new and not np.array_equal(new[first], part, equal_nan=True):
                    raise ValueError(f"load_state_dict: {first} and {path} are one parameter, but got two values")
                new[first] = part
    model.load_state_dict(new, strict=False)
    return mismatch


def _check_model(what: str, model: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"{what}: expected a module of chainrule.nn, got {type(model).__name__}")


def _told(mismatch: Mismatch) -> str:
    parts = [f"{kind} {', '.join(names)}" for kind, names in mismatch._asdict().items() if names]
    for prefix in WRAPPERS:
        if mismatch.unexpected and all(name.startswith(prefix) for name in mismatch.unexpected):
            parts.append(f"the names begin with {prefix!r}, which a wrapper adds: take the state dict of what is in it")
            return "; ".join(parts)
    return "; ".join([*parts, "pass strict=False to load the rest"])


def _checked(torch: Any, name: str, value: Any, entry: StateName) -> Any:
    """Return a value of a state dict as an array of the expected shape."""
    if not isinstance(value, torch.Tensor):
        step = f"; pass its {name!r}" if isinstance(value, Mapping) else ""
        raise TypeError(f"load_state_dict: {name}: expected a tensor, got {type(value).__name__}{step}")
    value = value.detach().cpu()
    array = array_of(f"load_state_dict: {name}", value.float() if value.dtype is torch.bfloat16 else value)
    wanted = list(array_in_torch(entry).shape)
    if list(array.shape) != wanted:
        raise ValueError(f"load_state_dict: {name}: expected shape {wanted}, got {list(array.shape)}")
    return array
