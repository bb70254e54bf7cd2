"""The laws that every operation of chainrule obeys, by name.

A law is a function `law(op, case, rng)` that raises an AssertionError naming the operation, the case, the argument and
what was expected. Importing this module gathers them all in `LAWS`.
"""

from . import array_laws, complex_laws, derivative_laws, formula_laws, record_laws
from .law import LAWS, Law

__all__ = ["LAWS", "Law", "array_laws", "complex_laws", "derivative_laws", "formula_laws", "record_laws"]
