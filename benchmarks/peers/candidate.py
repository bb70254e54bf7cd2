"""What every candidate of the comparison can do."""

from itertools import cycle
from typing import Any

import numpy as np

from .cases import Case, Weights


class Candidate:
    """One training step after the other on the batches of a case, in rotation.

    A subclass sets `batches`, in arrays of its own, before anything is timed.
    """

    name: str
    batches: list[tuple[Any, Any]]

    def __init__(self, case: Case) -> None:
        self.case = case
        self.stream = iter(())

    def rewind(self) -> None:
        """Begin again with the first batch."""
        self.stream = cycle(self.batches)

    def reset(self) -> None:
        """Go back to the weights, the optimiser's state and the batch of the beginning."""
        raise AssertionError(f"{self.name} has no reset")

    def step(self) -> Any:
        """Take one step, and return when it is done; the result is the loss."""
        raise AssertionError(f"{self.name} has no step")

    def weights(self) -> Weights:
        """Return the weights as they are now, as NumPy arrays with chainrule's names and shapes."""
        raise AssertionError(f"{self.name} has no weights")

    def after(self, steps: int) -> tuple[list[float], Weights]:
        """Return the losses of the first steps, and the weights after them."""
        self.reset()
        losses = [self.step().item() for _ in range(steps)]
        return losses, {name: np.array(w) for name, w in self.weights().items()}
