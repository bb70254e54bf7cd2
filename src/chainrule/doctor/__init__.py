"""Does the gradient flow, and which remedy works? The package itself is the function: `chainrule.doctor(model, …)`."""

from typing import TYPE_CHECKING

from chainrule.base.callable_module import make_callable
from chainrule.base.lacking import lacking

from .consult import doctor
from .diagnosis import Diagnosis
from .examine.measure import Layer
from .found import CODES, Measured, Remedy, Verdict
from .nonfinite import NonFiniteOperation, detect_nonfinite
from .verdicts.thresholds import DEFAULTS, Threshold
from .watch.callback import GradientWarning, GradientWatch
from .watch.tensorboard import GradientBoard

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

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
