"""What the tests of model files share: arrays and a sample to write, and what a refusal looks like."""

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.train.saved.modelfile import ModelFileError, read_arrays

CODES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
DTYPES = [order + code for code in CODES for order in "<>"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NAMES = st.text(max_size=8).filter(lambda name: name != "__metadata__")
META = st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=3)
ARRAYS = st.dictionaries(NAMES, st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, SHAPES)), max_size=4)

SAMPLE = {
    "layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "layer.bias": np.array(0.5),
    "mask": np.array([True, False, True]),
    "none": np.zeros((0, 4), np.int16),
}
META_SAMPLE = {"epoch": "7", "이름": "모델"}


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal to the bit, NaN payloads included, whatever the byte order."""
    left, right = (array.astype(array.dtype.newbyteorder("<")) for array in (left, right))
    return (left.shape, left.dtype, left.tobytes()) == (right.shape, right.dtype, right.tobytes())


def all_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)


def packed(header: object, data: bytes = b"") -> bytes:
    """A safetensors file with this header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refused(path: Path) -> str:
    """Read, expect the refusal and its four parts: the path, what came, what was expected, the next step."""
    with pytest.raises(ModelFileError) as caught:
        read_arrays(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "; expected " in message
    assert message.endswith(".")
    return message


@contextmanager
def allocating_at_most(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= limit
