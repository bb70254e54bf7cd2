"""Event files that TensorBoard reads, written without TensorBoard.

A file is a sequence of TFRecords, each of them one `Event` message in Protocol Buffers' wire format.

- A TFRecord: the length as a little-endian uint64, the masked CRC-32C of these 8 bytes as a uint32, the data, and their
  masked CRC-32C. TensorFlow, tensorflow/core/lib/io/record_writer.h; the mask is that of crc32c.h.
- CRC-32C: the polynomial of Castagnoli, reflected, as in RFC 3720, appendix B.4.
- Event: `double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5`, and a Summary is a list
  `repeated Value value = 1` of `string tag = 1` with one of `float simple_value = 2; HistogramProto histo = 5;
  TensorProto tensor = 8`: tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto. The first event
  of a file has the version "brain.Event:2".
- HistogramProto: `double min = 1, max = 2, num = 3, sum = 4, sum_squares = 5; repeated double bucket_limit = 6,
  bucket = 7`, both packed; a limit is the right end of its bucket: tensorflow/core/framework/histogram.proto.
- A text is a tensor of strings, `DataType dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8`,
  whose value says, as `SummaryMetadata metadata = 9`, that the plugin "text" shows it.
- The wire format: https://protobuf.dev/programming-guides/encoding/.
"""

import math
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

_VERSION = "brain.Event:2"
_POLYNOMIAL = 0x82F63B78
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
"""Wire types."""
_STRING = 7
"""TensorFlow's number of the type of strings, DT_STRING."""

_files = count()


def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for remainder in range(256):
        for _ in range(8):
            remainder = (remainder >> 1) ^ (polynomial if remainder & 1 else 0)
        entries.append(remainder)
    return tuple(entries)


_TABLE = _table(_POLYNOMIAL)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = _TABLE[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def _checksum(data: bytes) -> bytes:
    value = crc32c(data)
    rotated = (value >> 15) | (value << 17)
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """Return a TFRecord."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _varint(value: int) -> bytes:
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _field(number: int, wire: int, content: bytes) -> bytes:
    key = _varint(number << 3 | wire)
    return key + (_varint(len(content)) if wire == _BYTES else b"") + content


@dataclass(frozen=True)
class Histogram:
    """Binned values: `counts[k]` of them lie between `edges[k]` and `edges[k + 1]`.

    `number`, `sum` and `squares` are how many there are, their sum and the sum of their squares.
    """

    counts: Sequence[float]
    edges: Sequence[float]
    number: float
    sum: float
    squares: float

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1 or not self.counts:
            raise ValueError(
                f"Histogram: expected one edge more than counts, and at least one count; got {len(self.edges)} edges "
                f"and {len(self.counts)} counts"
            )

    @classmethod
    def of(cls, values: Any, buckets: int = 30) -> "Histogram | None":
        """Count an array's finite values in buckets of equal width; None if there are none.

        >>> import numpy as np
        >>> found = Histogram.of(np.array([0.0, 0.1, 0.9, 1.0, np.nan]), buckets=2)
        >>> found.counts, found.edges, found.number
        ([2, 2], [0.0, 0.5, 1.0], 4)
        """
        import numpy as np

        flat = np.asarray(values, np.float64).ravel()
        flat = flat[np.isfinite(flat)]
        if flat.size == 0:
            return None
        counts, edges = np.histogram(flat, buckets)
        return cls(counts.tolist(), edges.tolist(), flat.size, float(flat.sum()), float(flat @ flat))


def event(
    step: int,
    values: Mapping[str, float],
    wall_time: float,
    version: str | None = None,
    histograms: Mapping[str, Histogram] | None = None,
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """Return an `Event` message with scalars, histograms and texts by tag, or with the file's version."""
    parts = [_field(1, _DOUBLE, struct.pack("<d", wall_time)), _field(2, _VARINT, _varint(step))]
    if version is not None:
        parts.append(_field(3, _BYTES, version.encode()))
    found = [(tag, _field(2, _FLOAT, _float(value))) for tag, value in values.items()]
    found += [(tag, _field(5, _BYTES, _histogram(histogram))) for tag, histogram in (histograms or {}).items()]
    found += [(tag, _text(text)) for tag, text in (texts or {}).items()]
    if found:
        named = (_field(1, _BYTES, _field(1, _BYTES, tag.encode()) + value) for tag, value in found)
        parts.append(_field(5, _BYTES, b"".join(named)))
    return b"".join(parts)


def _float(value: float) -> bytes:
    """Return a number as float32; one too large for it becomes infinite."""
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _histogram(histogram: Histogram) -> bytes:
    numbers = (histogram.edges[0], histogram.edges[-1], histogram.number, histogram.sum, histogram.squares)
    lists = (histogram.edges[1:], histogram.counts)
    parts = [_field(k, _DOUBLE, struct.pack("<d", x)) for k, x in enumerate(numbers, 1)]
    return b"".join(parts + [_field(k, _BYTES, struct.pack(f"<{len(x)}d", *x)) for k, x in enumerate(lists, 6)])


def _text(text: str) -> bytes:
    shape = _field(2, _BYTES, _field(1, _VARINT, _varint(1)))
    tensor = _field(1, _VARINT, _varint(_STRING)) + _field(2, _BYTES, shape) + _field(8, _BYTES, text.encode())
    plugin = _field(1, _BYTES, _field(1, _BYTES, b"text"))
    return _field(8, _BYTES, tensor) + _field(9, _BYTES, plugin)


class EventFile:
    """A new event file in a folder, created if needed. Each `write` is on disk when it returns.

    >>> with EventFile("runs/a") as file:
    ...     file.write(1, {"loss": 0.5})
    >>> file.path.name.startswith("events.out.tfevents.")
    True
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        now = time.time()
        Path(folder).mkdir(parents=True, exist_ok=True)
        unique = f"{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_files)}"
        self.path = Path(folder) / f"events.out.tfevents.{unique}"
        self._file = self.path.open("xb")
        self._append([event(0, {}, now, _VERSION)])

    def write(
        self,
        step: int,
        values: Mapping[str, float],
        wall_time: float | None = None,
        histograms: Mapping[str, Histogram] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Write one number for each tag, at a step (an epoch, a batch) of at least 0; at `wall_time`, or now.

        `histograms` and `texts` (Markdown) are written along with them, under tags of their own.
        """
        now = time.time() if wall_time is None else wall_time
        self._append([event(step, values, now, None, histograms, texts)])

    def _append(self, events: Iterable[bytes]) -> None:
        self._file.write(b"".join(map(record, events)))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "EventFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
