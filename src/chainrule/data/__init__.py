"""Data sets and loaders.

:func:`load` reads a named data set or a file, :func:`stream` files that need not fit into memory; :class:`DataLoader`
iterates over either in batches.
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking
from chainrule.data.checks import DataError
from chainrule.data.dataset import ArrayDataset, Data
from chainrule.data.imputer import Imputer
from chainrule.data.loader import DataLoader
from chainrule.data.named import load, load_as, load_features
from chainrule.data.reading import Reading
from chainrule.data.sampler import StratifiedSampler, WeightedSampler
from chainrule.data.schema import Feature, Schema
from chainrule.data.standardizer import Standardizer
from chainrule.data.statistics import Counts, Faults, Moments
from chainrule.data.streams import IterableDataset, Stream, stream
from chainrule.data.text import TextDataset

__all__ = [
    "ArrayDataset",
    "Counts",
    "Data",
    "DataError",
    "DataLoader",
    "Faults",
    "Feature",
    "Imputer",
    "IterableDataset",
    "Moments",
    "Reading",
    "Schema",
    "Standardizer",
    "StratifiedSampler",
    "Stream",
    "TextDataset",
    "WeightedSampler",
    "load",
    "load_as",
    "load_features",
    "stream",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(
        __name__, "; DataLoader((x, y)) takes arrays; PyTorch's other names are in chainrule.torch.utils.data"
    )
