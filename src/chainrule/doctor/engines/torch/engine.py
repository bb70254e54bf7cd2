"""The engine for PyTorch networks. PyTorch is imported with the first of them."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from chainrule.doctor.engines.engine import DEFAULT_LR, FEW, Engine
from chainrule.nn import init

from .trace import array_of
from .watch import TorchRecord, torch_watching

CODE = {
    "clip": "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    "warmup": "scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / {steps}, total_iters={steps})",
    "optimizer": "optimizer = torch.optim.{name}(model.parameters(), lr={lr:.3g})",
    "scaling": "mean, deviation = x_train.mean(0), x_train.std(0)",
    "scaled": "    output = model((x - mean) / deviation)",
    "good": "good = x.flatten(1).isfinite().all(1)",
    "loader": "loader = DataLoader(…, batch_size={size})",
    "call": "torch.{how}(x)",
    "straight": "x + (torch.{how}(x) - x).detach()",
    "guard": "torch.{how}(x.clamp_min(1e-6))",
    "name of power": "pow",
    "divide": "y = a / b",
    "divided": "y = a / torch.where(b.abs() < 1e-6, 1e-6, b)",
    "likelihood": "NLLLoss()(torch.log(p), y)",
    "zero": "        nn.init.zeros_(p)",
}
RESIDUAL = """class Residual(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)"""
INIT = {
    "kaiming": "nn.init.kaiming_normal_(m.weight, nonlinearity='relu')",
    "xavier": "nn.init.xavier_normal_(m.weight)",
    "orthogonal": "nn.init.orthogonal_(m.weight)",
}
RUNNERS = {
    "OptimizedModule": "_orig_mod",
    **dict.fromkeys(("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel"), "module"),
}
"""Wrappers that only run another model, with the attribute that holds it."""


OWN_CONTAINERS = ("_parameters", "_buffers", "_modules")
"""Where a module holds what is registered."""


class TorchEngine(Engine):
    """Models of `torch.nn`."""

    home = "torch.nn"
    errors = (ValueError, RuntimeError, IndexError, FloatingPointError, ZeroDivisionError, OverflowError)
    code = CODE

    def __init__(self) -> None:
        self.torch = import_module("torch")
        self.nn = self.torch.nn

    def unwrapped(self, model: Any) -> Any:
        """Return the model inside a compiled or distributed one; raise TypeError if it cannot be watched."""
        while type(model).__name__ in RUNNERS and type(model).__module__.startswith("torch"):
            model = getattr(model, RUNNERS[type(model).__name__])
        if not isinstance(model, self.nn.Module):
            raise TypeError(
                f"doctor: model: expected a chainrule.nn.Module or a torch.nn.Module, got {type(model).__name__}"
            )
        if isinstance(model, self.torch.jit.ScriptModule):
            raise TypeError(
                f"doctor: model: got the script module {type(model).__name__}, whose operations cannot be watched; "
                f"pass the module that it was made from"
            )
        return model

    def plain(self, part: Any) -> Any:
        """Return a part of a batch as an array, or unchanged if it is not array-like."""
        if isinstance(part, self.torch.Tensor):
            return array_of(part)
        return np.asarray(part) if isinstance(part, np.ndarray | list | float | int | np.generic) else part

    @contextmanager
    def untouched(self, model: Any, batches: Any, seed: int) -> Iterator[None]:
        """Restore generators, gradients and modes on exit; inside, the default generators start from `seed`.

        A small model runs on one thread: synchronising threads costs more than it saves there, and many times more on
        a busy machine.
        """
        torch = self.torch
        threads = torch.get_num_threads()
        own = {id(g): g for part in _parts(batches) for g in [getattr(part, "generator", None)] if g is not None}
        states = [(g, g.get_state()) for g in own.values() if isinstance(g, torch.Generator)]
        try:
            if sum(p.numel() for p in model.parameters()) <= FEW:
                torch.set_num_threads(1)
            with ExitStack() as stack:
                stack.enter_context(torch.random.fork_rng())
                stack.enter_context(torch.enable_grad())
                stack.enter_context(super().untouched(model, batches, seed))
                yield
        finally:
            torch.set_num_threads(threads)
            for generator, state in states:
                generator.set_state(state)

    def unregistered(self, model: Any) -> list[tuple[str, str]]:
        """Return what is trainable in lists, tuples and dictionaries of modules: names, and those of the containers."""
        known = {id(p) for p in model.parameters()}
        found: dict[int, tuple[str, str]] = {}
        for path, module in model.named_modules():
            for key, held in vars(module).items():
                where = f"{path}.{key}" if path else key
                plain = () if key in OWN_CONTAINERS else self._trainable(held, where)
                found.update({id(p): (name, where) for name, p in plain if id(p) not in known})
        return list(found.values())

    def _trainable(self, held: Any, name: str, depth: int = 3) -> Iterator[tuple[str, Any]]:
        """Yield the trainable parameters of the modules and tensors in a plain container, with names."""
        items = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list | tuple) else ()
        for key, item in items:
            own = f"{name}[{key!r}]"
            if isinstance(item, self.nn.Module):
                yield from ((f"{own}.{part}", p) for part, p in item.named_parameters() if p.requires_grad)
            elif isinstance(item, self.torch.Tensor) and item.requires_grad and item.is_leaf:
                yield own, item
            elif depth:
                yield from self._trainable(item, own, depth - 1)

    def reseed(self, seed: int) -> None:
        """Seed every default generator."""
        super().reseed(seed)
        self.torch.manual_seed(seed)

    def copied(self, *parts: Any) -> tuple[Any, ...]:
        """Return copies of a model, a loss and an optimiser that refer to each other."""
        try:
            return super().copied(*parts)
        except RuntimeError as error:
            raise ValueError(f"doctor: the model cannot be copied, and only copies are examined: {error}") from error

    def run(self, model: Any, loss: Any, batch: tuple[tuple[Any, ...], Any]) -> tuple[Any, Any]:
        """Return the loss of a batch of arrays, and the model's output, on the model's device."""
        (x, y), like = batch, next(model.parameters(), None)
        output = model(*(self._tensor(part, like) for part in x))
        return loss(output, self._tensor(y, like)), output

    def _tensor(self, part: Any, like: Any) -> Any:
        if not isinstance(part, np.ndarray):
            return part
        tensor = self.torch.tensor(part)
        if like is None:
            return tensor
        return tensor.to(like.device, like.dtype if part.dtype.kind == "f" and like.is_floating_point() else None)

    def backward(self, loss: Any) -> None:
        """Accumulate gradients into the parameters that the loss depends on, if any."""
        if loss.requires_grad:
            loss.backward(self.torch.ones_like(loss))

    def clip(self, model: Any, most: float) -> None:
        """Clip the joint norm of all gradients."""
        self.nn.utils.clip_grad_norm_(model.parameters(), most)

    @contextmanager
    def watched(self, model: Any, patches: frozenset[str] = frozenset(), keep: bool = True) -> Iterator[TorchRecord]:
        """Yield a record of what a model does in the block."""
        with torch_watching(self.torch, model, patches, keep) as record:
            yield record

    def loss_of(self, loss: Any, output: Any, y: Any) -> float:
        """Return the loss of two arrays as a number."""
        with self.torch.no_grad():
            like = self.torch.tensor(output)
            return self.number(loss(like, self._tensor(y, like)))

    def number(self, value: Any) -> float:
        """Return a loss as a number."""
        return float(value.detach()) if isinstance(value, self.torch.Tensor) else float(value)

    def array(self, value: Any) -> Any:
        """Return a parameter, an output or a gradient as an array; None for anything else."""
        return array_of(value) if isinstance(value, self.torch.Tensor) else None

    def adam(self, model: Any) -> Any:
        """Return Adam for a model."""
        return self.torch.optim.Adam(model.parameters(), DEFAULT_LR)

    def rebuilt(self, optimizer: Any, groups: list[dict[str, Any]]) -> Any:
        """Return an optimiser of the same class for groups of parameters with their settings, without any state."""
        accepted = inspect.signature(type(optimizer).__init__).parameters
        known = {k: v for k, v in {**optimizer.defaults, **groups[0]}.items() if k in accepted and k != "params"}
        return type(optimizer)(groups, **known)

    def put(self, p: Any, value: Any) -> None:
        """Set a parameter's values."""
        with self.torch.no_grad():
            p.copy_(self.torch.tensor(value))

    def put_grad(self, p: Any, gradient: Any) -> None:
        """Set a parameter's gradient."""
        p.grad = self.torch.tensor(gradient).to(p.device, p.dtype)

    def initialise(self, owner: Any, p: Any, name: str, generator: np.random.Generator) -> None:
        """Reinitialise a parameter; PyTorch's own layers store a matrix as [out, in]."""
        turned = p.ndim == 2 and type(owner).__module__.startswith(self.home)
        shape = tuple(p.shape)[::-1] if turned else tuple(p.shape)
        drawn = init.BY_NAME[name](shape, generator=generator)
        self.put(p, drawn.T if turned else drawn)

    def layer_norm(self, features: int, like: Any) -> Any:
        """Return a LayerNorm with the dtype and the device of a parameter."""
        return self.nn.LayerNorm(features, **_kind(like))

    def group_norm(self, channels: int, like: Any) -> Any:
        """Return a GroupNorm with one group."""
        return self.nn.GroupNorm(1, channels, **_kind(like))

    def residual(self, inner: Any) -> Any:
        """Return a module that adds an inner module's output to its input."""
        return _residual()(inner)

    def likelihood(self, output: Any, y: Any) -> Any:
        """Return the mean of −log p of the true class."""
        return self.nn.functional.nll_loss((output + 1e-12).log(), y)

    def init_argument(self, name: str) -> str:  # noqa: ARG002
        """Return "": PyTorch layers have no such argument."""
        return ""

    def lines_after(self, model: Any, init_name: str) -> Sequence[str]:
        """Return the definition of a residual block, and the initialisation loop."""
        lines = RESIDUAL.splitlines() if any(isinstance(m, _residual()) for m in model.modules()) else []
        if init_name in INIT:
            lines += ["for m in model.modules():", "    if isinstance(m, nn.Linear):", f"        {INIT[init_name]}"]
            lines.append("        nn.init.zeros_(m.bias)")
        return lines


def _parts(batches: Any) -> list[Any]:
    """Return a loader with its samplers and its data set."""
    return [batches, *(getattr(batches, name, None) for name in ("sampler", "batch_sampler", "dataset"))]


def _kind(like: Any) -> dict[str, Any]:
    return {} if like is None else {"dtype": like.dtype, "device": like.device}


@cache
def _residual() -> Any:
    from torch import nn

    class Residual(nn.Module):
        """x + inner(x)."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            """Return the sum."""
            return x + self.inner(x)

    return Residual
