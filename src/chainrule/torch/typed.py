"""The constructors of older code, `torch.FloatTensor(data)` and its kind, one for each dtype."""

from typing import Any

import numpy as np

from . import dtypes
from .creation import tensor, zeros
from .face import Tensor


class _Typed(type):
    """A class whose instances are all tensors of one dtype."""

    dtype: Any

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype

    def __call__(cls, *data: Any, **_: Any) -> Any:
        if (len(data) == 1 and not isinstance(data[0], int | dtypes.Size)) or any(
            isinstance(x, np.ndarray) for x in data
        ):
            return tensor(data[0], dtype=cls.dtype)
        return zeros(*data, dtype=cls.dtype)


def _made(name: str, dtype: Any) -> Any:
    doc = f"Return a tensor of {dtype}: of data, or of zeros for sizes."
    return _Typed(name, (), {"dtype": dtype, "__doc__": doc, "__module__": __name__})


FloatTensor = _made("FloatTensor", dtypes.float32)
DoubleTensor = _made("DoubleTensor", dtypes.float64)
HalfTensor = _made("HalfTensor", dtypes.float16)
LongTensor = _made("LongTensor", dtypes.int64)
IntTensor = _made("IntTensor", dtypes.int32)
ShortTensor = _made("ShortTensor", dtypes.int16)
CharTensor = _made("CharTensor", dtypes.int8)
ByteTensor = _made("ByteTensor", dtypes.uint8)
BoolTensor = _made("BoolTensor", dtypes.bool_)
