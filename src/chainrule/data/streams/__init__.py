"""Data that are larger than memory, read in blocks while the network trains."""

from chainrule.data.streams.files import FORMS
from chainrule.data.streams.iterable import IterableDataset, IterableStream
from chainrule.data.streams.large import LARGE, is_large, streamable
from chainrule.data.streams.reading import features_in_blocks
from chainrule.data.streams.stream import MEMORY, Stream, stream
from chainrule.data.streams.streamed import Passage, Reading, Streamed

__all__ = [
    "FORMS",
    "LARGE",
    "MEMORY",
    "IterableDataset",
    "IterableStream",
    "Passage",
    "Reading",
    "Stream",
    "Streamed",
    "features_in_blocks",
    "is_large",
    "stream",
    "streamable",
]
