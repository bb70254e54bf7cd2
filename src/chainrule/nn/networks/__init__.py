"""Whole networks, made of the layers of `chainrule.nn`: small enough for a processor without an accelerator."""

from .convolutional import ConvNet
from .forecaster import Forecaster
from .generation import Reader, expected, generate
from .language import LanguageModel
from .perceptron import Perceptron
from .residual import ResNet
from .transformer import VisionTransformer

__all__ = [
    "ConvNet",
    "Forecaster",
    "LanguageModel",
    "Perceptron",
    "Reader",
    "ResNet",
    "VisionTransformer",
    "expected",
    "generate",
]
