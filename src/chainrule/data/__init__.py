"""Data sets and loaders.

:func:`load` reads a named data set or a file; :class:`DataLoader` iterates over it in batches.
"""

from chainrule.data.checks import DataError
from chainrule.data.dataset import ArrayDataset, Data
from chainrule.data.imputer import Imputer
from chainrule.data.loader import DataLoader
from chainrule.data.named import load, load_as, load_features
from chainrule.data.reading import Reading
from chainrule.data.sampler import StratifiedSampler, WeightedSampler
from chainrule.data.schema import Feature, Schema
from chainrule.data.standardizer import Standardizer
from chainrule.data.text import TextDataset

__all__ = [
    "ArrayDataset",
    "Data",
    "DataError",
    "DataLoader",
    "Feature",
    "Imputer",
    "Reading",
    "Schema",
    "Standardizer",
    "StratifiedSampler",
    "TextDataset",
    "WeightedSampler",
    "load",
    "load_as",
    "load_features",
]
