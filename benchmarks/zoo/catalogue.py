"""All operations of the zoo, and the mistakes in them."""

from . import activations, attention, dense, images, normalised, simple
from .entry import Bug, Operation

OPERATIONS: tuple[Operation, ...] = (
    *dense.OPERATIONS,
    *activations.OPERATIONS,
    *normalised.OPERATIONS,
    *images.OPERATIONS,
    *attention.OPERATIONS,
    *simple.OPERATIONS,
)

PAIRS: tuple[tuple[Operation, Bug], ...] = tuple((op, bug) for op in OPERATIONS for bug in op.bugs)
