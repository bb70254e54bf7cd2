"""Data that are larger than memory, read in blocks while the network trains."""

from chainrule.data.streams.iterable import IterableDataset, IterableStream
from chainrule.data.streams.stream import MEMORY, Stream, stream
from chainrule.data.streams.streamed import Passage, Reading, Streamed

__all__ = ["MEMORY", "IterableDataset", "IterableStream", "Passage", "Reading", "Stream", "Streamed", "stream"]
