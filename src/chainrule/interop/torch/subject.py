"""PyTorch `Function`s, modules and functions under check."""

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.functions import argument_names, rebound
from chainrule.check.subjects.subject import (
    Array,
    Arrays,
    BackwardError,
    Subject,
    joined,
    located,
    parted,
    shortened,
)
from chainrule.core.tree import flatten, paths, unflatten
from chainrule.interop.reports import reproduction

from .functions import has_setup_context
from .given_modules import GivenModules
from .kept import Kept

Torch = Any
"""A tensor or a module of PyTorch."""
BACKWARD_ONLY = ("use_reentrant=True", "not compatible with .grad()")
"""What checkpoints and reversible layers say that allow `.backward()` alone."""


class TorchSubject(Subject):
    """A PyTorch `Function`, module or function at given arguments.

    Modules are never copied: `torch.func.functional_call` puts other parameters, and copies of the buffers, in their
    place for the time of a call. `state` has values for them, by name, that stand in for the module's own; `tracked`
    says which leaves of the arguments are checked; `wide` is whether everything is float64.
    """

    def __init__(
        self,
        f: Any,
        args: Sequence[Any],
        settings: Mapping[str, Any],
        *,
        state: Mapping[str, Torch] | None = None,
        tracked: Sequence[bool] | None = None,
        wide: bool = False,
        seed: int = 0,
    ) -> None:
        self.torch = needed("torch", "check_torch")
        self.f, self.args, self.settings = f, tuple(args), dict(settings)
        self.wide, self.seed = wide, seed
        self.written: set[str] = set()
        self.instead: Callable[[Arrays, Array], Mapping[str, Any] | None] | None = None
        """What gives a changed backward pass's gradients without a new forward pass, where it can."""
        self.given_modules = GivenModules()
        """The modules among the arguments, whose parameters are among them as well."""
        self.filled: list[Any] = []
        """The leaves of the arguments in the last run."""
        self._describe()
        self.holder, self.loose = self._held()
        state = self._initial_state() if state is None else state
        self.state = {name: self._own(t) for name, t in state.items()}
        self.buffers = {name for name, _ in self.holder.named_buffers()}
        self.leaves, self.structure = flatten([list(self.args), self.settings])
        self.tracked = self._tracked() if tracked is None else list(tracked)
        self.places = self._places()
        self.arguments = {name: self._array(name, self.original(name)) for name in self.places}

    # What there is to differentiate

    def _describe(self) -> None:
        f = self.f
        self.is_function = inspect.isclass(f) and issubclass(f, self.torch.autograd.Function)
        self.is_module = isinstance(f, self.torch.nn.Module)
        self.called = f.apply if self.is_function else f
        self.name = getattr(f, "__name__", type(f).__name__)
        self.source = located(f.backward if self.is_function else f.forward if self.is_module else f)
        self.backward_name = f"{self.name}.backward" if self.is_function else ""

    def _held(self) -> tuple[Torch, dict[str, Torch]]:
        """Return a module that holds all modules which the function uses, and the leaves it refers to, by name."""
        holder = self.torch.nn.Module()
        if self.is_module:
            referred = {"": self.f}
        elif isinstance(self.f, MethodType) and isinstance(self.f.__self__, self.torch.nn.Module):
            referred = {"self": self.f.__self__}
        elif isinstance(self.f, FunctionType):
            found = inspect.getclosurevars(self.f)
            referred = {**found.globals, **found.nonlocals}
        else:
            referred = {}
        for name, value in referred.items():
            if isinstance(value, self.torch.nn.Module):
                holder.add_module(name or "module", value)
        tensors = {n: t for n, t in referred.items() if isinstance(t, self.torch.Tensor) and t.requires_grad}
        return holder, tensors

    def _initial_state(self) -> dict[str, Torch]:
        return {name: t.detach() for name, t in (*self.holder.named_parameters(), *self.holder.named_buffers())}

    def _tracked(self) -> list[bool]:
        floating = [self._is_floating(leaf) for leaf in self.leaves]
        wanted = [yes and leaf.requires_grad for yes, leaf in zip(floating, self.leaves, strict=True)]
        return wanted if any(wanted) else floating

    def _places(self) -> dict[str, tuple[str, Any]]:
        """Return where each argument of the check is found: in the state, among the loose leaves, in the arguments."""
        found: dict[str, tuple[str, Any]] = {}
        for name, parameter in self.holder.named_parameters():
            if parameter.requires_grad:
                found[name.removeprefix("module." if self.is_module else "self.")] = ("state", name)
        found |= {name: ("loose", name) for name in self.loose}
        for k, (name, wanted) in enumerate(zip(self._leaf_names(), self.tracked, strict=True)):
            if wanted:
                found[name if name not in found else f"{name} ({k})"] = ("leaf", k)
        return found

    def _leaf_names(self) -> list[str]:
        if self.is_function:
            forward, skipped = self.f.forward, 0 if has_setup_context(self.f) else 1
        else:
            forward, skipped = (self.f.forward if self.is_module else self.f), 0
        labels = argument_names(forward, len(self.args) + skipped)[skipped:]
        trees = [*zip(labels, self.args, strict=True), *sorted(self.settings.items())]
        return [f"{label}{path}" for label, tree in trees for path in paths(tree)]

    def _is_floating(self, x: Any) -> bool:
        return isinstance(x, self.torch.Tensor) and bool(self.torch.is_floating_point(x))

    # Arrays and tensors

    def original(self, name: str) -> Torch:
        """Return an argument of the check as the caller passed it."""
        kind, key = self.places[name]
        if kind == "state":
            return self.state[key]
        return self.loose[key] if kind == "loose" else self.leaves[key]

    def _array(self, name: str, t: Torch) -> Array:
        if t.dtype is self.torch.bfloat16:
            raise TypeError(f"check_torch: {name} is bfloat16, which NumPy does not have; pass .float() and check that")
        return np.array(self._own(t).cpu().resolve_neg().numpy())

    def tensor(self, value: Array, like: Torch) -> Torch:
        """Return a new tensor on the device and in the memory layout of another one."""
        new = self.torch.from_numpy(np.array(value))
        return self.torch.empty_like(like, dtype=new.dtype, requires_grad=False).detach().copy_(new)

    def _own(self, x: Any) -> Any:
        """Return a tensor without gradient, in float64 where everything is; anything else as it is."""
        if not isinstance(x, self.torch.Tensor):
            return x
        return x.detach().double() if self.wide and self._is_floating(x) else x.detach()

    # Calling it

    @contextmanager
    def setting(self) -> Iterator[None]:
        """Let tensors made inside the function be float64 where everything is."""
        before = self.torch.get_default_dtype()
        if self.wide:
            self.torch.set_default_dtype(self.torch.float64)
        try:
            yield
        finally:
            self.torch.set_default_dtype(before)

    def outputs(self, values: Mapping[str, Torch], then: Callable[[list[Torch]], Any] | None = None) -> Any:
        """Return the floating outputs at other arguments, or what `then` makes of them.

        It is called while the parameters are still in their places: a backward pass may run the module again.
        """
        state = {name: t.clone() if name in self.buffers else t for name, t in self.state.items()}
        leaves = [self._own(x).clone() if isinstance(x, self.torch.Tensor) else x for x in self.leaves]
        loose: dict[str, Torch] = {}
        for name, value in values.items():
            kind, key = self.places[name]
            if kind == "leaf":
                leaves[key] = value
            else:
                (state if kind == "state" else loose)[key] = value
        self.filled = leaves
        args, settings = unflatten(self.structure, leaves)
        f = rebound(self.called, list(loose), list(loose.values()))

        def run() -> Any:
            outputs = self._floating_outputs(f(*args, **settings))
            return outputs if then is None else then(outputs)

        self.holder.forward = run
        with self.setting(), self.given_modules.holding(leaves), warnings.catch_warnings():
            # A checkpoint says so in the runs that ask for values alone.
            warnings.filterwarnings("ignore", message="None of the inputs have requires_grad")
            try:
                return self.torch.func.functional_call(self.holder, state, ())
            finally:
                del self.holder.forward

    def _floating_outputs(self, result: Any) -> list[Torch]:
        outputs = [y for y in flatten(result)[0] if isinstance(y, self.torch.Tensor) and not _is_whole(y)]
        for y in outputs:
            if not self._is_floating(y) or y.dtype is self.torch.bfloat16:
                raise TypeError(f"check_torch: {self.name} returns {y.dtype}; expected float64, float32 or float16")
        if not outputs:
            raise TypeError(f"check_torch: {self.name} must return at least one tensor of floats")
        return outputs

    def forward(self, arguments: Arrays) -> Array:
        """Run the function."""
        values = {name: self.tensor(x, self.original(name)) for name, x in arguments.items()}
        with self._noting_changes(values, arguments):
            outputs = self.outputs(values)
        return joined([y.detach().cpu().numpy() for y in outputs]).copy()

    @contextmanager
    def _noting_changes(self, tensors: Mapping[str, Torch], arrays: Arrays) -> Iterator[None]:
        """Carry what is written to tensors in place over to the checker's arrays, which it compares afterwards.

        A tensor counts its changes, also those that change no value, but not those through an array of NumPy.
        """
        before = {name: t._version for name, t in tensors.items()}
        yield
        for name, t in tensors.items():
            np.copyto(arrays[name], t.detach().cpu().numpy())
            if t._version != before[name]:
                self.written |= {name} & self.places.keys()

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run PyTorch's backward pass, in which the user's is called."""
        if self.instead is not None and (known := self.instead(arguments, y_bar)) is not None:
            return dict(known)
        leaves = {name: self.tensor(x, self.original(name)).requires_grad_() for name, x in arguments.items()}
        values = {name: leaf.clone() for name, leaf in leaves.items()}  # a leaf must not be changed in place
        returned: list[Any] = []
        try:
            with self._noting_changes(values, arguments), self._listening(returned):
                gradients = self.outputs(values, lambda outputs: self.gradients(outputs, leaves, y_bar))
        except Exception as error:
            raw = self.by_name(returned)
            if raw is not None and "invalid gradient" in str(error):
                return raw  # the checker says in which of them the shape is wrong, and why
            raise BackwardError(_verdict_of(str(error)), _said(self.backward_name, error)) from error
        return {name: None if g is None else self._array(name, g) for name, g in gradients.items()}

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the backward pass of a Function, and the functions of the user's that it calls."""
        kept = Kept(self)

        def with_rule(rule: FunctionType) -> Subject:
            twin = copy.copy(self)
            twin.instead = functools.partial(kept.gradients, rule)
            twin.f = type(self.f)(self.f.__name__, (self.f,), {"backward": staticmethod(rule)})
            twin._describe()
            return twin

        if self.is_function:
            yield from with_helpers(self.f.backward, with_rule)

    @contextmanager
    def _listening(self, returned: list[Any]) -> Iterator[None]:
        """Note what a Function's own backward pass returns, before PyTorch sums and casts it."""
        own = self.f.__dict__.get("backward") if self.is_function else None
        if not isinstance(own, staticmethod):
            yield
            return

        @functools.wraps(own.__func__)
        def heard(*args: Any) -> Any:
            returned[:] = [own.__func__(*args)]
            return returned[0]

        self.f.backward = staticmethod(heard)
        try:
            yield
        finally:
            self.f.backward = own

    def by_name(self, returned: list[Any]) -> dict[str, Any] | None:
        """Return what a Function's backward pass gave, by argument, or None where it does not fit them."""
        given = returned[0] if returned and isinstance(returned[0], tuple) else tuple(returned)
        if not returned or len(given) != len(self.leaves):
            return None
        found = {name: given[k] for name, (_, k) in self.places.items()}
        if not all(g is None or isinstance(g, self.torch.Tensor) for g in found.values()):
            return None
        return {name: g if g is None else self._array(name, g) for name, g in found.items()}

    def gradients(self, outputs: list[Torch], leaves: Mapping[str, Torch], y_bar: Array) -> dict[str, Torch | None]:
        """Return the gradients of the leaves that the outputs come from; None where there is no way to one."""
        parts = parted(y_bar, [y.detach().cpu().numpy() for y in outputs])
        bars = [self.tensor(part, y) for part, y in zip(parts, outputs, strict=True)]
        reached = [(y, bar) for y, bar in zip(outputs, bars, strict=True) if y.requires_grad]
        if not reached:
            return dict.fromkeys(leaves)
        whole = {"y_bar": bars[0]} if len(bars) == 1 else {}
        with self._noting_changes(whole, {"y_bar": y_bar}):
            found = self._pulled([y for y, _ in reached], list(leaves.values()), [bar for _, bar in reached])
        dense = [g.to_dense() if g is not None and g.layout is not self.torch.strided else g for g in found]
        return dict(zip(leaves, dense, strict=True))

    def _pulled(self, outputs: list[Torch], leaves: list[Torch], bars: list[Torch]) -> list[Torch | None]:
        """Return the gradients of leaves; by `.backward()` where a checkpoint allows nothing else.

        A backward pass may itself call `.backward()`, as reversible layers do: what that leaves in `.grad` counts.
        """
        try:
            found = self.torch.autograd.grad(outputs, leaves, bars, allow_unused=True)
            pairs = zip(found, (leaf.grad for leaf in leaves), strict=True)
            return [g if left is None else left if g is None else g + left for g, left in pairs]
        except RuntimeError as error:
            if not any(words in str(error) for words in BACKWARD_ONLY):
                raise
        self.torch.autograd.backward(outputs, bars)
        return [leaf.grad for leaf in leaves]

    def jvp(self, arguments: Arrays, tangents: Arrays) -> Array | None:
        """Run forward mode, where each operation has it."""
        forward_ad = self.torch.autograd.forward_ad
        own = self.is_function and self.f.jvp is not self.torch.autograd.Function.jvp
        try:
            # PyTorch's forward mode loads a part of itself that warns of another part's age.
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning), forward_ad.dual_level():
                values = {
                    name: forward_ad.make_dual(
                        self.tensor(x, self.original(name)), self.tensor(tangents[name], self.original(name))
                    )
                    for name, x in arguments.items()
                }
                pairs = [forward_ad.unpack_dual(y) for y in self.outputs(values)]
                dots = [self.torch.zeros_like(y) if y_dot is None else y_dot for y, y_dot in pairs]
                return joined([y_dot.detach().cpu().numpy() for y_dot in dots]).copy()
        except RuntimeError:
            if own:
                raise
            return None

    # The same function elsewhere

    def given(self) -> dict[str, Any]:
        """Return the tensors among the arguments as arrays that share their memory."""
        tensors = {name: self.original(name) for name, (kind, _) in self.places.items() if kind == "leaf"}
        return {name: t.detach().numpy() for name, t in tensors.items() if t.device.type == "cpu"}

    def _twin(self, leaves: Sequence[Any], **changes: Any) -> "TorchSubject":
        args, settings = unflatten(self.structure, leaves)
        options = {"state": self.state, "tracked": self.tracked, "wide": self.wide, "seed": self.seed, **changes}
        return type(self)(self.f, args, settings, **options)

    def widened(self) -> "TorchSubject | None":
        """Return the function at float64 arguments, parameters and buffers."""
        tensors = [x for x in (*self.leaves, *self.state.values()) if isinstance(x, self.torch.Tensor)]
        if any(t.device.type == "mps" for t in tensors):  # which has no float64
            return None
        return self._twin(self.leaves, wide=True)

    def sizes(self) -> set[int]:
        """Return the lengths of all axes of the tensors in the arguments."""
        return {n for x in self.leaves if isinstance(x, self.torch.Tensor) for n in x.shape}

    def reduced(self, sizes: Mapping[int, int]) -> "TorchSubject | None":
        """Return the function at arguments with shortened axes."""
        if self.state or self.loose:
            return None
        leaves = [self._cut(x, sizes) if isinstance(x, self.torch.Tensor) else x for x in self.leaves]
        return self._twin(leaves)

    def recut(self, cuts: Mapping[str, tuple[int, ...]]) -> "TorchSubject | None":
        """Return the Function at tensors with some axes shortened; PyTorch's own rules are not consulted."""
        places = {name: self.places[name] for name in cuts}
        if not self.is_function or any(kind != "leaf" for kind, _ in places.values()):
            return None
        leaves = list(self.leaves)
        for name, (_, k) in places.items():
            leaves[k] = shortened(leaves[k], cuts[name]).clone()
        return self._twin(leaves)

    def _cut(self, x: Torch, sizes: Mapping[int, int]) -> Torch:
        return x[tuple(slice(sizes.get(n, n)) for n in x.shape)].clone() if x.ndim else x

    def code(self) -> str:
        """Return Python code that repeats this check, if all arguments are short tensors."""
        if self.settings or self.state or self.loose or not all(isinstance(x, self.torch.Tensor) for x in self.args):
            return ""
        names = self._leaf_names()
        texts = [f"torch.tensor({x.tolist()!r}, dtype={x.dtype})" for x in self.args]
        return reproduction("torch", self.f, dict(zip(names, texts, strict=True)), self.seed)


def _is_whole(y: Torch) -> bool:
    """Whether a tensor holds integers or booleans: nothing to differentiate."""
    return not y.dtype.is_floating_point and not y.dtype.is_complex


def _verdict_of(message: str) -> str:
    if "modified by an inplace operation" in message or "is being used in an in-place operation" in message:
        return "mutates-input"
    return "shape" if "invalid gradient" in message or "shape" in message else "signature"


def _said(name: str, error: Exception) -> str:
    return f"{name or 'the backward pass'} raised {type(error).__name__}: {error}"
