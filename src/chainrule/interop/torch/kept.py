"""A forward pass of a `Function` that is run once: changed backward passes then run on what it kept."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.check.subjects.subject import Array, Arrays, BackwardError, parted


class Kept:
    """The context and the outputs of a Function, a `TorchSubject`, at the arguments at which it was first asked for."""

    def __init__(self, subject: Any) -> None:
        self.subject = subject
        self.at: dict[str, Array] = {}
        self.outputs: list[Any] = []
        self.leaves: list[Any] = []
        self.context: Any = None
        self.versions: list[int] = []

    def gradients(self, rule: Callable[..., Any], arguments: Arrays, y_bar: Array) -> Mapping[str, Any] | None:
        """Return what a backward pass makes of the context; None where only PyTorch itself can say what it means.

        That is at other arguments, and where the result is not one gradient of the right shape for each argument.
        Raises BackwardError if the backward pass does.
        """
        if not self.at:
            self._run(arguments)
        if self.context is None or not all(np.array_equal(x, self.at[name]) for name, x in arguments.items()):
            return None
        one, torch = self.subject, self.subject.torch
        parts = parted(y_bar, [y.detach().cpu().numpy() for y in self.outputs])
        bars = [one.tensor(part, y) for part, y in zip(parts, self.outputs, strict=True)]
        try:
            with one.setting(), one.given_modules.holding(self.leaves), torch.no_grad():
                result = rule(self.context, *bars)
        except Exception as error:
            raise BackwardError("raises", f"{type(error).__name__}: {error}") from error
        finally:
            if self._changed():
                self.at = {}
        found: Mapping[str, Any] | None = one.by_name([result])
        if found is None or any(g is not None and np.shape(g) != one.arguments[n].shape for n, g in found.items()):
            return None
        return found

    def _run(self, arguments: Arrays) -> None:
        one = self.subject
        leaves = {name: one.tensor(x, one.original(name)).requires_grad_() for name, x in arguments.items()}
        self.at = {name: np.array(x) for name, x in arguments.items()}
        self.outputs = one.outputs({name: leaf.clone() for name, leaf in leaves.items()})
        self.leaves = one.filled
        made = self.outputs[0].grad_fn
        alone = all(y.grad_fn is made for y in self.outputs)
        whole = len(getattr(made, "_input_metadata", ())) == len(self.outputs)
        own = type(made) is getattr(one.f, "_backward_cls", None)
        self.context = made if alone and whole and own else None
        self.versions = self._counted()

    def _counted(self) -> list[int]:
        return [] if self.context is None else [t._version for t in self.context.saved_tensors if t is not None]

    def _changed(self) -> bool:
        """Whether a backward pass changed what was kept."""
        try:
            return self._counted() != self.versions
        except RuntimeError:  # PyTorch noticed
            return True
