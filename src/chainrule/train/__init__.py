"""Training: the loop, its callbacks and history, evaluation, and files that hold a model whole."""

from .callbacks import BestWeights, Callback, EarlyStopping, Run, SaveCheckpoint
from .evaluation import confusion_matrix, evaluate, predict
from .history import History
from .loop import NonFiniteError, fit
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
