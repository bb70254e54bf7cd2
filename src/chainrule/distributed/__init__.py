"""Training one model in several processes over MPI, each on its share of every batch."""

from .data_parallel import DataParallel, launched

__all__ = ["DataParallel", "launched"]
