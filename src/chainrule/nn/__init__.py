"""Neural networks: modules composed of chainrule's operations, and the functions behind them."""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from . import functional, init
from .attention import MultiheadAttention, TransformerBlock
from .classic import NeuralNetwork, backprop
from .containers import ModuleList, Residual, Sequential
from .convolutions import Conv1d, Conv2d
from .dropout import Dropout
from .function import (
    ELU,
    GELU,
    AvgPool1d,
    AvgPool2d,
    BCELoss,
    BCEWithLogitsLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    LeakyReLU,
    MarginRankingLoss,
    MaxPool1d,
    MaxPool2d,
    MSELoss,
    MultiMarginLoss,
    NLLLoss,
    PoissonNLLLoss,
    ReLU,
    Sigmoid,
    SiLU,
    SmoothL1Loss,
    SoftMarginLoss,
    Softmax,
    Softplus,
    Tanh,
    TripletMarginLoss,
)
from .hooks import HookHandle
from .layers import Embedding, Flatten, Linear
from .module import Module
from .norms import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from .parameter import Parameter
from .recurrent import GRU, LSTM, RNN
from .summary import Summary, summary

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNLLLoss",
    "GroupNorm",
    "HingeEmbeddingLoss",
    "HookHandle",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "MarginRankingLoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "MultiMarginLoss",
    "MultiheadAttention",
    "NLLLoss",
    "NeuralNetwork",
    "Parameter",
    "PoissonNLLLoss",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "TransformerBlock",
    "TripletMarginLoss",
    "backprop",
    "functional",
    "init",
    "summary",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__, "; PyTorch's other layers and losses are in chainrule.torch.nn")
