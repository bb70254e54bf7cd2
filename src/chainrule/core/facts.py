"""What a record states about its operation besides its mathematics: facts that the layers above ask for.

Each has a default that is right for an operation of which nothing is known, such as one made by `chainrule.custom`. A
consumer asks the record (`op.moves`), never its name, so an operation is added in one file.
"""

import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar


class Role(Enum):
    """What an operation is there for in a network."""

    DENSE = "the product with a layer's weights"
    CONVOLUTION = "the product with a layer's kernels"
    BIAS = "a sum, such as that with a layer's bias"
    NORM = "a normalisation"
    ACTIVATION = "the function of a layer's sums"
    ATTENTION = "attention, with its softmax inside"
    SOFTMAX = "a softmax, its logarithm or its normaliser"
    SOFTMAX_LOSS = "a loss of logits, with its softmax inside"
    SIGMOID_LOSS = "a loss of logits, with its sigmoid inside"
    STEP = "a step function: its derivative is zero or does not exist"


class Moves(Enum):
    """Where the elements of the result come from, for an operation that only moves them."""

    SAME = "every element, in the same order"
    REORDERED = "every element, in another order"
    REPEATED = "every element, some of them several times"
    PICKED = "some of the elements"


class Flat(Enum):
    """On which side the slope of a function of one number dies away."""

    NOWHERE = "on neither"
    ZERO_LEFT = "on the left, where the function itself goes to zero"
    LEFT = "on the left, where the function goes to another constant, or on"
    RIGHT = "on the right"
    BOTH = "on both"

    @property
    def is_one_sided(self) -> bool:
        """Whether it is the left side alone: a unit that stays there for every sample is dead."""
        return self in (Flat.LEFT, Flat.ZERO_LEFT)


class Facts:
    """The facts and their defaults."""

    # In a network

    role: ClassVar[Role | None] = None
    """What the operation is there for in a network; None for no certain purpose."""
    moves: ClassVar[Moves | None] = None
    """How the operation moves elements, if it does nothing else; None where it computes."""
    picks: ClassVar[bool] = False
    """Whether it passes the value of one element of several on, and the gradient to that one."""
    flat: ClassVar[Flat] = Flat.NOWHERE
    """Where its slope dies away: there it saturates, and little gradient passes."""
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The closed interval that its results lie in."""
    poles: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """For an argument, the closed interval in which the result or its derivative is infinite or NaN."""

    # As a function

    is_shaped_by_values: ClassVar[bool] = False
    """Whether the shape of the result depends on the values of the arguments."""
    takes_anything: ClassVar[bool] = False
    """Whether an argument may be no array at all, as `x == None` may ask."""

    # On paper

    symbol: ClassVar[str] = ""
    """What stands for it in a drawing; "" for its name."""
    is_inlined: ClassVar[bool] = False
    """Whether it is written inside a longer formula, as a sum and a product are, and needs no line of its own."""
    letters: ClassVar[Mapping[str, str]] = {}
    """What a textbook calls the parameters of such a layer, by argument, and under "y" its result, in LaTeX."""
    definitions: ClassVar[Mapping[str, str]] = {}
    """The formula of each value in `keeps` that a derivation names, in LaTeX."""

    # On a machine

    is_pointwise: ClassVar[bool] = False
    """Whether each element of the result is a function of one element of each argument, with broadcasting."""
    element: ClassVar[Callable[..., Any] | None] = None
    """A form of `primal` for one number in a generated loop, where that of arrays is slower or cannot be followed."""
    cost: ClassVar[int] = 1
    """What an element costs relative to a sum, roughly."""
    stacked: ClassVar[Callable[..., Any] | None] = None
    """The call on stacks of arguments, a `chainrule.core.transforms.batch.StackRule`.

    Operations on elements need none; others without one are applied to one row after the other.
    """
    all_adjoints: ClassVar[Callable[..., Any] | None] = None
    """The cotangents of all differentiable arguments in one pass, where that is faster: `(y_bar, *residuals)`."""
    primal_and_adjoint: ClassVar[Callable[..., Any] | None] = None
    """The result and the cotangent of its one differentiable argument in one pass: `(*arguments, y_bar)`."""
