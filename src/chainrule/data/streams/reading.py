"""Files read by the schema of a network, block by block and without a pass before."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.data.schema import Schema
from chainrule.data.streams.encode import Encoder
from chainrule.data.streams.files import Files, Paths
from chainrule.data.streams.stream import MEMORY


def features_in_blocks(source: Paths, schema: Schema, memory: int = MEMORY) -> Iterator[NDArray[np.float64]]:
    """Yield the features [N, n] that a network takes, as :func:`load_features` reads them, a block at a time.

    Raises :class:`DataError` as that does; an unknown text or a value that cannot be used is found at its block.
    """
    files = Files(source, schema.target, memory // 16, schema, needs_target=False, encoding=schema.reading.encoding)
    schema.check_columns(files.name, files.names, with_target=False)
    encoder = Encoder(files.name, schema)
    for _, content in files.scanned(encoder.texts):
        yield encoder.features(content)
