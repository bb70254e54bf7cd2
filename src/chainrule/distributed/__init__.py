"""Several processes that train one model, each on its share of every batch, over MPI."""

from .data_parallel import DataParallel
from .launch import launched

__all__ = ["DataParallel", "launched"]
