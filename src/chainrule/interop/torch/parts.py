"""Where to look for a wrong gradient in PyTorch: the Functions, submodules and cuts of one run, in execution order."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.budget import look
from chainrule.base.provenance import folder_of, users_line
from chainrule.check.measuring.measure import random_direction
from chainrule.check.subjects.subject import Subject
from chainrule.core.tree import flatten, map_leaves

from .functions import functions_behind, has_setup_context
from .given_modules import GivenModules
from .subject import TorchSubject

Torch = Any
CUTTING = {"data": "Tensor.data", "detach": "Tensor.detach"}


class DissectedTorch(TorchSubject):
    """A PyTorch function that can be taken apart, so that the checker can say in which part a gradient is wrong."""

    def parts(self) -> list[Subject]:
        """Return the Functions, submodules and cuts that a run passes, in execution order."""
        return self._parts

    @functools.cached_property
    def _parts(self) -> list[Subject]:
        try:
            return parts_of(self)
        except Exception:  # compiled code, which cannot be observed: the verdict gives no place
            return []


def parts_of(subject: TorchSubject) -> list[Subject]:
    """Run a function once and return its parts that can be checked on their own."""
    run = Run(subject)
    run.record()
    return run.parts()


@dataclass(frozen=True)
class Cut:
    """A call that loses the gradient: its number in the run, whether gradients were off, and the call itself."""

    number: int
    silent: bool
    part: Subject


class Run:
    """One observed run."""

    def __init__(self, subject: TorchSubject) -> None:
        self.subject, self.torch = subject, subject.torch
        self.functions: list[Any] = []
        self.found: list[Subject] = []
        self.cuts: list[Cut] = []
        self.calls = 0
        self.inside = 0
        """The number of running calls inside which nothing is observed: a Function's forward, and our own."""
        at = {name: subject.tensor(x, subject.original(name)) for name, x in subject.arguments.items()}
        self.leaves = {name: x.requires_grad_() for name, x in at.items()}

    def values(self) -> dict[str, Torch]:
        """Return the arguments, not as leaves, which must not be changed in place."""
        return {name: leaf.clone() for name, leaf in self.leaves.items()}

    # Watching

    def record(self) -> None:
        """Run with everything observed: first to learn which Functions take part, then to see their inputs."""
        self.functions = functions_behind(self.subject.outputs(self.values()))
        root = self.subject.f if self.subject.is_module else self.subject.holder
        modules = [m for m in self.subject.holder.modules() if m not in (root, self.subject.holder)]
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(self._module(module))
            stack.enter_context(self._watching(self._call, self.found))
            self.subject.outputs(self.values())

    @contextmanager
    def _watching(self, call: Callable[[Any, Any, Any], Any], found: list[Any] | None = None) -> Iterator[None]:
        """Send each call of PyTorch outside a Function through `call`, and note the calls of Functions."""
        with ExitStack() as stack:
            for cls in self.functions:
                stack.enter_context(self._function(cls, found))
            stack.enter_context(
                _mode(
                    self.torch,
                    lambda f, args, settings: f(*args, **settings) if self.inside else call(f, args, settings),
                )
            )
            yield

    def _kept(self, tree: Any) -> tuple[Any, list[bool]]:
        """Return arguments as they are now, and which of their leaves have a gradient."""
        tracked = [self._has_gradient(x) for x in flatten(tree)[0]]
        return map_leaves(lambda x: x.detach().clone() if isinstance(x, self.torch.Tensor) else x, tree), tracked

    def _has_gradient(self, x: Any) -> bool:
        return isinstance(x, self.torch.Tensor) and x.is_floating_point() and x.requires_grad

    def _part(self, f: Any, args: Any, settings: Any, state: dict[str, Torch] | None = None) -> TorchSubject | None:
        with self._unwatched():
            (kept_args, kept_settings), tracked = self._kept([list(args), dict(settings)])
            if not any(tracked) and not state:
                return None
            options: dict[str, Any] = {"tracked": tracked, "wide": self.subject.wide, "seed": self.subject.seed}
            part = type(self.subject)(f, kept_args, kept_settings, state=state, **options)
            if part.is_function:
                part.given_modules = GivenModules.among(flatten([list(args), dict(settings)])[0], self.torch)
            return part

    @contextmanager
    def _unwatched(self) -> Iterator[None]:
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @contextmanager
    def _function(self, cls: Any, found: list[Any] | None) -> Iterator[None]:
        """Watch the calls of a Function, by way of its `forward`: `apply` may long have been given another name."""
        forward, own = cls.forward, cls.__dict__.get("forward")
        skipped = 0 if has_setup_context(cls) else 1

        @functools.wraps(forward)
        def watched(*args: Any) -> Any:
            wanted = found is not None and not self.inside and cls is not self.subject.f
            part = self._part(cls, args[skipped:], {}) if wanted else None
            with self._unwatched():
                y = forward(*args)
            if found is not None and part is not None:
                found.append(part)
            return y

        cls.forward = staticmethod(watched)
        try:
            yield
        finally:
            if own is None:
                del cls.forward
            else:
                cls.forward = own

    @contextmanager
    def _module(self, module: Torch) -> Iterator[None]:
        """Watch the calls of a module. It is noted when it ends: what it is made of comes before it."""
        running: list[Subject | None] = []

        def begin(_: Any, args: Any, settings: Any) -> None:
            with self._unwatched():
                state = {f"module.{name}": t.detach() for name, t in module.named_parameters()}
                state |= {f"module.{name}": t.detach().clone() for name, t in module.named_buffers()}
            running.append(self._part(module, args, settings, state))

        def end(*_: Any) -> None:
            part = running.pop()
            if part is not None:
                self.found.append(part)

        handles = [
            module.register_forward_pre_hook(begin, with_kwargs=True),
            module.register_forward_hook(end),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _call(self, function: Callable[..., Any], args: Any, settings: Any) -> Any:
        """Call a function of PyTorch, and note it if it loses the gradient."""
        y = function(*args, **settings)
        number, self.calls = self.calls, self.calls + 1
        if not self.loses(args, settings, y):
            return y
        silent = not self.torch.is_grad_enabled()
        cut = self._part(self.torch.no_grad()(function) if silent else function, args, settings)
        if cut is not None:
            cut.name, cut.source = name_of(function), users_line(folder_of(self.torch))
            cut.backward_name = f"{cut.name} under no_grad" if silent else CUTTING.get(cut.name, cut.name)
            self.cuts.append(Cut(number, silent, cut))
            self.found.append(cut)
        return y

    def loses(self, args: Any, settings: Any, y: Any) -> bool:
        """Whether a call takes something that has a gradient and returns tensors that have none."""
        if not any(self._has_gradient(x) for x in flatten([args, settings])[0]):
            return False
        tensors = [x for x in flatten(y)[0] if isinstance(x, self.torch.Tensor) and x.is_floating_point()]
        return bool(tensors) and not any(x.requires_grad for x in tensors)

    # Judging

    def parts(self) -> list[Subject]:
        """Return the parts, without the cuts that change nothing, as that of the maximum in a softmax."""
        idle = {id(cut.part) for cut in self.cuts} - {id(part) for part in self._decisive()}
        return [part for part in self.found if id(part) not in idle]

    def _decisive(self) -> list[Subject]:
        """Return the cuts that change an otherwise correct gradient."""
        stretches = self._stretches()
        if not stretches:
            return []
        y = self.subject.forward(self.subject.arguments)
        y_bar = random_direction(np.random.default_rng(self.subject.seed), y.shape)
        whole = self._gradients(y_bar, range(0))
        found: list[Subject] = []
        for stretch in stretches:
            without = self._gradients(y_bar, range(stretch[0].number, stretch[-1].number + 1))
            if whole is None or without is None or not _same(whole, without):
                found.append(stretch[0].part)
        return found

    def _stretches(self) -> list[list[Cut]]:
        """Return the cuts; those that follow each other where gradients are switched off are one."""
        found: list[list[Cut]] = []
        for cut in self.cuts:
            if found and cut.silent and found[-1][-1].silent:
                found[-1].append(cut)
            else:
                found.append([cut])
        return found

    def _gradients(self, y_bar: Any, cut: range) -> list[Any] | None:
        """Return the gradients where no call loses them but those of some numbers; None where that cannot be."""
        look()
        with self._watching(Joining(self, cut)):
            try:
                found = self.subject.outputs(self.values(), lambda outputs: self._pulled(outputs, y_bar))
            except RuntimeError:  # as numpy() of a tensor that now has a gradient
                return None
        pairs = zip(found.values(), self.leaves.values(), strict=True)
        return [np.zeros(leaf.shape) if g is None else g.cpu().numpy() for g, leaf in pairs]

    def _pulled(self, outputs: list[Torch], y_bar: Any) -> dict[str, Torch | None]:
        with self._unwatched():
            return self.subject.gradients(outputs, self.leaves, y_bar)


class Joining:
    """Calls functions of PyTorch so that none loses the gradient, but those whose numbers are in `cut`."""

    def __init__(self, run: Run, cut: range) -> None:
        self.run, self.cut, self.calls = run, cut, 0

    def __call__(self, function: Callable[..., Any], args: Any, settings: Any) -> Any:
        """Call a function."""
        number, self.calls = self.calls, self.calls + 1
        y = function(*args, **settings)
        if number in self.cut or not self.run.loses(args, settings, y):
            return y
        if name_of(function) in CUTTING:
            return args[0].view_as(args[0])
        with self.run.torch.enable_grad():
            return function(*args, **settings)


def name_of(function: Any) -> str:
    """Return the name of a PyTorch function."""
    name = getattr(function, "__name__", type(function).__name__)
    return str(getattr(function.__self__, "__name__", name)) if name == "__get__" else str(name)


@contextmanager
def _mode(torch: Torch, call: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    """Send every call of a function of PyTorch through `call`."""

    class Mode(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return call(func, args, kwargs or {})

    with Mode():
        yield


def _same(a: list[Any], b: list[Any]) -> bool:
    return all(
        np.allclose(x, y, rtol=1e-6, atol=1e-9 * float(np.max(np.abs(x), initial=1.0)))
        for x, y in zip(a, b, strict=True)
    )
