"""Changes to a copy of a model, module by module, and the lines of code that show them."""

import difflib
import math
from collections.abc import Callable, Iterator

import numpy as np

from chainrule import nn
from chainrule.nn import init

SATURATING = (nn.Sigmoid, nn.Tanh, nn.Softplus)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, *SATURATING)
LINES = 40
"""How many lines of a change are shown."""

Replace = Callable[[nn.Module], nn.Module | None]


def replaced(model: nn.Module, change: Replace) -> int:
    """Put what `change` returns in the place of each child module it returns something for; return how many."""
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            new = change(child)
            if new is not None and new is not child:
                parent._modules[name] = new
                count += 1
    return count


def activations(model: nn.Module, old: tuple[type, ...], new: Callable[[], nn.Module], last: str = "") -> int:
    """Replace activations of some kinds, but for the one at the path `last`, the model's output."""
    kept = dict(model.named_modules()).get(last) if last else None
    return replaced(model, lambda child: new() if isinstance(child, old) and child is not kept else None)


def initialised(model: nn.Module, name: str, generator: np.random.Generator, zero_bias: bool = True) -> int:
    """Initialise every weight with at least two axes anew, and set biases to zero; embeddings stay."""
    count = 0
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    normed = {id(p) for m in model.modules() if hasattr(m, "eps") for p in m._parameters.values()}
    for path, p in model.named_parameters():
        if id(p) in tables or id(p) in normed or not p.requires_grad:
            continue
        if p.ndim >= 2:
            init.BY_NAME[name](p, generator=generator)
            count += 1
        elif zero_bias and path.rpartition(".")[2].startswith("b"):
            p.data = np.zeros(p.shape, p.dtype)
    return count


def normalised(model: nn.Module) -> int:
    """Put a normalisation after each linear layer that an activation follows, or that a module of its own calls."""
    ends = _last_linear(model)

    def change(child: nn.Module) -> nn.Module | None:
        if not isinstance(child, nn.Linear) or child is ends or child.out_features < 4:
            return None
        return nn.Sequential(child, nn.LayerNorm(child.out_features, dtype=child.weight.dtype))

    return replaced(model, change)


def residual(model: nn.Module) -> int:
    """Wrap each linear layer with as many outputs as inputs, together with its activation, into a `Residual`.

    Of n blocks each gets weights 1/√n as large, so that the branches together add about the variance of one: compare
    Zhang, Dauphin & Ma, "Fixup Initialization" (2019), section 3.
    """
    made: list[nn.Residual] = []
    for parent in list(model.modules()):
        if isinstance(parent, nn.Sequential):
            grouped = _grouped(list(parent.children()), made)
            if len(grouped) < len(parent):
                parent.__dict__["_modules"] = {str(k): child for k, child in enumerate(grouped)}
    for block in made:
        for layer in linears(block):
            layer.weight.data = layer.weight.numpy() / math.sqrt(len(made))
    return len(made)


def _grouped(children: list[nn.Module], made: list[nn.Residual]) -> list[nn.Module]:
    """Return a sequence's modules with blocks in it; what was made is added to `made`."""
    grouped: list[nn.Module] = []
    while children:
        child = children.pop(0)
        square = isinstance(child, nn.Linear) and child.in_features == child.out_features
        if square and children and isinstance(children[0], ACTIVATIONS):
            child = nn.Residual(nn.Sequential(child, children.pop(0)))
            made.append(child)
        grouped.append(child)
    return grouped


def removed(model: nn.Module, path: str) -> bool:
    """Take the module at a path out of its `Sequential`, or let it pass its input on."""
    parent_path, _, name = path.rpartition(".")
    parent = dict(model.named_modules()).get(parent_path)
    if parent is None or name not in parent._modules:
        return False
    if isinstance(parent, nn.Sequential):
        del parent._modules[name]
    else:
        parent._modules[name] = nn.Sequential()
    return True


