"""Simplifications of a program, one function each: what is not needed, what is computed twice, what is two things.

Each takes a program and changes it; what the program computes stays the same to rounding.
"""

import math
from functools import partial
from typing import Any

import numpy as np

from chainrule.kernels.outputs import empty
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.elementary.arithmetic import Add
from chainrule.rules.linalg.matmul import Matmul, rows
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy
from chainrule.rules.network.linear import LinearMap
from chainrule.rules.network.norm import LayerNorm

from .program import Instruction, Program, Value, values_in


def simplify(program: Program) -> None:
    """Apply all of them."""
    split_linear(program)
    drop_casts(program)
    share_common(program)
    drop_unused(program)
    join_cross_entropy(program)
    join_layer_norm(program)
    check_first(program)


def check_first(program: Program) -> None:
    """Look at labels and indices among the arguments before anything is done to the world.

    Where one is not what the plan was made for, the function itself is called, which must find the world as it was.
    """
    before: list[Instruction] = []
    ready = {v for v in program.inputs if v.after is None}
    acts = False
    for i in program.instructions:
        if i.kind == "call" and i.inputs and all(v in ready or v.kind == "constant" for v in i.inputs):
            before.append(i)
            ready.update(i.outputs)
        elif acts and i.name in CLASSES and isinstance(i.args[1], Value) and i.args[1] in ready:
            check = partial(check_range, i.args[0].shape[-1])
            before.append(Instruction("check_classes", "call", check, (i.args[1],), {}, [], source=i.source))
        acts = acts or i.is_fixed
    moved = set(before)
    program.instructions = [*before, *(i for i in program.instructions if i not in moved)]


CLASSES = ("sparse_softmax_cross_entropy", "cross_entropy_and_gradient")
"""What reads classes as its second argument."""


def check_range(count: int, classes: Any) -> None:
    """Raise an IndexError where a class is out of range."""
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise IndexError("cross_entropy: a class is out of range")


def join_layer_norm(program: Program) -> None:
    """Compute the gradients of a layer norm by its input and its two parameters in one pass."""
    groups: dict[Any, list[Instruction]] = {}
    for i in program.instructions:
        if i.name in LAYER_NORM:
            groups.setdefault(_frozen(i.args), []).append(i)
    for group in groups.values():
        if sorted(i.name for i in group) != sorted(LAYER_NORM):
            continue
        outputs = [i.outputs[0] for name in LAYER_NORM for i in group if i.name == name]
        first = group[0]
        made = Instruction("layer_norm_gradients", "call", layer_norm_gradients, first.args, {}, outputs, (0, 1, 2))
        made.source = first.source
        for value in outputs:
            value.maker = made
        place = program.instructions.index(first)
        program.instructions[place] = made
        program.instructions = [i for i in program.instructions if i not in group]


LAYER_NORM = ("LayerNorm.adjoint_x", "LayerNorm.adjoint_gamma", "LayerNorm.adjoint_beta")


def layer_norm_gradients(y_bar: Any, saved: tuple[Any, ...], settings: Any) -> tuple[Any, Any, Any]:  # noqa: ARG001
    """Return the gradients of a layer norm by its input, its weight and its bias."""
    named = dict(zip(LayerNorm.residuals, saved, strict=True))
    gamma, x_hat, sigma = named["gamma"], named["x_hat"], named["sigma"]
    if not suitable(LARGE, y_bar, gamma, x_hat, sigma) or y_bar.shape != x_hat.shape:
        x_bar = LayerNorm.adjoint_x(y_bar, gamma, x_hat, sigma)
        return x_bar, LayerNorm.adjoint_gamma(y_bar, x_hat), LayerNorm.adjoint_beta(y_bar)
    from chainrule.kernels.normalization import layer_norm_backward

    x_bar, gamma_bar, beta_bar = (empty(shape, y_bar.dtype) for shape in (y_bar.shape, gamma.shape, gamma.shape))
    layer_norm_backward(rows(y_bar), gamma, rows(x_hat), sigma.reshape(-1), rows(x_bar), gamma_bar, beta_bar)
    return x_bar, gamma_bar, beta_bar


def join_cross_entropy(program: Program) -> None:
    """Compute a cross-entropy with classes and its gradient in one pass, where the loss's own weight is a constant."""
    users = program.users()
    new: list[Instruction] = []
    skipped: set[Instruction] = set()
    for i in program.instructions:
        if i in skipped:
            continue
        joined = _joined(i, users, program)
        if joined is not None:
            skipped.update(users[i.outputs[1]])
            new.append(joined)
        else:
            new.append(i)
    program.instructions = new


