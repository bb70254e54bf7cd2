"""The engine for chainrule's own networks."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.core.errors import GradientError
from chainrule.core.tensor import value_of
from chainrule.core.traces.tape import EAGER
from chainrule.doctor.engines.engine import DEFAULT_LR, Engine
from chainrule.nn import Module, init
from chainrule.optim import Adam, clip_grad_norm_
from chainrule.train.batches import cast, model_dtype

from .probe import ProbeTape, watching

CODE = {
    "clip": "optim.clip_grad_norm_(model.parameters(), 1.0)",
    "warmup": "scheduler = optim.lr_scheduler.LinearWarmup(optimizer, {steps})",
    "optimizer": "optimizer = optim.{name}(model.parameters(), lr={lr:.3g})",
    "scaling": "scaling = data.Standardizer.fit(x_train)",
    "scaled": "    output = model(scaling.transform(x))",
    "good": "good = np.isfinite(x).all(axis=1)",
    "loader": "loader = data.DataLoader(…, batch_size={size})",
    "call": "np.{how}(x)",
    "straight": "x + cr.stop_gradient(np.{how}(x) - x)",
    "guard": "np.{how}(np.maximum(x, 1e-6))",
    "divide": "y = a / b",
    "divided": "y = a / np.where(np.abs(b) < 1e-6, 1e-6, b)",
    "likelihood": "NLLLoss()(log(p), y)",
    "zero": "        p.data = 0 * p.data",
}


class OwnEngine(Engine):
    """Models of `chainrule.nn`."""

    nn = nn
    home = "chainrule.nn"
    errors = (ValueError, GradientError, FloatingPointError, ZeroDivisionError, OverflowError)
    code = CODE

    def unwrapped(self, model: Any) -> Any:
        """Return the model; raise TypeError for anything else."""
        if not isinstance(model, Module):
            raise TypeError(
                f"doctor: model: expected a chainrule.nn.Module or a torch.nn.Module, got {type(model).__name__}"
            )
        return model

    def plain(self, part: Any) -> Any:
        """Return a part of a batch as an array, or unchanged if it is not array-like."""
        found = value_of(part)
        return np.asarray(found) if isinstance(found, np.ndarray | list | float | int | np.generic) else found

    @contextmanager
    def untouched(self, model: Any, batches: Any, seed: int) -> Iterator[None]:
        """Restore generators, gradients and modes on exit; inside, the default generators start from `seed`."""
        grads = [(p, p._link.grad) for p in model.parameters() if p._link is not None]
        try:
            with super().untouched(model, batches, seed):
                yield
        finally:
            for p, grad in grads:
                p._link.grad = grad

    def copied(self, *parts: Any) -> tuple[Any, ...]:
        """Return copies of a model, a loss and an optimiser that refer to each other."""
        return copy.deepcopy(parts, {id(EAGER): EAGER})

    def run(self, model: Any, loss: Any, batch: tuple[tuple[Any, ...], Any]) -> tuple[Any, Any]:
        """Return the loss of a batch of arrays, and the model's output."""
        (*x, y), dtype = (*batch[0], batch[1]), model_dtype(model)
        output = model(*(cast(part, dtype) if isinstance(part, np.ndarray) else part for part in x))
        return loss(output, cast(y, dtype) if isinstance(y, np.ndarray) else y), output

    def backward(self, loss: Any) -> None:
        """Accumulate gradients into the parameters that the loss depends on, if any."""
        if getattr(loss, "requires_grad", False):
            loss.backward()

    def clip(self, model: Any, most: float) -> None:
        """Clip the joint norm of all gradients."""
        clip_grad_norm_(model.parameters(), most)

    @contextmanager
    def watched(self, model: Any, patches: frozenset[str] = frozenset(), keep: bool = True) -> Iterator[ProbeTape]:
        """Yield a record of what a model does in the block."""
        probe = ProbeTape(patches, keep)
        with watching(model, probe):
            yield probe

    def loss_of(self, loss: Any, output: Any, y: Any) -> float:
        """Return the loss of two arrays as a number."""
        return float(value_of(loss(output, cast(y, output.dtype))))

    def number(self, value: Any) -> float:
        """Return a loss as a number."""
        return float(value_of(value))

    def array(self, value: Any) -> Any:
        """Return a parameter, an output or a gradient as an array; None for anything else."""
        found = value_of(value)
        return np.asarray(found) if hasattr(found, "dtype") else None

    def adam(self, model: Any) -> Any:
        """Return Adam for a model."""
        return Adam(model.parameters(), DEFAULT_LR)

    def rebuilt(self, optimizer: Any, groups: list[dict[str, Any]]) -> Any:
        """Return an optimiser of the same class for groups of parameters with their settings, without any state."""
        own = [{k: v for k, v in group.items() if k != "names"} for group in groups]
        return type(optimizer)(own, **{k: v for k, v in own[0].items() if k != "params"})

    def put(self, p: Any, value: Any) -> None:
        """Set a parameter's values."""
        p.data = value

    def put_grad(self, p: Any, gradient: Any) -> None:
        """Set a parameter's gradient."""
        p.grad = gradient

    def initialise(self, owner: Any, p: Any, name: str, generator: np.random.Generator) -> None:  # noqa: ARG002
        """Reinitialise a parameter."""
        init.BY_NAME[name](p, generator=generator)

    def layer_norm(self, features: int, like: Any) -> Any:
        """Return a LayerNorm with the dtype of a parameter."""
        return nn.LayerNorm(features, dtype=_dtype(like))

    def group_norm(self, channels: int, like: Any) -> Any:
        """Return a GroupNorm with one group."""
        return nn.GroupNorm(1, channels, dtype=_dtype(like))

    def residual(self, inner: Any) -> Any:
        """Return a module that adds an inner module's output to its input."""
        return nn.Residual(inner)

    def likelihood(self, output: Any, y: Any) -> Any:
        """Return the mean of −log p of the true class."""
        return nn.functional.nll_loss(np.log(output + 1e-12), y)

    def init_argument(self, name: str) -> str:
        """Return the argument of a linear layer."""
        return f', init="{name}"' if name else ""

    def lines_after(self, model: Any, init_name: str) -> Sequence[str]:  # noqa: ARG002
        """Return no lines: a layer's own line is enough."""
        return ()


def _dtype(like: Any) -> Any:
    return np.float32 if like is None else like.dtype
