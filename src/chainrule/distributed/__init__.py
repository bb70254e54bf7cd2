"""Training one model in several processes over MPI, each on its share of every batch."""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .data_parallel import DataParallel, launched

__all__ = ["DataParallel", "launched"]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
