"""`Capture`: the trace that records what a function does, down to the optimiser's step.

It runs the function once, on the arguments of its first call. Operations are executed, so shapes and dtypes are real;
effects are only recorded, and the random generators are restored. So a capture has no side effects.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from chainrule.base.threads import others_run
from chainrule.compile.program.elements import can_follow
from chainrule.compile.program.program import Instruction, Program, Value, may_be_view
from chainrule.core.errors import CaptureError
from chainrule.core.operation import REGISTRY
from chainrule.core.random import moved, source, stand_ins
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import captured_in, replaced, running
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.running import outside
from chainrule.core.traces.tape import EAGER, Tape, Watched

from .captured import Captured, refuse, user_line
from .contents import content, is_unchanged, memory_of, restore
from .draws import Draws, original
from .looked import Looked, plain
from .modules import ModuleState
from .numbers import CapturedNumber, Numbers


class Capture:
    """The trace of one capture."""

    level = -2
    scan: Callable[..., Any]
    """Returns the result of a `scan`, whose body is captured once; set by `chainrule.compile.scan`."""

    def __init__(self, generators: Mapping[str, Any] | None = None) -> None:
        self.program = Program()
        self.generators = dict(generators or {})
        """Generators that the function can reach: it must not draw from them directly."""
        self.modules: dict[int, ModuleState] = {}
        """Each module that the function reaches or calls, with its state at capture."""
        self.tensors: dict[int, tuple[Tensor, Any, Any]] = {}
        """Each tensor from outside that was used, with its array and its leaf."""
        self.holders: dict[int, tuple[dict[str, Any], str, Any]] = {}
        """Each buffer that was used: its location and the array."""
        self.grads: dict[int, tuple[Leaf, Any]] = {}
        """Each leaf that was used, with its previous gradient."""
        self.entry_grads: list[tuple[Leaf, Value]] = []
        """The previous gradients that the program may read."""
        self.entered: dict[int, tuple[Any, Any]] = {}
        """The placeholder for each leaf's previous gradient during the capture, and the box in it."""
        self.made: list[Value] = []
        """Tensors made inside, by `cr.tensor` or `cr.randn`."""
        self.born: dict[int, Tensor] = {}
        """Tensors made inside of numbers from outside, by `cr.zeros` and the like."""
        self.checks: list[Callable[[], bool]] = []
        """What effects check before each replay: whether they are unchanged."""
        self.refusal: Exception | None = None
        """Why it cannot continue, once that has been raised: the function may have caught it, and gone another way."""
        self.forgotten: set[int] = set()
        self.read_grads: set[int] = set()
        self.looked: list[tuple[Any, Any]] = []
        """Arrays whose values were read, with what was seen."""
        self._looked_at: set[Any] = set()
        self._masks: list[Any] = []
        """Masks whose values are fixed, since they decide on shapes."""
        self._known: set[Value] = set()
        """What is computed from tensors made inside alone: the same values in each call."""
        self._states: dict[int, Captured] = {}
        self._constants: dict[Any, Value] = {}
        self._met: dict[Value, tuple[Any, Any]] = {}
        """The constants that may have been made inside, with what they held when they were met."""
        self._effects: Instruction | None = None
        self._written: list[Any] = []
        """The arrays from outside that effects write to, which still hold what they held before."""
        self.numbers = Numbers(self)
        """The arguments that are Python numbers and may change."""
        self.layout_is_read = self._is_reshaped = self._is_written = False
        self.runs_plain = False
        """Whether code runs on plain arrays that each replay runs again."""
        self.draws = Draws(self.numbers)
        """What the function draws from generators that it finds."""

    # What core.capturing asks of a capture

    def refuse(self, what: str, step: str) -> NoReturn:
        """Raise a CaptureError that names the user's line."""
        refuse(what, step)

    def bears(self, x: Tensor) -> None:
        """Note a tensor that the function made, of an array that no one else has."""
        self.born[id(x)] = x

    def _bore(self, x: Any) -> bool:
        """Whether a tensor was made inside, so that no later call meets it."""
        return id(x) in self.born

    def reads_layout(self, only_if_written: bool) -> None:
        """Note that it matters where elements of arguments lie in memory, perhaps only if one is written into."""
        self._is_reshaped |= only_if_written
        self.layout_is_read |= not only_if_written

    @property
    def layout_matters(self) -> bool:
        """Whether arguments of another memory layout need another plan."""
        return self.layout_is_read or (self._is_reshaped and self._is_written)

    def seen(self, x: Any) -> Any:
        """Return an argument of an operation of the eager tape, in this capture's box if it comes from outside."""
        if not isinstance(x, Tensor) or x._trace is not EAGER or isinstance(x._value, Tensor):
            return x
        if x._link is not None and not isinstance(x._link, Leaf):
            refuse(
                f"the result of {x._link.name}, computed before the function was called, was used",
                "compute it inside, or pass it as an argument",
            )
        if isinstance(x._link, Leaf):
            self._meets(x._link)
        if self._bore(x):
            value = self.state(x._value)._link
            self.made.append(value)
            if value.after is None:
                self._known.add(value)
        else:
            self.tensors.setdefault(id(x), (x, x._value, x._link))
        return Tensor(self.state(x._value), EAGER, x._link)

    def writes(self, x: Tensor) -> None:
        """Prepare for a write into a tensor: none from outside, whose values a replay would not change."""
        self._is_written = True
        if x._trace is not EAGER or isinstance(x._value, Tensor):
            return
        if not self._bore(x):
            refuse(f"{x.name or 'a tensor'} from outside was written into", "write into x.copy(), and return it")
        array = x._value
        x._value = self.call(lambda: np.array(array), ())
        self.made.append(x._value._link)

    def state(self, array: Any, holder: Any = None) -> Any:
        """Box an array that changes between calls."""
        if holder is not None:
            self.holders.setdefault(id(array), (*holder, array))
        key = id(array)
        if key not in self._states:
            value = self.program.value("state", array)
            value.after = self._effects
            self._states[key] = Captured(value.array, self, value)
        return self._states[key]

    def new(self, array: Any) -> Any:
        """Box an array that has just been made, with the same values at each replay."""
        value = self.program.value("constant", array)
        self._known.add(value)
        return Captured(value.array, self, value)

    def picked_from(self, x: Any) -> Any:
        """Return an array from which a captured index picks."""
        return x if isinstance(x, Tensor) else self.state(x)

    def looks(self, box: Any) -> None:
        """Refuse to show the values of a parameter; record a read of a constant, which must then stay unchanged."""
        if type(box) is Looked:
            box.looked_at()
        if not isinstance(box, Tensor):
            return
        if box._trace is not EAGER or isinstance(box._value, Tensor):
            return
        if isinstance(box._link, Leaf):
            refuse(f"the values of {box.name or 'a tensor'} were looked at")
        if not self._bore(box):
            self.tensors.setdefault(id(box), (box, box._value, box._link))
        self.looks_at(box._value)

    def looks_at(self, array: Any) -> None:
        """Record that Python reads an array: the plan holds as long as its content stays the same."""
        if isinstance(array, np.ndarray) and running.capture is self:
            self.relies_on(array)

    def relies_on(self, array: Any) -> None:
        """Record that the plan holds as long as an array's content stays the same.

        Refuses one that is written to at a replay only, and so does not have its new content yet.
        """
        if any(np.may_share_memory(plain(array), written) for written in self._written):
            refuse("the values of an array were looked at after the function had changed it", "look at them first")
        if (key := memory_of(array)) not in self._looked_at:
            self._looked_at.add(key)
            self.looked.append((array, content(array)))

    def refuses_write(self, path: str) -> None:
        """Refuse a write by Python into an array from outside, which a replay would not repeat."""
        if running.capture is self:
            refuse(
                f"the function wrote into {path}, an array from outside of it,",
                "return the new values, or keep them in a module's buffer (register_buffer)",
            )

    def known(self, box: Any) -> Any:
        """Return the values of a box if they are the same in each call, otherwise None."""
        value = box._link if self._effects is None else self._now(box._link)
        return np.array(box.held) if value in self._known else None

    def index(self, part: Any) -> Any:
        """Return an array used as an index; which elements a mask picks is fixed by the capture."""
        array = np.asarray(plain(part) if type(part) is Looked else value_of(part))
        if type(part) is Looked and array.dtype == np.bool_:
            self.looks_at(array)
        if array.dtype == np.bool_:
            self._masks.append(array)
        return array

    def reads_link(self, tensor: Tensor) -> None:
        """Record that Python may branch on whether a tensor from outside has a gradient."""
        link, value = tensor._link, tensor._value if tensor._trace is EAGER else None
        if isinstance(value, np.ndarray) and (link is None or isinstance(link, Leaf)) and not self._bore(tensor):
            self.tensors.setdefault(id(tensor), (tensor, value, link))

    def reads_grad(self, leaf: Leaf) -> None:
        """Record that the gradient of a leaf was read."""
        self._meets(leaf)
        if id(leaf) not in self.forgotten:
            self.read_grads.add(id(leaf))
        box = captured_in(leaf.grad)
        if box is not None:
            self.made.append(box._link)

    def enters(self, module: Any) -> None:
        """Record that a module was called, and what its attributes were."""
        if module._hooks is not None and module._hooks:
            refuse(f"a hook of {type(module).__name__} would be called", "remove the hooks, or do not compile")
        if id(module) not in self.modules:
            self.modules[id(module)] = ModuleState(module)
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator) and value not in self.generators.values():
                self.generators[f"{type(module).__name__}.{name}"] = value

    def forgets(self, tensors: Iterable[Any]) -> None:
        """Record that the gradients of these leaves no longer matter."""
        for tensor in tensors:
            leaf = tensor._link
            if isinstance(leaf, Leaf):
                self._meets(leaf)
                self.forgotten.add(id(leaf))

    def _meets(self, leaf: Leaf) -> None:
        if id(leaf) in self.grads:
            return
        self.grads[id(leaf)] = (leaf, leaf.grad)
        if leaf.grad is not None and captured_in(leaf.grad) is None:
            value = self.program.value("input", leaf.grad._value)
            self.entry_grads.append((leaf, value))
            leaf.grad = Tensor(Captured(value.array, self, value), EAGER, None)
        self.entered[id(leaf)] = leaf.grad, captured_in(leaf.grad)

    def changed_grads(self) -> list[tuple[Leaf, Any]]:
        """Return the leaves whose gradients the function has changed, or written into, with the new gradients."""
        return [
            (leaf, leaf.grad)
            for key, (leaf, _) in self.grads.items()
            if key in self.forgotten
            or leaf.grad is not self.entered[key][0]
            or captured_in(leaf.grad) is not self.entered[key][1]
        ]

    def effect(self, f: Callable[..., Any], args: tuple[Any, ...], writes: Iterable[Any] | None) -> None:
        """Record a call that has side effects."""
        arrays = None if writes is None else tuple(map(self._array_of, writes))
        made = Instruction(_name_of(f), "effect", f, replaced(args, self._reference), {}, [], writes=arrays)
        made.source = user_line()
        self.program.add(made)
        self._effects = made
        self._written += [plain(x) for x in arrays or () if isinstance(x, np.ndarray)]
        if hasattr(f, "holds"):
            self.checks.append(f.holds)
        for key in list(self._states) if arrays is None else map(id, arrays):
            self._states.pop(key, None)

    def assigns(self, tensor: Tensor, value: Any) -> None:
        """Record `tensor.data = value`."""
        self.seen(tensor)
        target = tensor._value

        def write(array: Any) -> None:
            tensor._value[...] = array  # where it is by now: an optimiser's plan has moved it
            tensor.mark_changed()

        write.__name__ = f"write {tensor.name or 'tensor'}"
        if value.shape != tensor.shape:
            raise ValueError(f"data: expected shape {tensor.shape}, the tensor's own, got {value.shape}")
        self.effect(write, (value,), [target])

    def call(self, f: Callable[..., Any], args: Any) -> Any:
        """Call `f` on plain arrays, here and at each replay; return what it returns, in boxes."""
        made = Instruction(_name_of(f), "call", f, replaced(args, self._reference), {}, [])
        with self._plainly():
            result = outside(f, *replaced(args, _held))
        replaced(result, _check_array)
        return self._noted(made, result)

    def follows(self, f: Callable[..., Any], args: Any, settings: Mapping[str, Any]) -> bool:
        """Whether a user's rule may be recorded operation by operation: it does not look at values or shapes."""
        return can_follow(f, replaced(args, _held), settings)

    def draw(self, f: Callable[[], Any], generator: Any, name: str) -> Any:
        """Call `f`, which draws random numbers from a generator (None: the default one), anew at each replay."""
        self.draws.also_by_operations(generator)
        made = Instruction(name, "draw", f, (), {}, [], generator=generator)
        with _put_back(generator, True), self._plainly():
            result = f()
        return self._noted(made, result)

    def change(self, f: Callable[..., Any], boxes: list[Any]) -> tuple[list[Any], Any]:
        """Record a call that changes arrays in place; return boxes of their new values and of what it returns."""
        made = Instruction(_name_of(f), "change", f, tuple(map(self._reference, boxes)), {}, [])
        made.source = user_line()
        with self._plainly():
            result = f(*(np.array(_held(x)) for x in boxes))
        values = [self.program.value("result", _held(x)) for x in boxes]
        made.outputs = list(values)
        if result is not None:
            made.outputs.append(self.program.value("result", result))
        made.structure = None if result is None else len(values)
        self.program.add(made)
        changed = [Captured(v.array, self, v) for v in values]
        returned = None if result is None else Captured(np.asarray(result), self, made.outputs[-1])
        return changed, returned

    def keeping(self, op: Any) -> Callable[..., Any]:
        """Return `op.primal_keeping` as one instruction of the program."""

        def keep(*args: Any, **settings: Any) -> Any:
            return self._run(op, op.primal_keeping, args, settings)

        return keep

    # What dispatch asks of a trace

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to the boxed arrays, and record it."""
        return self._run(op, op.primal, args, settings)

    def _run(self, op: Any, function: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        if op.is_shaped_by_values:
            refuse(f"{op.name} made an array whose shape depends on values", "use np.where(condition, x, 0)")
        draws = op.kind == "constant" and "generator" in settings
        kind = "draw" if draws else "op"
        given, args = args, self.numbers.met(args)
        if args is not given and len(args) == 1:
            (number,) = map(captured_in, given)
            if function(number.held, **settings) is number.held:
                return number  # it stays a Python number
        references = replaced((args, dict(settings)), self._reference)
        generator = original(settings.get("generator"))
        if draws:
            self.draws.also_by_operations(generator)
        # For readers of a plan: a user's operation may have the name of a built-in one.
        name = op.name
        if REGISTRY.get(name) is not op:
            name = f"{name} (own)"
        made = Instruction(name, kind, function, references[0], references[1], [], op=op, generator=generator)
        with _put_back(generator if draws else None, draws), self._plainly():
            result = function(*replaced(args, _held), **replaced(dict(settings), _held))
            if args is not given:
                self.numbers.confirm(result, function(*replaced(given, _held), **settings), given)
        boxed = self._noted(made, result)
        if not draws and self._known.issuperset(made.inputs):
            self._known.update(made.outputs)
        return boxed

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        before, self.runs_plain = self.runs_plain, True
        try:
            with np.errstate(all="ignore"):
                yield
        finally:
            self.runs_plain = before

    def _noted(self, made: Instruction, result: Any) -> Any:
        made.source = user_line()
        boxes: list[Any] = []

        def box(array: Any) -> Any:
            if array is None:
                return None
            value = self.program.value("result", array)
            boxes.append(value)
            return Captured(value.array if value.ndim else array, self, value)

        boxed = replaced(result, box)
        made.outputs = boxes
        places = {id(value): k for k, value in enumerate(boxes)}
        is_one = isinstance(boxed, Captured)
        made.structure = None if is_one else replaced(boxed, lambda x: None if x is None else places[id(x._link)])
        self.program.add(made)
        return boxed

    # References

    def _reference(self, x: Any) -> Any:
        box = captured_in(self.seen(x))
        if box is not None:
            if type(box) is CapturedNumber:
                box.refuse()
            if box._trace is not self:
                refuse(
                    "a value of the body of a scan was used outside of it",
                    "return it from the body, in the carry or as y",
                )
            return box._link if self._effects is None else self._now(box._link)
        if type(x) is Looked and not x.ndim:
            x = x.looked_at()
        if type(x) is np.ndarray and not x.ndim:
            return x[()]  # a number, which may be written into a loop, and which nobody changes
        if isinstance(x, np.ndarray) and x.ndim:
            key = memory_of(x)
            if key in self._constants and not self._is_as_met(self._constants[key]):
                self.keep_constants()  # the function has written into an array that it made: this is another constant
                del self._constants[key]
            if key not in self._constants:
                value = self._constants[key] = self.program.value("constant", plain(x))
                if type(x) is not Looked and x.dtype.kind in "fiubc":
                    self._met[value] = x, content(x)
            if any(x is mask for mask in self._masks):
                self._known.add(self._constants[key])
            return self._constants[key]
        return original(x)

    def _is_as_met(self, value: Value) -> bool:
        return value not in self._met or is_unchanged(*self._met[value])

    def keep_constants(self) -> None:
        """Let each array that the function made and then wrote into be as it was when it was used."""
        for value in [value for value in self._met if not self._is_as_met(value)]:
            array, before = self._met.pop(value)
            value.array = np.array(array)
            restore(value.array, before)

    def _now(self, value: Value) -> Value:
        """Return the value that reads what a value reads after the effects so far: a view shows what was written."""
        if value.kind == "state":
            now: Value = self.state(value.array)._link
            return now
        i = value.maker
        if not may_be_view(i) or not isinstance(i.args[0], Value):
            return value
        (before,) = i.args
        source = self._now(before)
        if source is before or not np.may_share_memory(value.array, before.array):
            return value
        again = Instruction(i.name, i.kind, i.function, (source,), i.settings, [], i.structure, op=i.op)
        again.source = i.source
        again.outputs = [self.program.value("result", out.array) for out in i.outputs]
        self.program.add(again)
        return again.outputs[i.outputs.index(value)]

    def _array_of(self, x: Any) -> Any:
        if isinstance(x, Captured):
            return x.held
        box = captured_in(x)
        return box.held if box is not None else x._value if isinstance(x, Tensor) else x

    # The beginning and the end

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Let this capture see this thread's operations inside the block."""
        generators = dict(self.generators)
        before = {name: generator.bit_generator.state for name, generator in generators.items()}
        global_states = _global_states()
        _watch(+1)
        running.capture = self
        try:
            with stand_ins():
                yield
                names = {id(generator): name for name, generator in self.generators.items()}
                if own := moved():
                    raise _hidden_draw(names.get(id(own[0]), "chainrule's default generator"))
            found = [k for k, g in generators.items() if repr(g.bit_generator.state) != repr(before[k])]
            if _global_states() != global_states:
                found.append("the global generator of random or numpy.random")
            self._check_hidden(found)
        finally:
            running.capture = None
            self.born.clear()
            _watch(-1)
            if not others_run():  # what another thread has drawn must not be drawn again
                for name, generator in generators.items():
                    generator.bit_generator.state = before[name]

    def restore_grads(self) -> None:
        """Restore the previous gradients."""
        for leaf, grad in self.grads.values():
            leaf.grad = grad

    def _check_hidden(self, drawn: list[str]) -> None:
        if drawn:
            raise Disturbed(str(_hidden_draw(drawn[0])))
        for state in self.modules.values():
            if changed := state.assigned():
                raise Disturbed(
                    f"compile: {type(state.module).__name__}.{changed} was changed by the function while it was "
                    f"captured: a replay runs no Python code and would not repeat it; keep such state in a buffer "
                    f"(register_buffer), or change it outside of the compiled function"
                )


