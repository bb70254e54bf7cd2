"""Networks: modules that compose chainrule's operations, and the functions behind them."""

from . import functional, init
from .classic import NeuralNetwork, backprop
from .containers import ModuleList, Residual, Sequential
from .dropout import Dropout
from .function import (
    ELU,
    GELU,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    LeakyReLU,
    MSELoss,
    NLLLoss,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .layers import Embedding, Flatten, LayerNorm, Linear, RMSNorm
from .module import Module
from .parameter import Parameter

__all__ = [
    "ELU",
    "GELU",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "Module",
    "ModuleList",
    "NLLLoss",
    "NeuralNetwork",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "backprop",
    "functional",
    "init",
]
