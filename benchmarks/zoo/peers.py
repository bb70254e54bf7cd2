"""The gradient checkers of PyTorch and JAX, on the same operations."""

import importlib.util
from abc import ABC, abstractmethod

from .entry import Operation, Rule
from .forms import jax_arguments, jax_function, torch_arguments, torch_function


class Peer(ABC):
    """Another checker, with its default settings, in float64."""

    name: str
    package: str

    def missing(self) -> str:
        """Return why it cannot be tried here, or an empty text."""
        return "" if importlib.util.find_spec(self.package) else f"{self.package} is not installed"

    def objects(self, operation: Operation, rule: Rule) -> bool:
        """Say whether it objects to the operation with that backward pass, by raising or by saying no."""
        try:
            return not self.passes(operation, rule)
        except Exception:  # an objection is an exception, of many kinds
            return True

    @abstractmethod
    def passes(self, operation: Operation, rule: Rule) -> bool:
        """Run it; raise or return False where it objects."""


class Gradcheck(Peer):
    """torch.autograd.gradcheck"""

    package = "torch"

    def __init__(self, fast: bool) -> None:
        self.fast = fast
        self.name = f"torch.autograd.gradcheck, {'fast' if fast else 'slow'}"

    def passes(self, operation: Operation, rule: Rule) -> bool:
        import torch

        function = torch_function(operation, rule).apply
        return bool(torch.autograd.gradcheck(function, torch_arguments(operation), fast_mode=self.fast))


class CheckGrads(Peer):
    """jax.test_util.check_grads"""

    name, package = "jax.test_util.check_grads, reverse", "jax"

    def passes(self, operation: Operation, rule: Rule) -> bool:
        from jax.test_util import check_grads

        function, args = jax_function(operation, rule), jax_arguments(operation)
        places = [k for k, name in enumerate(operation.arguments) if name in operation.floating]

        def floating(*given: object) -> object:
            mixed = list(args)
            for k, value in zip(places, given, strict=True):
                mixed[k] = value
            return function(*mixed)

        check_grads(floating, tuple(args[k] for k in places), order=1, modes=["rev"])
        return True


PEERS: tuple[Peer, ...] = (Gradcheck(fast=False), Gradcheck(fast=True), CheckGrads())
