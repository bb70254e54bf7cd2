"""`Function`: an operation with a forward and a backward pass of the user's own."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import MissingRuleError
from chainrule.core.operands.written import Written, is_heard, tell
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import captured_in, is_captured
from chainrule.core.traces.forward import Forward, match
from chainrule.core.traces.node import Item
from chainrule.core.traces.tape import Tape, record
from chainrule.core.transforms.derivatives import no_grad

from ..face import Tensor, is_recording, unwrapped, wrapped


class NoForwardMode(MissingRuleError, RuntimeError):
    """A function has no `jvp`: a RuntimeError, as in PyTorch, and for chainrule a rule that is missing."""


class FunctionCtx:
    """What the forward pass of a `Function` leaves for its backward pass; attributes may be added freely."""

    saved: tuple[Any, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True
    non_differentiable: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for the backward pass."""
        self.saved = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors that were kept."""
        return self.saved

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Declare outputs as constants."""
        self.non_differentiable = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """Declare inputs as changed in place."""
        self.dirty = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """Pass None instead of zeros for outputs that have no gradient."""
        self.materialize_grads = value


class Function:
    """An operation defined by static methods: `forward(ctx, *args)` and `backward(ctx, *grads)`; call `apply(*args)`.

    As in PyTorch, `forward(*args)` with `setup_context(ctx, inputs, output)` works as well.

    >>> import chainrule.torch as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * grad
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    generate_vmap_rule: ClassVar[bool] = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise RuntimeError("Function: define forward(ctx, *args) as a static method")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep what the backward pass needs, if `forward` has no `ctx`."""

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the gradient of each argument; every subclass defines its own."""
        raise RuntimeError("Function: define backward(ctx, *grads) as a static method")

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Return the tangent of each output, given those of the arguments (None: zero), for forward mode."""
        raise NoForwardMode("Function: for forward mode, define jvp(ctx, *tangents) as a static method")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operation, and record it."""
        return cls._applied(args, kwargs)[0]

    @classmethod
    def _applied(cls, args: Any, kwargs: Any) -> tuple[Any, FunctionCtx]:
        """Return the result and the context."""
        if (forward := _forward_trace(args)) is not None:
            return _pushed(cls, forward, args, kwargs)
        links, trace = _links(cls.__name__, args)
        result, ctx = _ran(cls, tuple(link is not None for link in links), args, kwargs)
        if is_heard():
            tell(_written(cls, args, kwargs))
        if trace is None or not any(ctx.needs_input_grad):
            return result, ctx
        outputs = result if isinstance(result, tuple) else (result,)
        found = _recorded(cls, ctx, links, trace, args, outputs)
        return found if isinstance(result, tuple) else found[0], ctx


def _ran(cls: Any, needed: tuple[bool, ...], args: Any, kwargs: Any) -> tuple[Any, FunctionCtx]:
    """Run the forward pass alone, and return its result and the context."""
    ctx = FunctionCtx()
    ctx.needs_input_grad = needed
    with no_grad():
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *args, **kwargs), ctx
        result = cls.forward(*args, **kwargs)
        cls.setup_context(ctx, args, result)
    return result, ctx


def _written(cls: Any, args: Any, kwargs: Any) -> Written:
    """Return a call with both passes on plain arrays, for who wants to check them."""
    mine = [isinstance(x, Tensor) for x in args]

    def ran(values: Sequence[Any]) -> tuple[list[Any], FunctionCtx]:
        given = [wrapped(x) if own else x for x, own in zip(values, mine, strict=True)]
        needed = tuple(own and np.asarray(x).dtype.kind in "fc" for x, own in zip(values, mine, strict=True))
        result, ctx = _ran(cls, needed, given, kwargs)
        return [_plain(y) for y in (result if isinstance(result, tuple) else (result,))], ctx

    def pull(rule: Any, values: Sequence[Any], y_bars: Sequence[Any]) -> list[Any]:
        with no_grad():
            found = rule(ran(values)[1], *map(wrapped, y_bars))
        found = found if isinstance(found, tuple) else (found,)
        return [None if x is None else _plain(x) for x in found]

    names = list(signature(cls.forward).parameters)[int(cls.setup_context is Function.setup_context) :]
    names = names if len(names) >= len(args) else [f"args[{k}]" for k in range(len(args))]
    values = tuple(_plain(x) for x in args)
    return Written(cls.__name__, tuple(names[: len(args)]), values, cls.backward, lambda a: ran(a)[0], pull)


def _plain(x: Any) -> Any:
    return np.array(value_of(unwrapped(x))) if isinstance(x, Tensor) else x


def _links(name: str, args: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the node of each argument with a gradient, and their tape."""
    boxes = [unwrapped(x) if isinstance(x, Tensor) else None for x in args]
    traced = [x for x in boxes if isinstance(x, Engine) and x.requires_grad]
    if not traced or not is_recording():
        return [None] * len(args), None
    levels = {x._trace.level for x in traced}
    trace = max((x._trace for x in traced), key=lambda one: one.level)
    if len(levels) > 1 or not isinstance(trace, Tape) or any(map(_is_nested, traced)):
        raise RuntimeError(
            f"{name}: a Function is differentiated in one transform at a time; use chainrule.custom in nested ones"
        )
    return [x._link if isinstance(x, Engine) and x._trace is trace else None for x in boxes], trace


