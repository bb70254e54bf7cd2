"""`compile`: a function that is captured at its first call, and replayed at the later ones."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.capturing import observed, running
from chainrule.core.changes import changes, tick
from chainrule.core.errors import CaptureError, GradientError, InPlaceError
from chainrule.core.node import Item, Leaf
from chainrule.core.tape import EAGER, modes
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten, unflatten

from .capture import Capture, Captured
from .differentiated import Pullback, pending
from .guards import Guards, Variables
from .plan import Plan
from .program import Value

LIMIT = 16
"""How many plans one function may have before it says that something changes at each call."""


def compile(f: Callable[..., Any]) -> "Compiled":
    """Return `f` as a function that is captured once and then replayed, without Python's work in between.

    `f` may do whatever a training step does: compute, call `loss.backward()`, clip gradients, step an optimiser and a
    schedule, drop out, move running averages. The first call with arguments of certain shapes and dtypes runs `f` once
    to see what it does, without changing anything, makes a plan of it, and replays that; later calls replay it at
    once. Arrays and tensors among the arguments (also in tuples, lists, dicts) may change from call to call; numbers,
    strings and other objects belong to what is fixed: another value makes another plan.

    Results are arrays of their own, equal to those of `f` to rounding, and equal to each other bit for bit with the
    same seed and number of threads. Gradients that `f` leaves in `.grad` are buffers that the next call overwrites.
    Arguments are copied in: writing into one inside `f` does not change the caller's array.

    Raises CaptureError where `f` does what a replay would not repeat: branches on a value of an array, turns it into a
    Python number, prints it, changes an attribute of a module; it says at which line, and what to do instead.

    `compiled.plans` are the plans by what they were made for; `print(compiled.plan)` shows the last one, and
    `compiled.plan.profile()` the time of each of its lines.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> from chainrule import nn, optim
    >>> cr.seed(0)
    >>> model, loss = nn.Linear(3, 1), nn.MSELoss()
    >>> optimizer = optim.Adam(model.parameters(), lr=0.1)
    >>> @cr.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     value = loss(model(x), y)
    ...     value.backward()
    ...     optimizer.step()
    ...     return value
    >>> x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    >>> losses = [float(step(x, x[:, :1])) for _ in range(300)]
    >>> losses[-1] < 1e-3 * losses[0]
    True
    """
    return Compiled(f)


class Compiled:
    """What `compile` returns: call it like the function it was made of."""

    def __init__(self, f: Callable[..., Any]) -> None:
        if not callable(f):
            raise TypeError(f"compile: expected a function, got {type(f).__name__}")
        self.function = f
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__ = f.__doc__
        self.plans: dict[Any, list[_Replay]] = {}
        self._last: _Replay | None = None
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Replay the plan for such arguments, after making it where there is none."""
        if running.capture is not None or observed.blocks:
            return self.function(*args, **kwargs)
        with self._lock:
            last = self._last
            if last is not None and not kwargs and last.fits(args) and last.guards.hold():
                return last.run(args, None)
            call = _Call(args, kwargs)
            if call.is_traced:
                return self.function(*args, **kwargs)
            for replay in self.plans.get(call.key, ()):
                if replay.guards.hold():
                    self._last = replay
                    return replay.run(None, call)
            replay = self._captured(call)
            self._last = replay
            return replay.run(None, call)

    def _captured(self, call: "_Call") -> "_Replay":
        if sum(map(len, self.plans.values())) >= LIMIT:
            raise CaptureError(
                f"compile: {self.__name__} has been captured {LIMIT} times, so something changes at every call: "
                f"{self._what_changes(call)}. Pass what changes as an array (np.asarray(value)), give all batches one "
                f"shape, or call clear() and go on"
            )
        replay = _Replay(self.function, call)
        # A plan whose guards failed for such arguments may fit again: training and evaluation alternate.
        self.plans.setdefault(call.key, []).append(replay)
        return replay

    def _what_changes(self, call: "_Call") -> str:
        if len(self.plans) == 1:
            return "the arguments are alike, so it is a variable, a module's mode or attribute, or a frozen parameter"
        keys = list(self.plans)
        pairs = zip(keys[-1].leaves, call.key.leaves, strict=False)
        different = [f"argument leaf {k} ({new})" for k, (old, new) in enumerate(pairs) if old != new]
        return different[0] if different else "the arguments' structure"

    @property
    def plan(self) -> Plan:
        """The plan that was used last; a CaptureError before the first call."""
        if self._last is None:
            raise CaptureError("compile: there is no plan before the first call")
        return self._last.plan

    def clear(self) -> None:
        """Forget all plans; the next call captures anew."""
        with self._lock:
            self.plans.clear()
            self._last = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        count = sum(map(len, self.plans.values()))
        return f"<compiled {self.__name__}: {count} plan{'s' * (count != 1)}>"

    def __getattr__(self, name: str) -> Any:
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)


