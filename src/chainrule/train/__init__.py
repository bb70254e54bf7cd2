"""Training: the loop, its callbacks and history, evaluation, and complete model files."""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .callbacks import (
    AverageWeights,
    BestWeights,
    Callback,
    CheckpointWarning,
    EarlyStopping,
    GradientFlow,
    Run,
    SaveCheckpoint,
)
from .evaluation import confusion_matrix, evaluate, predict
from .event_file import EventFile
from .history import History
from .logs import CSVLog, ProgressBar, TensorBoard
from .loop import NonFiniteError, fit
from .saved.modelfile import ModelFileError, ModelFileMissing
from .saved.saving import Checkpoint, load, save

__all__ = [
    "AverageWeights",
    "BestWeights",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointWarning",
    "EarlyStopping",
    "EventFile",
    "GradientFlow",
    "History",
    "ModelFileError",
    "ModelFileMissing",
    "NonFiniteError",
    "ProgressBar",
    "Run",
    "SaveCheckpoint",
    "TensorBoard",
    "confusion_matrix",
    "evaluate",
    "fit",
    "load",
    "predict",
    "save",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
