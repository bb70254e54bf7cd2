"""Optimisers, schedules, clipping and weight averaging, with PyTorch's names and update rules."""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from . import lr_scheduler
from .adaptive import Adagrad, Adam, AdamW, RMSprop
from .clip import clip_grad_norm_, clip_grad_value_, scale_grads_
from .ema import EMA
from .optimizer import Optimizer
from .per_sample import clip_per_sample_
from .sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_per_sample_",
    "lr_scheduler",
    "scale_grads_",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__, "; PyTorch's other optimisers are in chainrule.torch.optim")
