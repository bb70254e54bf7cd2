"""The gradient checkers of PyTorch and JAX, on the same operations, in float64 and with their default settings."""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from .entry import Operation, Rule
from .jax_form import jax_arguments, jax_function
from .torch_form import torch_arguments, torch_function


@dataclass(frozen=True)
class Peer:
    """Another checker: `passes(operation, rule)` raises or returns False where it objects."""

    name: str
    package: str
    passes: Callable[[Operation, Rule], bool]

    def missing(self) -> str:
        """Return why it cannot be tried here, or an empty text."""
        return "" if importlib.util.find_spec(self.package) else f"{self.package} is not installed"

    def objects(self, operation: Operation, rule: Rule) -> bool:
        """Say whether it objects to the operation with that backward pass."""
        try:
            return not self.passes(operation, rule)
        except Exception:  # an objection is an exception, of many kinds
            return True


def gradcheck(operation: Operation, rule: Rule, fast: bool) -> bool:
    import torch

    function = torch_function(operation, rule).apply
    return bool(torch.autograd.gradcheck(function, torch_arguments(operation), fast_mode=fast))


def check_grads(operation: Operation, rule: Rule) -> bool:
    from jax.test_util import check_grads

    function, args = jax_function(operation, rule), jax_arguments(operation)
    places = [k for k, name in enumerate(operation.arguments) if name in operation.floating]

    def of_floating(*given: object) -> object:
        mixed = list(args)
        for k, value in zip(places, given, strict=True):
            mixed[k] = value
        return function(*mixed)

    check_grads(of_floating, tuple(args[k] for k in places), order=1, modes=["rev"])
    return True


PEERS: tuple[Peer, ...] = (
    Peer("torch.autograd.gradcheck, slow", "torch", functools.partial(gradcheck, fast=False)),
    Peer("torch.autograd.gradcheck, fast", "torch", functools.partial(gradcheck, fast=True)),
    Peer("jax.test_util.check_grads, reverse", "jax", check_grads),
)
