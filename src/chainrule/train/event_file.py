"""Event files that TensorBoard reads, written without TensorBoard.

A file is a sequence of TFRecords, each of them one `Event` message in Protocol Buffers' wire format.

- A TFRecord: the length as a little-endian uint64, the masked CRC-32C of these 8 bytes as a uint32, the data, and their
  masked CRC-32C. TensorFlow, tensorflow/core/lib/io/record_writer.h; the mask is that of crc32c.h.
- CRC-32C: the polynomial of Castagnoli, reflected, as in RFC 3720, appendix B.4.
- Event: `double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5`, and a Summary is a list
  `repeated Value value = 1` of `string tag = 1; float simple_value = 2`: tensorflow/core/util/event.proto and
  tensorflow/core/framework/summary.proto. The first event of a file has the version "brain.Event:2".
- The wire format: https://protobuf.dev/programming-guides/encoding/.
"""

import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

_VERSION = "brain.Event:2"
_POLYNOMIAL = 0x82F63B78
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
"""Wire types."""

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


def event(step: int, values: Mapping[str, float], wall_time: float, version: str | None = None) -> bytes:
    """Return an `Event` message with scalars by tag, or with the file's version."""
    parts = [_field(1, _DOUBLE, struct.pack("<d", wall_time)), _field(2, _VARINT, _varint(step))]
    if version is not None:
        parts.append(_field(3, _BYTES, version.encode()))
    if values:
        scalars = (
            _field(1, _BYTES, tag.encode()) + _field(2, _FLOAT, struct.pack("<f", value))
            for tag, value in values.items()
        )
        parts.append(_field(5, _BYTES, b"".join(_field(1, _BYTES, scalar) for scalar in scalars)))
    return b"".join(parts)


class EventFile:
    """A new event file in a folder, which is made if it is not there. Each `write` is on disk when it returns.

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

    def write(self, step: int, values: Mapping[str, float], wall_time: float | None = None) -> None:
        """Write one number for each tag, at a step (an epoch, a batch) of at least 0; at `wall_time`, or now."""
        self._append([event(step, values, time.time() if wall_time is None else wall_time)])

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
