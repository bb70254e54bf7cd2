"""Training one model in several processes over MPI, each on its share of every batch."""

from .data_parallel import DataParallel
from .launch import launched

__all__ = ["DataParallel", "launched"]
