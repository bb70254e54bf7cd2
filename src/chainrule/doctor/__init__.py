"""Does the gradient flow, and which remedy works? The package itself is the function: `chainrule.doctor(model, …)`."""

from chainrule.core.callable_module import make_callable

from .consult import doctor
from .diagnosis import CODES, Diagnosis, Measured, Remedy, Verdict
from .measure import Layer
from .thresholds import DEFAULTS, Threshold

__all__ = [
    "CODES",
    "DEFAULTS",
    "Diagnosis",
    "Layer",
    "Measured",
    "Remedy",
    "Threshold",
    "Verdict",
    "doctor",
]

make_callable(__name__, "doctor")
