"""Whole networks, made of the layers of `chainrule.nn`."""

from .forecaster import Forecaster
from .generation import Reader, expected, generate
from .language import LanguageModel

__all__ = ["Forecaster", "LanguageModel", "Reader", "expected", "generate"]
