"""The subject of a derivation: a model with its data and loss, or a function, run once on a recording tape."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import CellType
from typing import Any

import numpy as np

from chainrule.base.optional import is_of_torch
from chainrule.base.provenance import users_line
from chainrule.core.errors import GradientError
from chainrule.core.operands.faces import opened
from chainrule.core.random import default_generator
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.tree import flatten, paths, unflatten
from chainrule.explain.derive.recorder import DoubleRecorder
from chainrule.nn.module import Module
from chainrule.observe.backward import pull_back
from chainrule.observe.entry import Entry

from .lifting import Reach

HOW = (
    "pass its loss and target: cr.explain(model, x, loss=nn.CrossEntropyLoss(), target=y), or --loss and --target on "
    "the command line"
)


@dataclass(frozen=True)
class Recording:
    """One run: every entry in order, the loss, what the model returned, and the target.

    `modules` are those of the model, or those that a function reached; `weights` their parameters. `names` maps the id
    of each tensor that was reached to its name.
    """

    title: str
    entries: Sequence[Entry]
    loss: Entry
    output: Entry | None
    inside_target: Any
    modules: dict[str, str]
    caller: tuple[str, int]
    visible: Sequence[tuple[str, Any]] = ()
    weights: frozenset[Entry] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)
    goal: Entry | None = None
    chosen: bool = True
    """Whether the arguments with gradients were chosen, by `argnums` or by `requires_grad`: they are parameters."""

    def name_of_constant(self, x: Any) -> str:
        """Return the name that the function's code has for an array that it uses, or an empty string."""
        while x is not None:
            found = next((name for name, value in self.visible if value is x), "")
            if found:
                return found
            x = getattr(x, "base", None)
        return ""

    @property
    def parameters(self) -> list[Entry]:
        """The leaves whose gradients are requested."""
        return [e for e in self.entries if e.is_leaf and e.is_parameter]


def calling_line() -> tuple[str, int]:
    """Return the user's line that called into this package; it names no value of the computation."""
    source = users_line()
    return source.file, source.line


def record(
    subject: Any,
    args: Sequence[Any],
    loss: Any,
    target: Any,
    argnums: Any,
    caller: tuple[str, int],
    finite: bool = True,
    tape: DoubleRecorder | None = None,
) -> Recording:
    """Run the subject once and backpropagate the gradient of its loss through everything it did.

    The computation runs on copies in float64, so that a deviation is an error and not rounding; the model, its buffers
    and the default generator are left unchanged. `tape`, a fresh recorder, may put other values on itself. If the loss
    need not be `finite`, it need not carry a gradient either: that is what is asked about.
    """
    subject, args, loss, target = opened(subject, args, loss, target)
    if not callable(subject):
        raise TypeError(
            f"explain: expected a model or a function, got {type(subject).__name__}; "
            f"for a tensor that is a loss already, pass the function that computes it"
        )
    if is_of_torch(subject):
        name = type(subject).__name__
        raise TypeError(
            f"explain: {name} is a PyTorch module; convert it with an example of its inputs: "
            "model = chainrule.interop.torch.from_torch(model, x), and pass arrays"
        )
    if loss is not None and not callable(loss):
        raise TypeError(f"explain: loss: expected a function of (output, target), got {type(loss).__name__}")
    if loss is None and target is not None:
        raise ValueError("explain: got a target but no loss; pass loss=nn.CrossEntropyLoss() or another one")
    state = default_generator().bit_generator.state
    try:
        recording = _run(tape or DoubleRecorder(), subject, args, loss, target, argnums, caller, finite)
    finally:
        default_generator().bit_generator.state = state
    if finite and not np.isfinite(recording.loss.value):
        raise ValueError(
            f"explain: the loss is {float(recording.loss.value)}, so it has no derivative; "
            f"cr.explain_grad(name, …) says which operation made it so"
        )
    return recording