class _Key:
    """What a plan was made for: the structure of the arguments, shapes and dtypes, and the fixed ones."""

    def __init__(self, structure: Any, leaves: tuple[Any, ...]) -> None:
        self.structure, self.leaves = structure, leaves

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.leaves == other.leaves and self.structure == other.structure

    def __hash__(self) -> int:
        return hash(self.leaves)


class _Call:
    """The arguments of one call, taken apart."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        # Modules and optimisers are passed on as they are: only containers are taken apart.
        parts = [_taken_apart(x) for x in (*args, *kwargs.values())]
        self.leaves = [leaf for leaves, _ in parts for leaf in leaves]
        self.structures = [structure for _, structure in parts]
        self.counts = [len(leaves) for leaves, _ in parts]
        described = tuple(map(_described, self.leaves))
        structure = (len(args), tuple(kwargs), tuple(self.structures), modes.floor > EAGER.level)
        self.key = _Key(structure, described)
        self.is_traced = any(map(_is_traced, self.leaves))

    def rebuilt(self, leaves: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with other leaves."""
        rest, made = iter(leaves), []
        for structure, count in zip(self.structures, self.counts, strict=True):
            mine = [next(rest) for _ in range(count)]
            made.append(mine[0] if structure is None else unflatten(structure, mine))
        return made[: len(self.args)], dict(zip(self.kwargs, made[len(self.args) :], strict=True))


def _taken_apart(x: Any) -> tuple[list[Any], Any]:
    return flatten(x) if isinstance(x, tuple | list | dict) else ([x], None)


def _is_traced(x: Any) -> bool:
    """Whether a value belongs to a transform that is running, or is more than an array: then `f` itself runs."""
    if isinstance(x, Tensor):
        return x._trace is not EAGER or isinstance(x._value, Tensor)
    return isinstance(x, np.ndarray) and type(x) is not np.ndarray


def is_data(x: Any) -> bool:
    """Whether an argument may change from call to call."""
    if isinstance(x, Tensor):
        return not isinstance(x._link, Leaf)
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fiub"


def _described(x: Any) -> Any:
    if is_data(x):
        return ("array", x.shape, x.dtype, isinstance(x, Tensor), getattr(x, "requires_grad", False))
    if isinstance(x, int | float | bool | str | bytes | type(None)):
        return ("fixed", type(x), x)
    return ("object", type(x), _Same(x))


