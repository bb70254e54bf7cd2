"""Training: the loop, its callbacks and history, evaluation, and files that hold a model whole."""

from .callbacks import BestWeights, Callback, EarlyStopping, Run, SaveCheckpoint
from .evaluate import confusion_matrix, evaluate, predict
from .fit import NonFiniteError, fit
from .history import History
from .modelfile import ModelFileError, ModelFileMissing
from .saving import Checkpoint, load, save

__all__ = [
    "BestWeights",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "ModelFileError",
    "ModelFileMissing",
    "NonFiniteError",
    "Run",
    "SaveCheckpoint",
    "confusion_matrix",
    "evaluate",
    "fit",
    "load",
    "predict",
    "save",
]
