"""Changes to a copy of a model, module by module, and the lines of code that show them."""

import difflib
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.doctor.engines.choice import engine_of
from chainrule.doctor.engines.engine import Engine

SATURATING = ("Sigmoid", "Tanh", "Softplus")
ACTIVATIONS = ("ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", *SATURATING)
LINES = 40
"""The most lines of a change to show."""

Replace = Callable[[Any], Any]
"""Returns a replacement for a module, or None to keep it."""


def kinds(engine: Engine, names: Sequence[str]) -> tuple[type, ...]:
    """Return an engine's module classes, by name."""
    return tuple(getattr(engine.nn, name) for name in names)


def replaced(model: Any, change: Replace) -> int:
    """Replace each child module for which `change` returns a module; return how many were replaced."""
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            new = change(child)
            if new is not None and new is not child:
                parent._modules[name] = new
                count += 1
    return count


def activations(model: Any, old: tuple[type, ...], new: Callable[[], Any], last: str = "") -> int:
    """Replace activations of some kinds, except for the one at the path `last`, the model's output."""
    kept = dict(model.named_modules()).get(last) if last else None
    return replaced(model, lambda child: new() if isinstance(child, old) and child is not kept else None)


def initialised(model: Any, name: str, generator: np.random.Generator, zero_bias: bool = True) -> int:
    """Re-initialise every weight with at least two axes, and set biases to zero; embeddings stay."""
    engine, count = engine_of(model), 0
    tables = {id(m.weight) for m in model.modules() if isinstance(m, engine.nn.Embedding)}
    normed = {id(p) for m in model.modules() if hasattr(m, "eps") for p in m._parameters.values()}
    modules = dict(model.named_modules())
    for path, p in model.named_parameters():
        if id(p) in tables or id(p) in normed or not p.requires_grad:
            continue
        if p.ndim >= 2:
            engine.initialise(modules[path.rpartition(".")[0]], p, name, generator)
            count += 1
        elif zero_bias and path.rpartition(".")[2].startswith("b"):
            engine.put(p, np.zeros(p.shape, engine.array(p).dtype))
    return count


def normalised(model: Any) -> int:
    """Put a normalisation after each linear layer that is followed by an activation or called by a custom module."""
    engine, ends = engine_of(model), _last_linear(model)

    def change(child: Any) -> Any:
        if not isinstance(child, engine.nn.Linear) or child is ends or child.out_features < 4:
            return None
        return engine.nn.Sequential(child, engine.layer_norm(child.out_features, child.weight))

    return replaced(model, change)


def residual(model: Any) -> int:
    """Wrap each linear layer with as many outputs as inputs, together with its activation, into a `Residual`.

    The weights of each of n blocks are scaled by 1/√n, so that all branches together add about the variance of one:
    compare Zhang, Dauphin & Ma, "Fixup Initialization" (2019), section 3.
    """
    engine = engine_of(model)
    made: list[Any] = []
    for parent in list(model.modules()):
        if isinstance(parent, engine.nn.Sequential):
            grouped = _grouped(engine, list(parent.children()), made)
            if len(grouped) < len(parent):
                parent.__dict__["_modules"] = {str(k): child for k, child in enumerate(grouped)}
    for block in made:
        for layer in _linears(block):
            engine.put(layer.weight, engine.array(layer.weight) / math.sqrt(len(made)))
    return len(made)


def _grouped(engine: Engine, children: list[Any], made: list[Any]) -> list[Any]:
    """Return a sequence's modules with blocks inserted; new modules are appended to `made`."""
    grouped: list[Any] = []
    while children:
        child = children.pop(0)
        square = isinstance(child, engine.nn.Linear) and child.in_features == child.out_features
        if square and children and isinstance(children[0], kinds(engine, ACTIVATIONS)):
            child = engine.residual(engine.nn.Sequential(child, children.pop(0)))
            made.append(child)
        grouped.append(child)
    return grouped


def removed(model: Any, path: str) -> bool:
    """Remove the module at a path from its `Sequential`, or make it the identity."""
    sequential = engine_of(model).nn.Sequential
    parent_path, _, name = path.rpartition(".")
    parent = dict(model.named_modules()).get(parent_path)
    if parent is None or name not in parent._modules:
        return False
    if isinstance(parent, sequential):
        del parent._modules[name]
    else:
        parent._modules[name] = sequential()
    return True


