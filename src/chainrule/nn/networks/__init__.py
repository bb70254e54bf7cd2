"""Whole networks, ready to be trained: small enough for a processor without an accelerator.

Each is a short module whose last layer is called `head`.
"""

from .convolutional import ConvNet
from .perceptron import Perceptron
from .residual import ResNet
from .transformer import VisionTransformer

__all__ = ["ConvNet", "Perceptron", "ResNet", "VisionTransformer"]
