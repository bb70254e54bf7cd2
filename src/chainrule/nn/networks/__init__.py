"""Whole networks, made of the layers of `chainrule.nn`."""

from .generation import Reader, expected, generate
from .language import LanguageModel

__all__ = ["LanguageModel", "Reader", "expected", "generate"]
