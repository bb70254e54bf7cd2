"""Small images as PNG inside a page."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from .html import Markup, tag


def grey_image(pixels: NDArray[np.floating], said: str) -> Markup:
    """Return a matrix as an image, its least value white and its greatest black, with what it shows in words.

    >>> grey_image(np.eye(2), "a diagonal")[:22]
    '<img src="data:image/p'
    """
    least, most = float(np.min(pixels)), float(np.max(pixels))
    return image(np.round(255 * (most - pixels) / ((most - least) or 1.0)).astype(np.uint8), said)


def image(pixels: NDArray[np.uint8], said: str) -> Markup:
    """Return grey pixels `[H, W]` or RGB pixels `[H, W, 3]` as an image, 0 black and 255 white.

    >>> image(np.zeros((2, 2, 3), np.uint8), "all black")[:22]
    '<img src="data:image/p'
    """
    height, width = pixels.shape[:2]
    colours = 0 if pixels.ndim == 2 else 2
    # Each row begins with its filter, none.
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)]).tobytes()
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)
    return tag("img", src=f"data:image/png;base64,{base64.b64encode(png).decode()}", alt=said)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
