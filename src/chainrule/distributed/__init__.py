"""Several processes that train one model, each on its share of every batch, over MPI."""

from .data_parallel import DataParallel, launched

__all__ = ["DataParallel", "launched"]
