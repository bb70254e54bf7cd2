"""One picture file → uint8 `[C, H, W]`, whatever its format, colours and orientation."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.optional import needed

FITS = ("crop", "stretch")
"""How a picture of another shape is fitted: cut at both sides, or stretched."""
MOST_SIDE = 512
"""The largest height and width that pictures are brought to."""
FORMATS = ("PNG", "JPEG", "WEBP")
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
"""Pillow's modes of pictures without colour."""
WHITE = 255
"""What is behind transparent pixels."""


class BadPicture(Exception):
    """A file that cannot be read as a picture; the message says why."""


@dataclass(frozen=True)
class Form:
    """What all pictures are brought to: height, width, 1 channel (grey) or 3 (RGB), and how other shapes are fitted.

    `fit` "crop" brings the shorter side to size and cuts the longer one on both sides alike; "stretch" brings both
    sides to size. Raises ValueError for anything else, and for sides outside 1 … 512.
    """

    height: int
    width: int
    channels: int
    fit: str = "crop"

    def __post_init__(self) -> None:
        if not (1 <= self.height <= MOST_SIDE and 1 <= self.width <= MOST_SIDE):
            raise ValueError(f"size: expected sides from 1 to {MOST_SIDE} pixels, got {self.height}×{self.width}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (RGB), got {self.channels}")
        if self.fit not in FITS:
            raise ValueError(f"fit: expected {' or '.join(FITS)}, got {self.fit!r}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width

    def __str__(self) -> str:
        return f"{self.height}×{self.width} {'grey' if self.channels == 1 else 'RGB'}"


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before it is decoded: its size as it is looked at, and whether it has colour."""

    height: int
    width: int
    is_grey: bool


@cache
def pillow() -> tuple[Any, Any]:
    """Return Pillow's `Image` and `ImageOps`; ImportError, with the command to run, if it is not installed."""
    command = "python -m pip install 'chainrule[pictures]'"
    needed("PIL", "reading pictures", command)
    return needed("PIL.Image", "", command), needed("PIL.ImageOps", "", command)


def read_header(path: Path) -> Header:
    """Return what a file says of its picture. Raises BadPicture, also for one of too many pixels."""
    with _opened(path) as image:
        width, height = image.size
        # Of a PNG, Pillow would decode the picture to look for an orientation behind it.
        has_exif = image.format != "PNG" or "exif" in image.info
        if has_exif and image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # turned by a quarter
            width, height = height, width
        return Header(height, width, image.mode in GREY_MODES or _has_grey_palette(image))


def decode(path: Path, form: Form) -> NDArray[np.uint8]:
    """Return a picture as uint8 `[C, H, W]` of a form.

    It is turned as its EXIF orientation says; transparent pixels are on white; palettes, CMYK and 16 bits become 8-bit
    grey or RGB; of an animation the first picture is taken. Grey is Rec. 601 luma.

    Raises BadPicture.
    """
    image_module, ops = pillow()
    with _opened(path) as image:
        # A JPEG decodes faster at a half, a quarter or an eighth of its size, as long as it is twice what is needed.
        image.draft(None, (2 * form.width, 2 * form.height))
        turned = ops.exif_transpose(image)
        plain = _on_white(turned, image_module).convert("L" if form.channels == 1 else "RGB")
        fitted = _fitted(plain, form, image_module)
        pixels = np.asarray(fitted, np.uint8)
    return np.ascontiguousarray(pixels[None] if form.channels == 1 else pixels.transpose(2, 0, 1))


def refitted(picture: NDArray[np.uint8], form: Form) -> NDArray[np.uint8]:
    """Return a picture `[C, H, W]` in another form, as `decode` would; as it is if it has that form already."""
    if picture.shape == form.shape:
        return picture
    image_module, _ = pillow()
    pixels = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    image = image_module.fromarray(pixels).convert("L" if form.channels == 1 else "RGB")
    found = np.asarray(_fitted(image, form, image_module), np.uint8)
    return np.ascontiguousarray(found[None] if form.channels == 1 else found.transpose(2, 0, 1))


def _fitted(image: Any, form: Form, image_module: Any) -> Any:
    size = (form.width, form.height)
    if image.size == size:
        return image
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if form.fit == "crop":
        wide = min(width, height * form.width / form.height)
        high = min(height, width * form.height / form.width)
        left, top = (width - wide) / 2, (height - high) / 2
        box = (left, top, left + wide, top + high)
    return image.resize(size, image_module.Resampling.BILINEAR, box)


def _on_white(image: Any, image_module: Any) -> Any:
    """Return a picture without transparency and with 8 bits."""
    if image.mode.startswith("I"):
        values = np.asarray(image, np.float64)
        return image_module.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8))
    if not ("A" in image.mode or "a" in image.mode or "transparency" in image.info):
        return image
    layered = image.convert("RGBA")
    ground = image_module.new("RGBA", layered.size, (WHITE, WHITE, WHITE, WHITE))
    return image_module.alpha_composite(ground, layered).convert("RGB")


def _has_grey_palette(image: Any) -> bool:
    if image.mode != "P":
        return False
    colours = np.asarray(image.getpalette() or [0, 0, 1], np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


class _opened:
    """Opens a picture for a block, in which any error is one of the file: decoders raise what they like."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Any:
        image_module = pillow()[0]
        try:
            self.image = image_module.open(self.path, formats=FORMATS)
        except Exception as error:
            raise BadPicture(_why(error, image_module)) from error
        most = image_module.MAX_IMAGE_PIXELS
        width, height = self.image.size
        if most is not None and width * height > most:
            self.image.close()
            raise BadPicture(f"has {width:,}×{height:,} pixels, and at most {most:,} are allowed")
        return self.image

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.image.close()
        if isinstance(error, Exception) and not isinstance(error, BadPicture):
            raise BadPicture(_why(error, pillow()[0])) from error


def _why(error: Exception, image_module: Any) -> str:
    if isinstance(error, image_module.UnidentifiedImageError):
        return "is not a PNG, JPEG or WebP picture"
    if isinstance(error, image_module.DecompressionBombError | image_module.DecompressionBombWarning):
        return f"has too many pixels, and at most {image_module.MAX_IMAGE_PIXELS:,} are allowed"
    return str(error).replace("\n", " ") or type(error).__name__