def _is_nested(x: Engine) -> bool:
    """Whether the value in a tensor's box is another transform's; a capture's is as an array."""
    return isinstance(x._value, Engine) and captured_in(x._value) is not x._value


def _forward_trace(args: Sequence[Any]) -> Any:
    """Return the forward trace of the innermost arguments, or None if they are of another trace."""
    traces = [x._x._trace for x in args if isinstance(x, Tensor) and isinstance(x._x, Engine)]
    last = max(traces, key=lambda trace: trace.level, default=None)
    return last if isinstance(last, Forward) else None


def _pushed(cls: Any, trace: Any, args: Any, kwargs: Any) -> tuple[Any, FunctionCtx]:
    """Run a function on values with tangents: forward on the values, then `jvp` on the tangents."""
    mine = [isinstance(x, Tensor) and isinstance(x._x, Engine) and x._x._trace is trace for x in args]
    values = [wrapped(x._x._value) if own else x for x, own in zip(args, mine, strict=True)]
    links = [x._x._link if own else None for x, own in zip(args, mine, strict=True)]
    result, ctx = cls._applied(values, kwargs)
    outputs = result if isinstance(result, tuple) else (result,)
    dots = [None] * len(outputs)
    if any(link is not None for link in links):
        found = cls.jvp(ctx, *(None if link is None else wrapped(link) for link in links))
        dots = [None if dot is None else unwrapped(dot) for dot in (found if isinstance(found, tuple) else (found,))]
    boxed = tuple(
        wrapped(Engine(y._x, trace, None if dot is None else match(dot, y._x.shape, y._x.dtype)))
        if isinstance(y, Tensor)
        else y
        for y, dot in zip(outputs, dots, strict=True)
    )
    return boxed if isinstance(result, tuple) else boxed[0], ctx


class _Recorded:
    """The record of one call, as a node of the tape refers to it."""

    kind = "custom"
    arguments = ("x",)
    adjoints = ()
    residuals = ()
    composite = None
    variadic, several, keeps, foreign, reopens = True, True, (), False, True
    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, function: Any, ctx: FunctionCtx, links: list[Any], shapes: Any) -> None:
        self.name, self.function, self.ctx, self.links, self.shapes = function.__name__, function, ctx, links, shapes

    def pull(self, y_bars: Any, saved: Any, settings: Any) -> list[Any]:
        """Call the user's backward pass."""
        grads = self.function.backward(self.ctx, *map(wrapped, y_bars))
        grads = grads if isinstance(grads, tuple) else (grads,)
        if len(grads) < len(self.links):
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients (expected "
                f"{len(self.links)}, got {len(grads)})"
            )
        found: list[Any] = []
        recorded = any(isinstance(y_bar, Engine) for y_bar in y_bars)
        for link, x_bar in zip(self.links, grads, strict=False):
            if link is None:
                found.append(None)
                continue
            value = np.zeros(link.shape, link.dtype) if x_bar is None else unwrapped(x_bar)
            found.append(value if recorded else _array_of(value))
        return found


def _array_of(x: Any) -> Any:
    """Return the array in a value, or what stands for it in a compiled function."""
    return captured_in(x) if is_captured(x) else np.asarray(value_of(x))


def _recorded(cls: Any, ctx: Any, links: list[Any], trace: Any, args: Any, outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    op = _Recorded(cls, ctx, links, None)
    constant = {id(x) for x in ctx.non_differentiable}
    floats = [y for y in outputs if isinstance(y, Tensor) and y._x.dtype.kind == "f" and id(y) not in constant]
    values = [_array_of(y._x) for y in floats]
    node = record(op, values[0], tuple(links), (), {}, 2)
    node.shape = tuple(y.shape for y in values)
    node.dtype = tuple(y.dtype for y in values)
    made = {
        id(y): wrapped(Engine(value, trace, Item(node, k)))
        for k, (y, value) in enumerate(zip(floats, values, strict=True))
    }
    for x in getattr(ctx, "dirty", ()):
        if id(x) in made:
            x._x = made[id(x)]._x
            made[id(x)] = x
    # A tensor that forward both returned and saved is saved as the output, through which gradients can flow again.
    ctx.saved = tuple(made.get(id(x), x) if all(x is not arg for arg in args) else x for x in ctx.saved)
    return tuple(made.get(id(y), y) for y in outputs)


def once_differentiable(backward: Any) -> Any:
    """Return a backward pass whose result is a constant."""

    def run(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            return backward(ctx, *grads)

    return run
