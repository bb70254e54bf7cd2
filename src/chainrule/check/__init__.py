"""Is this gradient right, and if not, why and where? The package itself is the function: `chainrule.check(f, …)`."""

from chainrule.base.callable_module import make_callable

from .checker import check, examine
from .measuring.costs import Cost, cost
from .report.found import Finding
from .report.report import CheckReport
from .subjects.layers import check_layer
from .subjects.parameters import ParameterCheck, ParameterRow, check_parameters
from .subjects.subject import Subject
from .testing import assert_gradients

__all__ = [
    "CheckReport",
    "Cost",
    "Finding",
    "ParameterCheck",
    "ParameterRow",
    "Subject",
    "assert_gradients",
    "check",
    "check_layer",
    "check_parameters",
    "cost",
    "examine",
]

make_callable(__name__, "check")