def _joined(i: Instruction, all_users: dict[Value, list[Instruction]], program: Program) -> Instruction | None:
    if i.name != "sparse_softmax_cross_entropy" or len(i.outputs) != 2 or i.outputs[1] in program.outputs:
        return None
    users = all_users.get(i.outputs[1], [])
    if len(users) != 1 or users[0].name != "SparseSoftmaxCrossEntropy.adjoint_z":
        return None
    z, (weights, classes, *_) = i.args[0], values_in(users[0].args)
    plain = weights.kind == "constant" and weights.dtype == z.dtype
    if not plain or z.ndim < 2 or z.dtype not in (np.float32, np.float64) or classes is not i.args[1]:
        return None
    full = program.value("constant", np.ascontiguousarray(weights.array))

    outputs = [i.outputs[0], users[0].outputs[0]]
    args = (z, classes, full)
    made = Instruction("cross_entropy_and_gradient", "op", cross_entropy_and_gradient, args, {}, outputs, (0, 1))
    made.source = i.source
    for value in outputs:
        value.maker = made
    return made


def cross_entropy_and_gradient(z: Any, classes: Any, weights: Any) -> tuple[Any, Any]:
    """Return the losses of rows of scores, and the gradient of their sum by weights."""
    losses, y_hat = SparseSoftmaxCrossEntropy.primal_keeping(z, classes)
    return losses, SparseSoftmaxCrossEntropy.adjoint_z(weights, classes, y_hat)


def example(x: Any) -> Any:
    """Return the array that stands for a value."""
    return x.array if isinstance(x, Value) else x


def applied(program: Program, op: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Instruction:
    """Return an instruction that applies an operation of one output, without adding it to the program."""
    made = Instruction(op.name, "op", op.primal, args, settings, [], op=op)
    with np.errstate(all="ignore"):
        array = op.primal(*map(example, args), **settings)
    made.outputs = [program.value("result", array, made)]
    return made


def split_linear(program: Program) -> None:
    """Make a product and a sum of each linear map: the sum then joins the activation that follows it."""
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    for i in program.instructions:
        if i.op is not LinearMap or i.outputs[0].ndim < 2:
            instructions.append(i)
            continue
        x, w, b = i.args
        steps = []
        if i.outputs[0].ndim > 2:
            steps.append(applied(program, Reshape, (x,), {"shape": (math.prod(x.shape[:-1]), x.shape[-1])}))
            x = steps[-1].outputs[0]
        steps.append(applied(program, Matmul, (x, w), {}))
        if i.outputs[0].ndim > 2:
            steps.append(applied(program, Reshape, (steps[-1].outputs[0],), {"shape": i.outputs[0].shape}))
        steps.append(applied(program, Add, (steps[-1].outputs[0], b), {}))
        for step in steps:
            step.source = i.source
        new[i.outputs[0]] = steps[-1].outputs[0]
        instructions += steps
    program.instructions = instructions
    program.substitute(new)


def drop_casts(program: Program) -> None:
    """Leave out conversions to the dtype that a value has already, and reshapes to its own shape."""
    new = {}
    for i in program.instructions:
        if i.name in ("astype", "reshape", "copy", "positive") and len(i.inputs) == 1 and i.kind == "op":
            old, out = i.inputs[0], i.outputs[0]
            if old.shape == out.shape and old.dtype == out.dtype and old.kind != "state":
                new[out] = old
    program.substitute(new)
    program.instructions = [i for i in program.instructions if not (i.outputs and i.outputs[0] in new)]


def share_common(program: Program) -> None:
    """Compute once what would be computed twice from the same values."""
    seen: dict[Any, Instruction] = {}
    new: dict[Value, Value] = {}
    kept = []
    for i in program.instructions:
        i.substitute(new)
        key = _key(i)
        if key is not None and key in seen:
            new.update(zip(i.outputs, seen[key].outputs, strict=True))
            continue
        if key is not None:
            seen[key] = i
        kept.append(i)
    program.instructions = kept
    program.substitute(new)


def _key(i: Instruction) -> Any:
    """Return what tells a call from others; None where it must not be shared."""
    if i.kind != "op":
        return None
    try:
        key = (i.function, _frozen(i.args), _frozen(i.settings))
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(tree: Any) -> Any:
    if isinstance(tree, tuple | list):
        return tuple(map(_frozen, tree))
    if isinstance(tree, dict):
        return tuple((k, _frozen(v)) for k, v in sorted(tree.items()))
    if isinstance(tree, Value):
        return ("value", tree.number)
    # By its text: 0.0 and -0.0 are equal, and not the same.
    return (type(tree), repr(tree) if isinstance(tree, float | np.floating) else tree)


def drop_unused(program: Program) -> None:
    """Leave out what nobody uses; effects and draws stay."""
    needed = set(program.outputs)
    kept = []
    for i in reversed(program.instructions):
        if i.is_fixed or any(value in needed for value in i.outputs):
            kept.append(i)
            needed.update(i.inputs)
    program.instructions = kept[::-1]