def _run(
    tape: DoubleRecorder,
    subject: Any,
    args: Sequence[Any],
    loss: Any,
    target: Any,
    argnums: Any,
    caller: tuple[str, int],
    tracked: bool,
) -> Recording:
    reach = Reach(tape.enter)
    is_model = isinstance(subject, Module)
    if not is_model:
        inputs = _traced_arguments(tape, reach, subject, args, argnums, wanted=True)
    reach.root = subject
    function = reach.subject(subject)
    weights = _named_weights(tape, reach)
    if is_model:
        inputs = _traced_arguments(tape, reach, subject, args, argnums, wanted=False)
    criterion = reach.subject(loss)
    for path, _, twin in reach.paths():
        twin.__dict__["forward"] = tape.announced(path, twin)
    try:
        output = function(*inputs)
    except TypeError as error:
        if is_model and not args:
            raise TypeError(
                f"explain: the model {subject._class_name()} needs data: cr.explain(model, x, …)"
            ) from error
        raise
    wanted, shown, inside, goal = output, output, _double(target), None
    if loss is not None:
        goal = _box(tape, inside, "y")
        wanted = _called(criterion, output, goal, target)
    last = _scalar(tape, wanted, subject._class_name() if is_model else _name(subject), loss is None, tracked)
    pull_back(tape.entries, last)
    result = tape.entry_of(shown)
    output_entry = result if loss is not None and isinstance(result, Entry) else None
    title = subject._class_name() if is_model else _name(subject)
    entries, idle = (tape.entries, []) if is_model else _without_unused(tape, reach)
    used = frozenset(weights.values()) & frozenset(entries)
    modules = {path: f"{m._class_name()}({m.extra_repr()})" for path, m, twin in reach.paths() if twin not in idle}
    names = {key: tape.entry_of(box).name for key, box in reach.boxes.items()}
    visible = [*_visible(function), *_integers(subject, inputs), *tape.named]
    target_entry = tape.entry_of(goal) if isinstance(goal, Tensor) else None
    aim = target_entry if isinstance(target_entry, Entry) else None
    chosen = argnums is not None or _explicit(args)
    return Recording(title, entries, last, output_entry, inside, modules, caller, visible, used, names, aim, chosen)


def _named_weights(tape: DoubleRecorder, reach: Reach) -> dict[str, Entry]:
    """Name each parameter of the modules that were reached by its path, and return them by name."""
    found: dict[str, Entry] = {}
    for path, _, twin in reach.paths():
        for name, box in twin._parameters.items():
            entry = tape.entry_of(box)
            if isinstance(entry, Entry) and entry not in found.values():
                entry.name = f"{path}.{name}" if path else name
                found[entry.name] = entry
    return found


def _without_unused(tape: DoubleRecorder, reach: Reach) -> tuple[list[Entry], list[Module]]:
    """Return the entries without tensors that were reached but not used, and the modules with no used parameter."""
    used = {x for entry in tape.entries for x in entry.inputs if isinstance(x, Entry)}
    found = {tape.entry_of(box) for box in reach.boxes.values()}
    idle: list[Module] = []
    for _, _, twin in reach.modules:
        own = {entry for p in twin.parameters() if isinstance(entry := tape.entry_of(p), Entry)}
        idle += [] if own & used else twin.modules()
        used |= own if own & used else set()
    return [entry for entry in tape.entries if entry in used or entry not in found], idle


def _called(loss: Any, output: Any, goal: Any, target: Any) -> Any:
    several = flatten(output)[0] if not isinstance(output, Tensor) else []
    try:
        return loss(output) if target is None else loss(output, goal)
    except (TypeError, ValueError, AttributeError, GradientError) as error:
        if len(several) > 1:
            name = getattr(loss, "__name__", type(loss).__name__)
            raise TypeError(
                f"explain: the loss {name} cannot take what the model returns, {described(output)}; pass one that "
                f"takes the part it needs: loss=lambda output, y: mse_loss(output{paths(output)[0]}, y)  ({error})"
            ) from error
        if target is None and isinstance(error, TypeError):
            raise TypeError(f"explain: the loss needs a target: pass target=…  ({error})") from error
        raise


def described(output: Any) -> str:
    """Describe the parts of a nested result: `a tuple of [0] [3, 4], [1] [1, 4]`."""
    parts = zip(paths(output), flatten(output)[0], strict=True)
    kind = next((kind.__name__ for kind in (dict, list) if isinstance(output, kind)), type(output).__name__)
    return f"a {kind} of " + ", ".join(f"{path} {list(np.shape(value_of(x)))}" for path, x in parts)


def _box(tape: DoubleRecorder, value: Any, name: str) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc":
        return tape.enter(value, name, tracked=False)
    return value


def _scalar(tape: DoubleRecorder, y: Any, title: str, is_bare: bool, tracked: bool) -> Entry:
    """Return the entry of the loss; one that carries no gradient only if it need not be `tracked`."""
    leaves = [y] if isinstance(y, Tensor) else flatten(y)[0]
    if len(leaves) > 1:  # many models return (logits, loss)
        numbers = [x for x in leaves if isinstance(x, Tensor) and x.shape == () and x.requires_grad]
        if len(numbers) != 1:
            count = "none" if not numbers else len(numbers)
            raise TypeError(f"explain: {title} returns {described(y)}, expected one scalar, got {count}; {HOW}")
        leaves = numbers
    y = leaves[0] if leaves else None
    if np.shape(value_of(y)) != ():
        how = HOW if is_bare else "use a loss with reduction='mean'"
        raise ValueError(f"explain: {title} returns shape {np.shape(value_of(y))}, expected a scalar loss; {how}")
    if np.iscomplexobj(value_of(y)):
        raise TypeError(
            f"explain: {title} returns a complex number, expected a real loss; return its real part, y.real (of a "
            "holomorphic function, the gradient of the real part is the derivative), or abs(y)"
        )
    entry = tape.entry_of(y) if isinstance(y, Tensor) and y._trace is tape else None
    if not isinstance(entry, Entry) or (tracked and y._link is None):
        if any(e.is_parameter for e in tape.entries) and not any(e.tracked for e in tape.entries):
            raise ValueError(f"explain: every parameter of {title} is frozen; call requires_grad_(True) on some")
        raise ValueError(
            f"explain: the result of {title} depends on no argument that has a gradient; pass what it depends on as "
            f"arguments (floating arrays), or the model itself: cr.explain(model, x, loss=…, target=…)"
        )
    return entry


