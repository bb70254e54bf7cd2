"""Facts that a record states about its operation besides its mathematics, for the layers above.

Each has a default that is right for an operation about which nothing is known, such as one made by `chainrule.custom`.
Consumers ask the record (`op.moves`) and never compare names, so an operation is added in one file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar


class Role(Enum):
    """The purpose of an operation in a network."""

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
    """Where the elements of the result come from, for an operation that only moves elements."""

    SAME = "every element, in the same order"
    REORDERED = "every element, in another order"
    REPEATED = "every element, some of them several times"
    PICKED = "some of the elements"


class Flat(Enum):
    """The side on which the slope of a function of one number vanishes."""

    NOWHERE = "on neither"
    ZERO_LEFT = "on the left, where the function itself goes to zero"
    LEFT = "on the left, where the function goes to another constant, or on"
    RIGHT = "on the right"
    BOTH = "on both"

    @property
    def is_one_sided(self) -> bool:
        """Whether it is only the left side: a unit that stays there for every sample is dead."""
        return self in (Flat.LEFT, Flat.ZERO_LEFT)


@dataclass(frozen=True)
class ProofStep:
    """One line of the proof of a rule: what is done, in English, and the equation it leads to, in LaTeX.

    `chainrule.formula.chain` says how a line is checked. If its notation is for readers only, `check` returns the
    arrays that it claims to be equal, from the values by name and the settings.
    """

    title: str
    latex: str
    check: Callable[..., tuple[Any, Any]] | None = None


Proof = tuple[ProofStep, ...]


def proof(*lines: tuple[str, str]) -> Proof:
    """Return a proof from its lines: titles and equations."""
    return tuple(ProofStep(title, latex) for title, latex in lines)


class Complex(Enum):
    """What an operation does with complex numbers."""

    REFUSED = "it takes real numbers only"
    MADE = "it makes them of real numbers, and takes no others"
    HOLOMORPHIC = "it takes them, and its derivative is one complex number, as for a real function"
    REAL_LINEAR = "it takes them, and its derivative depends on the direction, as that of the conjugate and of |z| does"


class Facts:
    """The facts and their defaults."""

    # In a network

    role: ClassVar[Role | None] = None
    """The purpose of the operation in a network; None if it has no particular one."""
    moves: ClassVar[Moves | None] = None
    """How the operation moves elements, if it does nothing else; None if it computes."""
    picks: ClassVar[bool] = False
    """Whether it selects the value of one of several elements, which alone gets the gradient."""
    flat: ClassVar[Flat] = Flat.NOWHERE
    """Where its slope vanishes: there it saturates, and hardly any gradient passes."""
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The closed interval of its results."""
    poles: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """For an argument, the closed interval in which the result or its derivative is infinite or NaN."""

    # As a function

    on_complex: ClassVar[Complex] = Complex.REAL_LINEAR
    """What it does with complex numbers. A record refuses them unless it says that its rules hold for them."""
    is_free_in_phase: ClassVar[bool] = False
    """Whether complex results are determined only up to phases, so that differences between two calls mean nothing."""
    once: ClassVar[frozenset[str]] = frozenset()
    """The arguments with respect to which there is a first derivative and no second one."""
    is_shaped_by_values: ClassVar[bool] = False
    """Whether the shape of the result depends on the values of the arguments."""
    takes_anything: ClassVar[bool] = False
    """Whether an argument may be something other than an array, as in `x == None`."""

    # On paper

    symbol: ClassVar[str] = ""
    """Its symbol in a drawing; "" for its name."""
    is_inlined: ClassVar[bool] = False
    """Whether it is written inside a longer formula, like a sum or a product, without a line of its own."""
    letters: ClassVar[Mapping[str, str]] = {}
    """The textbook symbols of such a layer's parameters, by argument, and of its result, under "y", in LaTeX."""
    definitions: ClassVar[Mapping[str, str]] = {}
    """The formula of each value in `keeps` that a derivation names, in LaTeX."""
    of_complex: ClassVar[Mapping[str, str]] = {}
    """The formulas for complex numbers that differ from those for real ones, in LaTeX: of "primal" and of a rule."""
    of_missing: ClassVar[Mapping[tuple[str, ...], Mapping[str, str]]] = {}
    """The formulas of a call in which these arguments are None, in LaTeX: of "primal" and of a rule."""
    proofs: ClassVar[Mapping[str, Proof]] = {}
    """For an argument, the steps from definitions to the rule; a rule without a proof is taken as given."""

    # On a machine

    is_pointwise: ClassVar[bool] = False
    """Whether each element of the result is a function of one element of each argument, with broadcasting."""
    element: ClassVar[Callable[..., Any] | None] = None
    """A form of `primal` for one number in a generated loop, if that for arrays is slower or cannot be traced."""
    cost: ClassVar[int] = 1
    """The rough cost per element, relative to an addition."""
    stacked: ClassVar[Callable[..., Any] | None] = None
    """The call on stacks of arguments, a `chainrule.core.transforms.batch.StackRule`.

    Elementwise operations need none; others without one are applied row by row.
    """
    of_rows: ClassVar[Callable[..., Any] | None] = None
    """The same function where a setting, such as an index, differs between the rows of a `vmap`; None if none does."""
    touches: ClassVar[Callable[..., Any] | None] = None
    """Which elements each element of the result depends on, a `chainrule.core.transforms.pattern.Touches`.

    Pointwise operations, those along an `axis`, and linear ones that pick elements need none; others without one count
    as dense.
    """
    all_adjoints: ClassVar[Callable[..., Any] | None] = None
    """The cotangents of all differentiable arguments in one pass, if that is faster: `(y_bar, *residuals)`."""
    eager_adjoints: ClassVar[Callable[..., Any] | None] = None
    """The same for code that is not compiled, of plain arrays: None from it means that each rule is to be called."""
    primal_and_adjoint: ClassVar[Callable[..., Any] | None] = None
    """The result and the cotangent of its one differentiable argument in one pass: `(*arguments, y_bar)`."""
    recomputing: ClassVar[Callable[..., Any] | None] = None
    """The operation that compiled programs run instead, which has the same result and gradients but keeps less.

    `(arguments, examples, settings)`: the operation with its arguments and settings, or None where it would be slower.
    """
