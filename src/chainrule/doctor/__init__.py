"""Does the gradient flow, and which remedy works? The package itself is the function: `chainrule.doctor(model, …)`."""

from chainrule.core.callable_module import make_callable

from .board import GradientBoard
from .callback import GradientWarning, GradientWatch
from .consult import doctor
from .diagnosis import CODES, Diagnosis, Measured, Remedy, Verdict
from .measure import Layer
from .nonfinite import NonFiniteOperation, detect_nonfinite
from .thresholds import DEFAULTS, Threshold

__all__ = [
    "CODES",
    "DEFAULTS",
    "Diagnosis",
    "GradientBoard",
    "GradientWarning",
    "GradientWatch",
    "Layer",
    "Measured",
    "NonFiniteOperation",
    "Remedy",
    "Threshold",
    "Verdict",
    "detect_nonfinite",
    "doctor",
]

make_callable(__name__, "doctor")
