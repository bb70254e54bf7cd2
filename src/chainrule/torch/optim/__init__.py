"""`torch.optim`: optimisers with parameter groups and PyTorch's state dicts, and learning-rate schedules."""

from chainrule.base.aliases import submodules

from ..missing import lacking as _lacking
from . import lr_scheduler, swa_utils
from .optimizer import Optimizer
from .optimizers import ASGD, LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
submodules(
    __name__, [name.lower() for name in __all__ if name not in ("Optimizer", "lr_scheduler", "swa_utils")], vars()
)

__getattr__ = _lacking(__name__)
