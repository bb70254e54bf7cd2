"""`Replay`: a plan bound to a function's inputs, outputs and gradients."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import CoroutineType
from typing import Any

import numpy as np

from chainrule.base.asking import asking
from chainrule.base.threads import others_run
from chainrule.core.errors import CaptureError, GradientError, InPlaceError
from chainrule.core.memory.changes import changes, tick
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in
from chainrule.core.traces.modes import modes
from chainrule.core.traces.node import Item, Leaf
from chainrule.core.traces.tape import ARRAYS, EAGER
from chainrule.core.transforms.values import is_tensor
from chainrule.core.tree import opened
from chainrule.rules.arrays.layout import in_layout

from .capture.arguments import CallArguments, is_data, takes_any_names
from .capture.capture import Capture, Disturbed
from .capture.captured import Captured
from .capture.contents import is_unchanged, restore
from .capture.guards import Guards
from .capture.looked import watched
from .capture.modules import ModuleState
from .capture.numbers import Number
from .capture.watch import Watch
from .capture.written import overlap, write_back, written_into
from .differentiated import Pullback, pending
from .opening import opening
from .plan.plan import Plan
from .program.program import Value
from .quick import Quick, never, quick
from .walk import Walk, walk_of


class OtherLayout(Exception):
    """A function that asks where elements lie in memory was captured with a copy whose elements lie elsewhere."""


class Replay:
    """A plan with its guards, inputs and outputs."""

    def __init__(self, f: Callable[..., Any], call: CallArguments) -> None:
        self.function = f
        others = [(k, x) for k, x in enumerate(call.leaves) if not (type(x) is np.ndarray and is_data(x))]
        self.fixed = [(k, x) for k, x in others if k not in call.numbers]
        """The leaves of the arguments that have to stay the same, by their places."""
        self.has_names = bool(call.kwargs)
        """Whether some arguments have names: what takes arguments as one tuple then has them as a dict at its end."""
        plain = all(_is_told_apart(x) for _, x in self.fixed)
        self.opening = opening(call.args, call.leaves, call.kwargs, takes_any_names(f)) if plain else None
        """Where the leaves are, if each of them is an array, or a number or text."""
        are_leaves = not call.kwargs and all(structure is None for structure in call.structures)
        self.is_flat = self.opening is not None and are_leaves
        self.without_grad = modes.floor > EAGER.level
        named = [one for k, one in enumerate(zip(call.names(f), call.leaves, strict=True)) if k not in call.numbers]
        # While it captures, a variable holds what stands for its number or generator: no other thread must see that.
        alone = not others_run()
        numbers = call.numbers if alone else frozenset[Any]()
        watch = Watch(f, [(name, x) for name, x in named if not is_data(x)], numbers)
        self.capture = capture = Capture(watch.reach.generators)
        capture.numbers.refused = call.refused
        for module, _ in watch.reach.modules.values():
            capture.modules[id(module)] = ModuleState(module, watch.reach.names, watch.numbers)
        values: list[tuple[int, Value]] = []
        boxes: list[Any] = []
        followed: dict[int, Leaf] = {}
        """The leaves that stand for arguments with a gradient."""
        for k, x in enumerate(call.leaves):
            if is_data(x):
                array = x._value if isinstance(x, Tensor) else x
                value = capture.program.value("input", in_layout(array) if call.is_laid else np.array(array))
                values.append((k, value))
                leaf = Leaf(value.shape, value.dtype) if getattr(x, "requires_grad", False) else None
                if leaf is not None:
                    followed[k] = leaf
                held = array if isinstance(array, np.generic) else value.array
                boxes.append(Tensor(Captured(held, capture, value), EAGER if isinstance(x, Tensor) else ARRAYS, leaf))
            elif k in call.numbers:
                boxes.append(capture.numbers.argument(k, x))
            else:
                boxes.append(capture.draws.argument(x) if alone else x)
        args, kwargs = call.rebuilt(boxes)
        is_whole = False
        try:
            looked = watched(watch.reach.reads, capture.looks_at, capture.refuses_write)
            drawing = capture.draws.placed(watch.reach.reads if alone else None)
            with capture.watching(), looked, capture.numbers.placed(watch.numbers), drawing:
                for array in watch.reach.unwatched():
                    capture.looks_at(array)
                result = f(*args, **kwargs)
                if capture.refusal is not None:
                    raise capture.refusal
                self.final = capture.changed_grads()
                self.pullback = self._pullback(result, followed)
            self._check_unchanged_outside(watch)
            self.layouts = _layouts(call, values) if capture.layout_matters else []
            """The arguments whose elements have to lie in memory as they do now, with their strides."""
            self.written = written_into(call, boxes, values, args, kwargs)
            """The places of the arguments that the function writes into, with what it leaves there."""
            if self.written and self.pullback is not None:
                raise CaptureError(
                    "compile: the function wrote into an argument, and its result is differentiated from outside; "
                    "write into a copy, or compile the backward pass as well"
                )
            self._outputs(result)
            is_whole = True
        except Disturbed:
            call.counted = watch.changed_numbers()
            raise
        finally:
            capture.restore_grads()
            if not is_whole:
                alone = not others_run()
                watch.restore(alone)
                for state in capture.modules.values() if alone else ():
                    state.restore()
                for array, before in capture.looked if alone else ():
                    if not is_unchanged(array, before):
                        restore(array, before)
        program = capture.program
        capture.keep_constants()
        grads = {leaf: _value_in(grad) for leaf, grad in self.final}
        program.outputs = [v for v in (*self.results, *grads.values()) if isinstance(v, Value)]
        program.outputs += self.pullback.gradients if self.pullback is not None else []
        program.outputs += [v for _, x in self.written if (v := _value_in(x)) is not None]
        used = {*program.outputs, *(v for i in program.instructions for v in i.inputs)}
        program.inputs = [v for _, v in values] + [v for v in capture.numbers.inputs if v in used]
        program.inputs += [v for _, v in capture.entry_grads if v in used]
        if self.pullback is not None:
            program.inputs += self.pullback.cotangents
        self.plan = Plan(program, self._current, self.pullback.barrier if self.pullback is not None else None)
        for array in program.relied:
            capture.relies_on(array)
        self.plan.final_grads = {leaf for leaf, grad in self.final if grad is not None}
        self.guards = Guards(capture, self.plan, watch, modules=list(capture.modules.values()))
        self._bind(values, grads)

    def _pullback(self, result: Any, followed: dict[int, Leaf]) -> Pullback | None:
        outputs = opened(result)[0]
        self.differentiable = pending(outputs)
        self.followed = list(followed)
        if not self.differentiable:
            return None
        self.places = [k for k, y in enumerate(outputs) if any(y is one for one in self.differentiable)]
        name = getattr(self.function, "__name__", type(self.function).__name__)
        before = [y for y in (*outputs, *(grad for _, grad in self.final)) if captured_in(y) is not None]
        made = Pullback(name, self.capture, self.differentiable, [*followed.values()], before)
        made.replay = self
        self.token = 0
        return made

    def _check_unchanged_outside(self, watch: Watch) -> None:
        """Raise if the function changed a variable outside itself, which a replay would not repeat."""
        if (path := watch.changed()) is not None:
            raise Disturbed(
                f"compile: {path} was changed by the function while it was captured: a replay runs no Python code and "
                f"would not repeat it; return the new value, or keep that part outside of the compiled function"
            )
        if not all(is_unchanged(array, before) for array, before in self.capture.looked):
            raise Disturbed(
                "compile: the function wrote into an array from outside of it while it was captured, which a replay "
                "would not repeat; return the new values, or keep them in a module's buffer (register_buffer)"
            )

    def _outputs(self, result: Any) -> None:
        """Record the outputs, and which of them are tensors."""
        leaves, self.joined = opened(result)
        self.results: list[Any] = []
        self.kinds: list[bool] = []
        for y in leaves:
            if isinstance(y, Tensor) and y._trace.level > 0:
                raise CaptureError("compile: the function returned a value of a transform that is still running")
            value = _value_in(y)
            if value is None and type(y) is Number:
                y._value.refuse()
            if isinstance(y, Iterator | Awaitable):
                if isinstance(y, CoroutineType):
                    y.close()  # or Python warns that it has never been awaited
                raise CaptureError(
                    f"compile: the function returned a {type(y).__name__}, which runs later, and only once; return a "
                    f"list or a tuple of what it makes, or compile what is called in it"
                )
            self.results.append(y if value is None else value)
            self.kinds.append(is_tensor(y))

    def _current(self, state: Value) -> Any:
        for tensor, array, _ in self.capture.tensors.values():
            if array is state.array:
                return tensor._value
        return state.array

    def _bind(self, values: list[tuple[int, Value]], grads: dict[Any, Value | None]) -> None:
        buffer = self.plan.buffers
        self.input_buffers = [(k, buffer[value]) for k, value in values]
        self.fill = self.capture.numbers.filling(buffer)
        self.settle = self.capture.numbers.settle if self.capture.numbers.counted else None
        self.drawn = self.capture.draws.made
        self.entry = [(leaf, buffer[value]) for leaf, value in self.capture.entry_grads if value in buffer]
        self._bind_grads(grads)
        self.sources = [self._source(y, wraps) for y, wraps in zip(self.results, self.kinds, strict=True)]
        self.left = [(k, self._source_of(x)) for k, x in self.written]
        self.one = self.joined is None
        self.fits = self._quick_check()
        self.quick: Quick = never
        """The same as one function, once the plan has run."""
        self._is_known = False
        self._walk: Any = None
        # The capture's boxes and examples are no longer needed.
        self.plan.program.forget_examples()

    def _source_of(self, x: Any) -> Any:
        value = _value_in(x)
        return x._value if value is None else self._array_of(value)

    def _source(self, y: Any, wraps: bool) -> tuple[Any, bool, bool]:
        """Return where a result is after a replay, whether to copy it, and whether it is a tensor."""
        if isinstance(y, Value):
            return self._array_of(y), True, wraps
        if isinstance(y, Tensor) and y._link is None and id(y) not in self.capture.tensors:
            return y, True, wraps  # the tensor itself: one from outside gets a new array when it is written to
        return y, isinstance(y, np.ndarray), False

    def _bind_grads(self, values: dict[Any, Value | None]) -> None:
        """Give each gradient that the function changes its own array, which is `.grad` after a replay."""
        self.grads: list[tuple[Leaf, Tensor | None, Any]] = []
        self.copied: list[tuple[Any, Any]] = []
        """Gradients without a buffer of their own, such as constants, and where each replay copies them."""
        taken: list[Any] = []
        for leaf, grad in self.final:
            value, array = values[leaf], None
            if grad is not None:
                array = grad._value if value is None else self._array_of(value)
                is_own = value is not None and self.plan.program.now(value).kind == "result"
                if not is_own or not array.flags.writeable or any(np.may_share_memory(array, x) for x in taken):
                    mine = np.empty(array.shape, array.dtype)
                    self.copied.append((mine, array))
                    array = mine
                taken.append(array)
                grad = Tensor(array, EAGER, None)
            self.grads.append((leaf, grad, array))

    def _array_of(self, value: Value) -> Any:
        """Return where a value of the capture is after a replay."""
        value = self.plan.program.now(value)
        if value in self.plan.buffers:
            return self.plan.buffers[value]
        assert value.kind in ("constant", "state"), value
        return self._current(value)

    def _quick_check(self) -> Callable[[tuple[Any, ...]], bool]:
        """Return the function that says whether positional arguments are arrays that this plan was made for."""
        if not self.is_flat:
            return lambda _: False
        assert self.opening is not None
        space: dict[str, Any] = {"modes": modes, "ndarray": np.ndarray}
        parts = [*self.opening.conditions, f"(modes.floor > {EAGER.level}) is {self.without_grad}"]
        for k, buffer in self.input_buffers:
            space |= {f"d{k}": buffer.dtype, f"s{k}": buffer.shape}
            parts += [f"type(args[{k}]) is ndarray", f"args[{k}].dtype is d{k}", f"args[{k}].shape == s{k}"]
        parts += self.same(space, "args")
        return asking(parts, space, "args")

    def same(self, space: dict[str, Any], leaves: str) -> list[str]:
        """Return the conditions on which leaves, in a sequence of that name, are those that have to stay the same."""
        space |= {f"x{k}": x for k, x in self.fixed} | {f"k{k}": type(x) for k, x in self.fixed}
        space |= {f"l{k}": strides for k, strides in self.layouts}
        laid = [f"{leaves}[{k}].strides == l{k}" for k, _ in self.layouts]
        return [f"type({leaves}[{k}]) is k{k} and {leaves}[{k}] == x{k}" for k, _ in self.fixed] + laid

    def suits(self, leaves: Sequence[Any]) -> bool:
        """Whether the plan holds, also for arguments that lie in memory as these do."""
        return all(leaves[k].strides == strides for k, strides in self.layouts) and self.guards.hold(leaves)

    def run(self, args: tuple[Any, ...] | None, call: CallArguments | None) -> Any:
        """Replay."""
        if args is None:
            assert call is not None
            args = tuple(call.leaves)
        if not self.fill(args) or (self.written and self._overlaps(args)):
            return self._by_function(args, call)
        for k, buffer in self.input_buffers:
            x = args[k]
            buffer[...] = x._value if isinstance(x, Tensor) else x
        for leaf, buffer in self.entry:
            grad = leaf.grad._value
            if grad is not buffer:
                buffer[...] = grad
        return self.finished(args, call, self.plan.run)

    def _overlaps(self, args: tuple[Any, ...]) -> bool:
        """Whether an argument that is written into shares memory with another, or with an array that the plan reads."""
        read = [array for value, array in self.plan.buffers.items() if value.kind in ("state", "constant")]
        return overlap(args, [k for k, _ in self.written], [*read, *(array for array, _ in self.capture.looked)])

    def finished(self, args: tuple[Any, ...], call: CallArguments | None, run: Callable[[], object]) -> Any:
        """Run the plan, whose inputs are in their buffers, and return the results."""
        try:
            run()
        except (ValueError, IndexError, TypeError):
            # An assumption of this plan does not hold. If nothing has been changed yet, the function itself does the
            # right thing or raises the right error.
            if self.plan.has_acted:
                self.drawn.clear()
                raise
            for leaf, buffer in self.entry:  # which may have been overwritten by then
                leaf.grad._value[...] = buffer
            return self._by_function(args, call)
        self.drawn.clear()
        if self.settle is not None:
            self.settle()
        self.leave_grads()
        for k, values in self.left:
            write_back(args[k], values)
        if not self._is_known:
            self._is_known, self.quick = True, quick(self)
        if self.one and self.pullback is None:
            return _given(*self.sources[0])
        found = [_given(*source) for source in self.sources]
        if self.pullback is not None:
            self._link(found, args)
        return found[0] if self.joined is None else self.joined(found)

    def _by_function(self, args: tuple[Any, ...], call: CallArguments | None) -> Any:
        if not self.drawn or others_run():
            self.drawn.clear()
            named = (args[:-1], args[-1]) if self.has_names else (args, {})
            rebuilt = named if call is None else call.rebuilt(list(args))
            return self.function(*rebuilt[0], **rebuilt[1])
        with self.capture.draws.given_again(self.guards.watch.reach.reads, args) as leaves:
            rebuilt = (leaves, {}) if call is None else call.rebuilt(leaves)
            return self.function(*rebuilt[0], **rebuilt[1])

    def leave_grads(self) -> None:
        """Let the leaves have the gradients of this replay."""
        for place, array in self.copied:
            place[...] = array
        for leaf, grad, array in self.grads:
            # A write into it, which a program may have done in between, gives it another array.
            leaf.grad = grad if grad is None or grad._value is array else Tensor(array, EAGER, None)

    def walk(self, arrays: Sequence[Any], longest: int) -> Walk | None:
        """Return the walk over rows of arrays, the same one for the same arrays."""
        if self._walk is None or any(a is not b for a, b in zip(self._walk[0], arrays, strict=True)):
            self._walk = (arrays, walk_of(self, arrays, longest))
        walk: Walk | None = self._walk[1]
        return walk

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
        """Raise if a parameter was changed in place since the forward pass, as the eager tape would."""
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


def _layouts(call: CallArguments, values: Sequence[tuple[int, Value]]) -> list[tuple[int, tuple[int, ...]]]:
    """Return the places and strides of the arrays among the arguments; raise where the capture had other ones."""
    found = [(k, value, call.leaves[k].strides) for k, value in values if value.ndim]
    if any(value.array.strides != strides for _, value, strides in found):
        if not call.is_laid:
            raise OtherLayout
        raise CaptureError(
            "compile: the function asks where the elements of an argument lie in memory, and no copy of it can lie so; "
            "pass a copy, np.array(x)"
        )
    return [(k, strides) for k, _, strides in found]


def _is_told_apart(x: Any) -> bool:
    """Whether `==` tells a value from every other one of its type: not so 0.0 from −0.0."""
    return type(x) in (int, bool, str, type(None)) or (type(x) is float and x != 0 and x == x)


def _value_in(y: Any) -> Value | None:
    box = captured_in(y)
    return None if box is None else box._link


def _given(source: Any, copies: bool, wraps: bool) -> Any:
    """Return an output: a copy of its buffer, as a tensor if the function would have returned one."""
    if not copies:
        return source
    if isinstance(source, Tensor):
        source = source._value
    array = source.copy("K") if type(source) is np.ndarray else np.array(source)
    return Tensor(array, EAGER, None) if wraps else array