class Disturbed(CaptureError):
    """Something changed during the capture, by the function or by another thread: only another capture can tell."""


def _hidden_draw(name: str) -> CaptureError:
    first = "make the first call before other threads start, " if others_run() else ""
    return CaptureError(
        f"compile: the function drew random numbers from {name} while it was captured, and a replay would use the same "
        f"ones again; {first}draw with cr.rand, cr.randn or nn.Dropout, or pass the numbers as an argument"
    )


_watching = 0
_lock = threading.Lock()


def _watch(change: int) -> None:
    """Let the eager tape look at what enters it while at least one thread captures."""
    global _watching
    with _lock:
        _watching += change
        EAGER.__class__ = Watched if _watching else Tape


def _held(x: Any) -> Any:
    box = captured_in(x)
    return box.held if box is not None else x._value if isinstance(x, Tensor) else original(plain(x))


def _check_array(x: Any) -> None:
    """Refuse what no buffer can hold: strings, dtypes."""
    if x is not None and np.asarray(x).dtype.kind not in "fiub":
        refuse("the values of an array were turned into something other than numbers")


def _name_of(f: Callable[..., Any]) -> str:
    return str(getattr(f, "name", None) or getattr(f, "__name__", type(f).__name__))


def _global_states() -> Any:
    """Return the state of the global generators of `random` and `numpy.random`."""
    _, keys, *rest = np.random.get_state()  # noqa: NPY002
    return random.getstate(), np.asarray(keys).tobytes(), rest


@contextmanager
def _put_back(generator: Any, draws: bool) -> Iterator[None]:
    if not draws:
        yield
        return
    bits = source(generator).bit_generator
    before = bits.state
    try:
        yield
    finally:
        bits.state = before
