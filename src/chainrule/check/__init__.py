"""Is this gradient right? Gradients held against numerical differentiation, and what they cost."""

from .costs import Cost, cost
from .parameters import ParameterCheck, ParameterRow, check_parameters

__all__ = ["Cost", "ParameterCheck", "ParameterRow", "check_parameters", "cost"]
