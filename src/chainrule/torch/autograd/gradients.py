"""`backward` and `grad`: gradients of tensors with respect to the leaves, or to any tensors of the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError, VmapError
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.again import differentiable, gradients_at
from chainrule.core.traces.capturing import running
from chainrule.core.traces.node import Leaf, Node
from chainrule.core.traces.reverse import gradients
from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.mapped import is_mapped

from ..face import Tensor, wrapped
from .hooks import followed

Tensors = Tensor | Sequence[Tensor]


def _listed(x: Any) -> list[Any]:
    return [x] if isinstance(x, Tensor) or x is None else list(x)


def _seeds(tensors: list[Any], cotangents: list[Any], what: str) -> list[tuple[Node, Any]]:
    """Return the nodes of outputs with their cotangents, checked."""
    if len(cotangents) != len(tensors):
        raise RuntimeError(f"{what}: got {len(cotangents)} gradients for {len(tensors)} tensors")
    seeds = []
    for y, y_bar in zip(tensors, cotangents, strict=True):
        x = y._x
        if not isinstance(x, Engine) or x._link is None:
            if isinstance(x, Engine) and x.requires_grad:
                raise RuntimeError(f"{what}: inside torch.func or chainrule.grad, return the value instead")
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if x._trace is not EAGER:
            raise RuntimeError(f"{what}: inside torch.func or chainrule.grad, return the value instead")
        if y_bar is None:
            if y.numel() != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs; this one has shape {list(x.shape)}: "
                    f"reduce it with .sum() or .mean(), or pass gradient="
                )
            seeds.append((x._link, np.ones(x.shape, x.dtype)))
            continue
        y_bar = y_bar if isinstance(y_bar, Tensor) else wrapped(np.asarray(y_bar, x.dtype))
        if y_bar.shape != y.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output has a shape of {y_bar.shape} and output has a shape of {y.shape}."
            )
        seeds.append((x._link, turned(y_bar._x)))
    return seeds


def _values(seeds: list[tuple[Node, Any]]) -> list[tuple[Node, Any]]:
    return [(node, np.array(value_of(y_bar)).astype(node.dtype)) for node, y_bar in seeds]


def turned(x: Any) -> Any:
    """Return a complex gradient in the other convention: PyTorch's is the conjugate of the engine's."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def backward(
    tensors: Tensors,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of tensors to the `grad` of the leaves that they depend on, or of `inputs` only.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward(x * x)
    >>> x.grad
    tensor(6.)
    """
    ys = _listed(tensors)
    seeds = _seeds(ys, _listed(grad_tensors) if grad_tensors is not None else [None] * len(ys), "backward")
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is not None or create_graph:
        xs = _listed(inputs) if inputs is not None else [wrapped(Engine(None, EAGER, leaf)) for leaf in _leaves(seeds)]
        links = [x._x._link for x in xs]
        found = _found(seeds, links, keep, create_graph)
        pairs = [(link, found[link.order]) for link in links if link.order in found]
    else:
        pairs = list(gradients(_values(seeds), free=not keep).items())
    for link, x_bar in pairs:
        before = getattr(link, "grad", None)
        if isinstance(x_bar, Engine) and x_bar._trace.level >= EAGER.level:
            link.grad = x_bar if before is None else before + x_bar
        elif before is None:  # in a capture a box on the tape, too, or a write into the gradient would be lost
            link.grad = Engine(x_bar if isinstance(x_bar, Engine) else np.array(x_bar), EAGER, None)
        elif running.capture is not None:
            link.grad = Engine(before._value + x_bar, EAGER, None)
        else:
            before[...] = before + x_bar
    for leaf in list(followed.values()):
        if any(leaf._x._link is link for link, _ in pairs):
            for hook in list(vars(leaf)["_after"].values()):
                hook(leaf)


def _leaves(seeds: list[tuple[Node, Any]]) -> list[Leaf]:
    """Return the leaves of a graph."""
    found: dict[int, Leaf] = {}
    waiting, seen = [node for node, _ in seeds], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Leaf):
            found[node.order] = node
        waiting += [parent for parent in node.parents if parent is not None]
    return list(found.values())


def _found(seeds: list[tuple[Node, Any]], links: list[Any], keep: bool, create_graph: bool) -> dict[int, Any]:
    mapped = any(is_mapped(y) for _, y in seeds)  # the cotangents of all rows of a `vmap`, in one pass
    if not create_graph and not mapped:
        return gradients_at(_values(seeds), links, free=not keep)
    tensors = [(node, y if isinstance(y, Engine) else Engine(y, EAGER, None)) for node, y in seeds]
    if create_graph:
        return differentiable(tensors, links)
    try:
        return {order: x_bar.detach() for order, x_bar in differentiable(tensors, links).items()}
    except GradientError as error:  # an operation has no rule for that, and the rows are taken one by one
        raise VmapError(f"grad: {error}") from error


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of outputs with respect to inputs, which may be any tensors of the graph.

    With `create_graph` they can be differentiated again.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> (first,) = torch.autograd.grad(x**3, x, create_graph=True)
    >>> torch.autograd.grad(first, x)
    (tensor(12.),)
    """
    if is_grads_batched:
        return _batched(
            outputs, inputs, _listed(grad_outputs), retain_graph, create_graph, allow_unused, materialize_grads
        )
    ys, xs = _listed(outputs), _listed(inputs)
    seeds = _seeds(ys, _listed(grad_outputs) if grad_outputs is not None else [None] * len(ys), "grad")
    for k, x in enumerate(xs):
        if not x.requires_grad:
            raise RuntimeError(f"One of the differentiated Tensors does not require grad: input {k}")
    links = [x._x._link for x in xs]
    keep = create_graph if retain_graph is None else retain_graph
    found = _found(seeds, links, keep, create_graph)
    result = []
    for k, (x, link) in enumerate(zip(xs, links, strict=True)):
        x_bar = found.get(link.order)
        if x_bar is None:
            if materialize_grads:
                x_bar = np.zeros(x.shape, x._x.dtype)
            elif not allow_unused:
                raise RuntimeError(
                    f"One of the differentiated Tensors appears to not have been used in the graph: input {k}. Set "
                    f"allow_unused=True if this is the desired behavior."
                )
        result.append(
            None if x_bar is None else wrapped(turned(x_bar if isinstance(x_bar, Engine) else np.array(x_bar)))
        )
    return tuple(result)


def _batched(
    outputs: Tensors,
    inputs: Tensors,
    batches: list[Any],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    materialize_grads: bool,
) -> tuple[Any, ...]:
    """Return the gradients for each row of cotangents, stacked: a backward pass for each."""
    lengths = {len(one) for one in batches if one is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise RuntimeError(f"grad: is_grads_batched: expected grad_outputs of one length, got {sorted(lengths)}")
    (count,) = lengths
    keep = create_graph if retain_graph is None else retain_graph
    rows = [
        grad(
            outputs,
            inputs,
            [None if one is None else one[k] for one in batches],
            keep or k < count - 1,
            create_graph,
            allow_unused,
            materialize_grads=materialize_grads,
        )
        for k in range(count)
    ]
    columns = zip(*rows, strict=True)
    return tuple(None if column[0] is None else wrapped(np.stack([x._x for x in column])) for column in columns)


def _method(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradient of this tensor to the `grad` of each leaf, or of `inputs` only."""
    backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)


setattr(Tensor, "backward", _method)  # noqa: B010
