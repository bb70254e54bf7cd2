"""Random changes of training pictures that leave their class as it is: mirroring, shifting, cutting out.

A step's changes are drawn from the seed, the epoch and the number of the batch alone, so a resumed training sees the
same pictures as one that was never interrupted, and several processes see shares of the same batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

LEVELS = ("none", "light", "strong")
"""How much training pictures are changed."""
SIDES = frozenset({"left", "right"})


class Draw(NamedTuple):
    """What is done to each picture of a batch, integers and booleans `[B]`."""

    mirrored: NDArray[np.bool_]
    down: NDArray[np.int64]
    across: NDArray[np.int64]
    hole_row: NDArray[np.int64]
    hole_column: NDArray[np.int64]

    def part(self, those: slice) -> "Draw":
        """Return the draw of some of the pictures."""
        integers = (values[those] for values in (self.down, self.across, self.hole_row, self.hole_column))
        return Draw(self.mirrored[those], *integers)


@dataclass(frozen=True)
class Augmentation:
    """Which changes are made to pictures `[B, C, H, W]`, and how large they may be.

    - `mirror`: half of the pictures are mirrored, left to right.
    - `shift`: each is shifted by up to so many pixels in both directions, which is a random crop of the picture with
      its edge repeated around it.
    - `hole`: a square with sides of so many pixels is cut out at a random place, partly outside the picture at its
      edge. Source: DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).

    >>> change = Augmentation(mirror=True, shift=0, hole=0)
    >>> pictures = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    >>> draw = change.draw(np.random.default_rng(1), 2, (2, 2))
    >>> draw.mirrored.tolist(), change.apply(pictures, draw, fill=[0]).tolist()
    ([False, True], [[[[0, 1], [2, 3]]], [[[5, 4], [7, 6]]]])
    """

    mirror: bool = False
    shift: int = 0
    hole: int = 0

    @property
    def is_none(self) -> bool:
        """Whether pictures stay as they are."""
        return self == Augmentation()

    def draw(self, rng: np.random.Generator, count: int, size: Sequence[int]) -> Draw:
        """Draw the changes of `count` pictures of a size (height, width). Each is drawn, whether or not it is used."""
        height, width = size[-2:]
        mirrored = rng.integers(0, 2, count).astype(bool) & self.mirror
        down, across = rng.integers(0, 2 * self.shift + 1, (2, count))
        return Draw(mirrored, down, across, rng.integers(0, height, count), rng.integers(0, width, count))

    def apply(self, pictures: NDArray[np.uint8], draw: Draw, fill: Sequence[int]) -> NDArray[np.uint8]:
        """Return changed copies of uint8 pictures `[B, C, H, W]`; holes get the value `fill [C]` of their channel."""
        changed = self._shifted(pictures, draw)
        changed[draw.mirrored] = changed[draw.mirrored, :, :, ::-1]
        if self.hole:
            rows, columns = (
                np.abs(np.arange(size) - middle[:, None] + 0.25) <= self.hole / 2  # an even side has no middle pixel
                for size, middle in zip(pictures.shape[2:], (draw.hole_row, draw.hole_column), strict=True)
            )
            hole = rows[:, None, :, None] & columns[:, None, None, :]
            changed = np.where(hole, np.asarray(fill, np.uint8)[:, None, None], changed)
        return changed

    def _shifted(self, pictures: NDArray[np.uint8], draw: Draw) -> NDArray[np.uint8]:
        if not self.shift:
            return pictures.copy()
        sides = (self.shift, self.shift)
        around = np.pad(pictures, ((0, 0), (0, 0), sides, sides), mode="edge")
        windows = sliding_window_view(around, pictures.shape[2:], axis=(2, 3))
        moved: NDArray[np.uint8] = windows[np.arange(len(pictures)), :, draw.down, draw.across]
        return moved

    def __str__(self) -> str:
        """Describe the changes in words."""
        parts = [
            *(["mirrored"] if self.mirror else []),
            *([f"shifted by up to {self.shift} pixel{'s' * (self.shift > 1)}"] if self.shift else []),
            *([f"with a hole of {self.hole}×{self.hole} pixels"] if self.hole else []),
        ]
        return ", ".join(parts) or "unchanged"


def augmentation(level: str, size: Sequence[int], class_names: Sequence[str]) -> Augmentation:
    """Return the changes of a level for pictures of a size (height, width) and these classes.

    "light" mirrors and shifts by a twelfth of the shorter side; "strong" shifts by an eighth and cuts a hole of a third
    of the side; "none" changes nothing. Pictures whose class would change are not mirrored (`can_be_mirrored`).

    Raises ValueError for another level.

    >>> print(augmentation("light", (28, 28), ["shoe", "shirt"]))
    mirrored, shifted by up to 2 pixels
    """
    if level not in LEVELS:
        raise ValueError(f"--augment: expected {', '.join(LEVELS[:-1])} or {LEVELS[-1]}, got {level!r}")
    if level == "none":
        return Augmentation()
    side, is_strong = min(size[-2:]), level == "strong"
    return Augmentation(can_be_mirrored(class_names), max(1, side // (8 if is_strong else 12)), side // 3 * is_strong)


def can_be_mirrored(class_names: Sequence[str]) -> bool:
    """Whether a mirrored picture keeps its class, as far as the names of the classes tell.

    Digits and letters do not (their names are single characters), nor do numbers, nor what is left or right.

    >>> can_be_mirrored(["cat", "dog"]), can_be_mirrored(["3", "8"]), can_be_mirrored(["turn left", "stop"])
    (True, False, False)
    """
    if all(len(name) == 1 or name.isdecimal() for name in class_names):
        return False
    words = {word for name in class_names for word in name.lower().replace("_", " ").replace("-", " ").split()}
    return not words & SIDES