# Inputs


def _double(value: Any) -> Any:
    """Return a floating-point array in float64; integers and anything else unchanged."""
    value = value_of(value) if isinstance(value, Tensor) else value
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, list):
        value = np.asarray(value)
    if isinstance(value, float | complex):
        return np.asarray(value)[()]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc":
        return value.astype(np.result_type(value, np.float64))
    return value


def _traced_arguments(
    tape: DoubleRecorder, reach: Reach, subject: Any, args: Sequence[Any], argnums: Any, wanted: bool
) -> list[Any]:
    names = _argument_names(subject, len(args))
    chosen = _chosen(args, argnums, wanted)
    return [
        _traced_tree(tape, reach, names[k], arg, wanted=wanted and chosen(k), explicit=_explicit(args))
        for k, arg in enumerate(args)
    ]


def _explicit(args: Sequence[Any]) -> bool:
    """Whether some argument has `requires_grad` set."""
    return any(isinstance(x, Tensor) and x.requires_grad for x in flatten(list(args))[0])


def _chosen(args: Sequence[Any], argnums: Any, wanted: bool) -> Callable[[int], bool]:
    if argnums is None:
        return lambda _: True
    if not wanted:
        raise ValueError("explain: argnums: a model's gradients are those of its parameters; leave argnums out")
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(-len(args) <= k < len(args) for k in numbers):
        raise ValueError(f"explain: argnums {numbers} is out of range for {len(args)} arguments")
    positions = {k % len(args) for k in numbers}
    return positions.__contains__


def _traced_tree(tape: DoubleRecorder, reach: Reach, name: str, tree: Any, wanted: bool, explicit: bool) -> Any:
    if isinstance(tree, Module) and wanted:
        return reach.lift(tree, name)  # as one that is reached: its parameters have paths, its calls are announced
    if isinstance(tree, float | complex | list):
        tree = _double(tree) if not isinstance(tree, list) or _is_plain(tree) else tree
    leaves, structure = flatten(tree)
    suffixes = paths(tree) if len(leaves) > 1 else [""]
    boxes = []
    for leaf, suffix in zip(leaves, suffixes, strict=True):
        value = _double(leaf)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc":
            tracked = wanted and (not explicit or (isinstance(leaf, Tensor) and leaf.requires_grad))
            label = leaf.name if isinstance(leaf, Tensor) and leaf.name else name + suffix
            boxes.append(tape.enter(value, label, tracked, is_parameter=tracked))
        else:
            boxes.append(reach.lift(value, name + suffix))
    return unflatten(structure, boxes)


def _is_plain(items: list[Any]) -> bool:
    """Whether a list is an array literal, not a list of layers."""
    return bool(items) and all(isinstance(x, int | float) or (isinstance(x, list) and _is_plain(x)) for x in items)


def _argument_names(subject: Any, count: int) -> list[str]:
    try:
        called = subject.forward if isinstance(subject, Module) else subject
        found = list(inspect.signature(called).parameters.values())
    except (TypeError, ValueError):
        found = []
    names = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not names:  # of a module that passes them on; PyTorch calls a layer's argument its input
        known = list(getattr(subject, "argument_names", ()))[:count]
        names = ["x"] if known == ["input"] else known
    names += [f"x{k + 1}" for k in range(len(names), count)]
    return names


def _visible(subject: Any) -> list[tuple[str, Any]]:
    """Return the arrays that a function reads from outside itself, with their names."""
    code = getattr(subject, "__code__", None)
    if code is None:
        return []
    cells = zip(code.co_freevars, subject.__closure__ or (), strict=False)
    found = {name: cell.cell_contents for name, cell in cells if cell != CellType()}
    found |= {name: subject.__globals__[name] for name in code.co_names if name in subject.__globals__}
    return [(name, value) for name, value in found.items() if isinstance(value, np.ndarray)]


def _integers(subject: Any, inputs: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the arguments that are arrays of integers, with their names: a network looks things up with them."""
    named = zip(_argument_names(subject, len(inputs)), inputs, strict=False)
    return [(name, x) for name, x in named if isinstance(x, np.ndarray) and x.dtype.kind in "iu"]


def _name(subject: Any) -> str:
    name = getattr(subject, "__name__", type(subject).__name__)
    return "f" if name == "<lambda>" else name