def renormalised(model: Any, series: Collection[str] = ()) -> int:
    """Replace batch normalisation by normalisation over each sample; `series` are the paths of those of `[B, C, L]`."""
    engine = engine_of(model)
    long = {id(module) for path, module in model.named_modules() if path in series}

    def change(child: Any) -> Any:
        if isinstance(child, engine.nn.BatchNorm2d) or id(child) in long:
            return engine.group_norm(engine.channels(child), child.weight)
        if isinstance(child, engine.nn.BatchNorm1d):
            return engine.layer_norm(engine.channels(child), child.weight)
        return None

    return replaced(model, change)


def _last_linear(model: Any) -> Any:
    return next(reversed(list(_linears(model))), None)


def scaled(model: Any, parameter: str, factor: float) -> None:
    """Multiply a weight and its bias; for queries, this scales the scores."""
    engine, named = engine_of(model), dict(model.named_parameters())
    bias = named.get(f"{parameter.rpartition('.')[0]}.bias")
    for p in (named[parameter], bias):
        if p is not None:
            engine.put(p, engine.array(p) * factor)


# The lines


def code_of(module: Any, init_name: str = "", indent: str = "") -> list[str]:
    r"""Return a model as lines of Python: its modules with their settings.

    >>> from chainrule import nn
    >>> print(*code_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU())), sep="\n")
    nn.Sequential(
        nn.Linear(2, 3),
        nn.ReLU(),
    )
    """
    engine = engine_of(module)
    nn, name = engine.nn, type(module).__name__
    prefix = "nn." if type(module).__module__.startswith(engine.home) else ""
    if isinstance(module, nn.Linear):
        extra = "" if module.bias is not None else ", bias=False"
        return [
            f"{indent}nn.Linear({module.in_features}, {module.out_features}{extra}{engine.init_argument(init_name)})"
        ]
    children = list(module.named_children())
    if not children:
        return [f"{indent}{prefix}{name}({module.extra_repr()})"]
    inner = indent + "    "
    lines = [f"{indent}{prefix}{name}("]
    if isinstance(module, nn.Sequential):
        lines += _repeated([code_of(child, init_name, inner) for _, child in children], inner)
    else:
        for key, child in children:
            own = code_of(child, init_name, inner)
            if not isinstance(module, nn.ModuleList) and not engine.is_residual(module):
                own[0] = f"{inner}{key}={own[0].strip()}"
            lines += [*own[:-1], own[-1] + ","]
    return [*lines, f"{indent})"]


def _repeated(codes: list[list[str]], indent: str) -> list[str]:
    """Return the lines of consecutive modules; one, two or three that repeat become a generator expression."""
    lines: list[str] = []
    while codes:
        period, times = _period(codes)
        later = _period(codes[1:])
        if later[0] * later[1] >= period * times > 0:  # the same shifted by one: start with a layer, not its activation
            times = 0
        if times > 2:
            one = [_in_one_line(code) for code in codes[:period]]
            body = one[0] if period == 1 else f"m for _ in range({times}) for m in ({', '.join(one)})"
            lines.append(f"{indent}*({body}{f' for _ in range({times})' if period == 1 else ''}),")
            codes = codes[period * times :]
        else:
            lines += [*codes[0][:-1], codes[0][-1] + ","]
            codes = codes[1:]
    return lines


def _period(codes: list[list[str]]) -> tuple[int, int]:
    """Return how many of the first modules repeat, and how often: the choice that covers most."""
    found = [(p, _times(codes, p)) for p in (1, 2, 3)]
    return max(found, key=lambda pair: (pair[0] * pair[1], -pair[0]))


def _times(codes: list[list[str]], period: int) -> int:
    """Return how often the first modules repeat in a row; a single occurrence counts as 0."""
    times = 1
    while codes[:period] == codes[times * period : (times + 1) * period] and len(codes) >= (times + 1) * period:
        times += 1
    return times if times > 2 else 0


def _in_one_line(code: list[str]) -> str:
    return " ".join(line.strip() for line in code).replace("( ", "(").replace(", )", ")")


def diff(before: list[str], after: list[str]) -> str:
    """Return the changes as a unified diff without file names; a long one is truncated."""
    lines = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    return "\n".join(lines if len(lines) <= LINES else [*lines[:LINES], f"… {len(lines) - LINES} more lines"])


def model_diff(before: Any, after: Any, init_name: str = "") -> str:
    """Return the diff of two models' code."""
    changed = diff(code_of(before), code_of(after, init_name))
    further = [f"+{line}" for line in engine_of(after).lines_after(after, init_name)]
    return "\n".join([*([changed] if changed else []), *further])


def _linears(model: Any) -> Iterator[Any]:
    """Yield the linear layers."""
    linear = engine_of(model).nn.Linear
    return (m for m in model.modules() if isinstance(m, linear))