def renormalised(model: nn.Module) -> int:
    """Replace batch normalisation by one over each sample."""

    def change(child: nn.Module) -> nn.Module | None:
        if isinstance(child, nn.BatchNorm2d):
            return nn.GroupNorm(1, child.channels)
        if isinstance(child, nn.BatchNorm1d):
            return nn.LayerNorm(child.channels)
        return None

    return replaced(model, change)


def _last_linear(model: nn.Module) -> nn.Module | None:
    found = [m for m in model.modules() if isinstance(m, nn.Linear)]
    return found[-1] if found else None


def scaled(model: nn.Module, parameter: str, factor: float) -> None:
    """Multiply a weight and its bias: of queries, that scales the scores."""
    named = dict(model.named_parameters())
    bias = named.get(f"{parameter.rpartition('.')[0]}.bias")
    for p in (named[parameter], bias):
        if p is not None:
            p.data = p.numpy() * factor


# The lines


def code_of(module: nn.Module, init_name: str = "", indent: str = "") -> list[str]:
    r"""Return a model as lines of Python: its modules, with their settings.

    >>> print(*code_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU())), sep="\n")
    nn.Sequential(
        nn.Linear(2, 3),
        nn.ReLU(),
    )
    """
    name = type(module).__name__
    ours = type(module).__module__.startswith("chainrule.nn")
    if isinstance(module, nn.Linear):
        extra = "" if module.bias is not None else ", bias=False"
        extra += f', init="{init_name}"' if init_name else ""
        return [f"{indent}nn.Linear({module.in_features}, {module.out_features}{extra})"]
    children = list(module.named_children())
    if not children:
        return [f"{indent}{'nn.' if ours else ''}{name}({module.extra_repr()})"]
    inner = indent + "    "
    lines = [f"{indent}{'nn.' if ours else ''}{name}("]
    if isinstance(module, nn.Sequential):
        lines += _repeated([code_of(child, init_name, inner) for _, child in children], inner)
    else:
        for key, child in children:
            own = code_of(child, init_name, inner)
            if not isinstance(module, nn.ModuleList | nn.Residual):
                own[0] = f"{inner}{key}={own[0].strip()}"
            lines += [*own[:-1], own[-1] + ","]
    return [*lines, f"{indent})"]


def _repeated(codes: list[list[str]], indent: str) -> list[str]:
    """Return modules one after the other; one, two or three of them that come again and again as a generator."""
    lines: list[str] = []
    while codes:
        period, times = _period(codes)
        later = _period(codes[1:])
        if later[0] * later[1] >= period * times > 0:  # the same, begun one later: with a layer, not its activation
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
    """Return how many modules come again first, and how often: what covers most."""
    found = [(p, _times(codes, p)) for p in (1, 2, 3)]
    return max(found, key=lambda pair: (pair[0] * pair[1], -pair[0]))


def _times(codes: list[list[str]], period: int) -> int:
    """Return how often the first modules come one after the other; 1 counts for nothing."""
    times = 1
    while codes[:period] == codes[times * period : (times + 1) * period] and len(codes) >= (times + 1) * period:
        times += 1
    return times if times > 2 else 0


def _in_one_line(code: list[str]) -> str:
    return " ".join(line.strip() for line in code).replace("( ", "(").replace(", )", ")")


def diff(before: list[str], after: list[str]) -> str:
    """Return what changed, as a unified diff without file names; a long one is cut."""
    lines = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    return "\n".join(lines if len(lines) <= LINES else [*lines[:LINES], f"… {len(lines) - LINES} more lines"])


def model_diff(before: nn.Module, after: nn.Module, init_name: str = "") -> str:
    """Return how one model's code differs from another's."""
    return diff(code_of(before), code_of(after, init_name))


def linears(model: nn.Module) -> Iterator[nn.Linear]:
    """Yield the linear layers."""
    return (m for m in model.modules() if isinstance(m, nn.Linear))
