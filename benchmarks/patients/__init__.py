"""Networks for `doctor_zoo.py`: sick ones, each made so in one known way, and healthy ones.

Where all layers are sick alike, the layer that is expected is the first.
"""

from . import built, fed, flow, healthy
from .parts import HEALTHY, SICK, Patient

__all__ = ["HEALTHY", "SICK", "Patient", "built", "fed", "flow", "healthy"]