class _Same:
    """An object that equals itself alone, and is kept alive."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)

    def __repr__(self) -> str:
        return type(self.x).__name__


class _Replay:
    """A plan with its guards, what goes in and what comes out."""

    def __init__(self, f: Callable[..., Any], call: _Call) -> None:
        self.function = f
        plain = not call.kwargs and all(type(x) is np.ndarray and is_data(x) for x in call.args)
        self.arrays = len(call.args) if plain else -1
        """How many arguments there are, if they are arrays one by one."""
        self.without_grad = modes.floor > EAGER.level
        variables = Variables(f)
        self.capture = capture = Capture(variables.generators)
        values: list[tuple[int, Value]] = []
        boxes: list[Any] = []
        followed: dict[int, Leaf] = {}
        """The leaves that stand for arguments with a gradient."""
        for k, x in enumerate(call.leaves):
            if is_data(x):
                array = x._value if isinstance(x, Tensor) else x
                value = capture.program.value("input", np.array(array))
                values.append((k, value))
                leaf = Leaf(value.shape, value.dtype) if getattr(x, "requires_grad", False) else None
                if leaf is not None:
                    followed[k] = leaf
                boxes.append(Tensor(Captured(value.array, capture, value), EAGER, leaf))
            else:
                boxes.append(x)
        args, kwargs = call.rebuilt(boxes)
        try:
            with capture.watching():
                result = f(*args, **kwargs)
                self.final = [(leaf, leaf.grad) for leaf, _ in capture.grads.values()]
                self.pullback = self._pullback(result, followed)
        finally:
            capture.restore_grads()
        self._outputs(result, [value for k, value in values if isinstance(call.leaves[k], Tensor)])
        program = capture.program
        program.inputs = [value for _, value in values] + [value for _, value in capture.entry_grads]
        if self.pullback is not None:
            program.inputs += self.pullback.cotangents
        grads = {leaf: _value_in(grad) for leaf, grad in self.final}
        program.outputs = [v for v in (*self.results, *grads.values()) if isinstance(v, Value)]
        program.outputs += self.pullback.gradients if self.pullback is not None else []
        self.plan = Plan(program, self._current)
        self.plan.final_grads = {leaf for leaf, grad in self.final if grad is not None}
        self.guards = Guards(capture, self.plan, variables)
        self._bind(values, grads)

    def _pullback(self, result: Any, followed: dict[int, Leaf]) -> Pullback | None:
        outputs = flatten(result)[0]
        self.differentiable = pending(outputs)
        self.followed = list(followed)
        if not self.differentiable:
            return None
        self.places = [k for k, y in enumerate(outputs) if any(y is one for one in self.differentiable)]
        name = getattr(self.function, "__name__", type(self.function).__name__)
        made = Pullback(name, self.capture, self.differentiable, [*followed.values()])
        made.replay = self
        self.token = 0
        return made

    def _outputs(self, result: Any, given: Sequence[Value]) -> None:
        """Note what goes out, and what of it is a tensor: what comes from one among the arguments or outside."""
        leaves, self.structure = flatten(result)
        program = self.capture.program
        arrays = {id(array) for _, array, _ in self.capture.tensors.values()}
        tensors = {*given, *self.capture.made}
        for i in program.instructions:
            states = (v for v in i.inputs if v.kind == "state" and id(v.array) in arrays)
            if any(v in tensors for v in i.inputs) or any(True for _ in states):
                tensors.update(i.outputs)
        self.results: list[Any] = []
        self.kinds: list[bool] = []
        for y in leaves:
            if isinstance(y, Tensor) and y._trace.level > 0:
                raise CaptureError("compile: the function returned a value of a transform that is still running")
            value = _value_in(y)
            self.results.append(y if value is None else value)
            self.kinds.append(value in tensors or (value is not None and id(value.array) in arrays))

    def _current(self, state: Value) -> Any:
        for tensor, array, _ in self.capture.tensors.values():
            if array is state.array:
                return tensor._value
        return state.array

    def _bind(self, values: list[tuple[int, Value]], grads: dict[Any, Value | None]) -> None:
        buffer = self.plan.buffers
        self.input_buffers = [(k, buffer[value]) for k, value in values]
        self.entry = [(leaf, buffer[value]) for leaf, value in self.capture.entry_grads]
        self.grads = []
        for leaf, grad in self.final:
            value = grads[leaf]
            if value is not None:
                grad = Tensor(self._array_of(value), EAGER, None)
            self.grads.append((leaf, grad))
        self.sources = [
            (self._array_of(y) if isinstance(y, Value) else y, isinstance(y, Value), wraps)
            for y, wraps in zip(self.results, self.kinds, strict=True)
        ]
        self.one = len(self.sources) == 1 and _is_leaf(self.structure)
        if self.pullback is not None:
            self.plan.cut(self.pullback.barrier)
        # The capture's boxes and examples have done their work.
        self.plan.program.forget_examples()

    def _array_of(self, value: Value) -> Any:
        """Return where a value of the capture is found after a replay."""
        value = self.plan.program.now(value)
        if value in self.plan.buffers:
            return self.plan.buffers[value]
        assert value.kind in ("constant", "state"), value
        return self._current(value)

    def fits(self, args: tuple[Any, ...]) -> bool:
        """Whether positional arguments are the arrays that this plan was made for, seen quickly."""
        if len(args) != self.arrays or (modes.floor > EAGER.level) is not self.without_grad:
            return False
        for x, (_, buffer) in zip(args, self.input_buffers, strict=True):
            if type(x) is not np.ndarray or x.dtype is not buffer.dtype or x.shape != buffer.shape:
                return False
        return True

    def run(self, args: tuple[Any, ...] | None, call: _Call | None) -> Any:
        """Replay."""
        if args is None:
            assert call is not None
            args = tuple(call.leaves)
        for k, buffer in self.input_buffers:
            x = args[k]
            buffer[...] = x._value if isinstance(x, Tensor) else x
        for leaf, buffer in self.entry:
            grad = leaf.grad._value
            if grad is not buffer:
                buffer[...] = grad
        try:
            self.plan.run()
        except (ValueError, IndexError, TypeError):
            # Something that this plan took for granted is not so. If nothing has happened yet, the function itself
            # does what is right, or says what is wrong.
            if self.plan.has_acted:
                raise
            rebuilt = (args, {}) if call is None else call.rebuilt(list(args))
            return self.function(*rebuilt[0], **rebuilt[1])
        for leaf, grad in self.grads:
            leaf.grad = grad
        found = [_given(*source) for source in self.sources]
        if self.pullback is not None:
            self._link(found, args)
        return found[0] if self.one else unflatten(self.structure, found)

    def _link(self, found: list[Any], args: tuple[Any, ...]) -> None:
        """Put the call on the eager tape."""
        assert self.pullback is not None
        self.token = tick()
        outputs = [found[k] for k in self.places]
        shapes, dtypes = [y.shape for y in outputs], [y.dtype for y in outputs]
        node = self.pullback.node([args[k]._link for k in self.followed], shapes, dtypes, self.token)
        for index, y in enumerate(outputs):
            y._link = Item(node, index)

    def run_backward(self, y_bar: Sequence[Any], token: int) -> tuple[Any, ...]:
        """Replay the backward pass of the last call."""
        assert self.pullback is not None
        if token != self.token:
            raise GradientError(
                f"backward: {self.pullback.name} has been called again since, and the values of this call are gone; "
                f"call backward() before the next call, or compile the whole step, backward pass included"
            )
        buffers = self.plan.buffers
        for value, part in zip(self.pullback.cotangents, y_bar, strict=True):
            buffers[value][...] = part
        self._check_unchanged(token)
        self.plan.run_rest()
        return tuple(np.array(self._array_of(value)) for value in self.pullback.gradients)

    def _check_unchanged(self, token: int) -> None:
        """Raise where a parameter was changed in place since the forward pass, as the eager tape would."""
        assert self.pullback is not None
        if changes.last <= token:
            return
        for tensor, _, link in self.capture.tensors.values():
            since = link.changed > token if isinstance(link, Leaf) else changes.since(token, tensor._value)
            if since:
                raise InPlaceError(
                    f"backward: {tensor.name or 'a tensor'} was changed in place after {self.pullback.name} had used "
                    f"it; change it after the backward pass"
                )


def _value_in(y: Any) -> Value | None:
    from chainrule.core.capturing import captured_in

    box = captured_in(y)
    return None if box is None else box._link


def _is_leaf(structure: Any) -> bool:
    return structure.num_nodes == 1 and structure.num_leaves == 1  # type: ignore[no-any-return]


def _given(source: Any, copies: bool, wraps: bool) -> Any:
    """Return an output: a copy of its buffer, as a tensor where the function would have returned one."""
    if not copies:
        return source
    array = np.array(source)
    return Tensor(array, EAGER, None) if wraps else array
