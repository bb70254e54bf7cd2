"""Pictures that were found, with their classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.schema import shortened


@dataclass(frozen=True, eq=False)
class Found:
    """Labelled pictures: `paths` [N], `labels` int64 [N], `class_names` [K].

    `is_held_out` [N] says which of them are the held-out part, if the data say so; `inferred` says how they were
    interpreted, one line for each fact, to be shown to the user. Pictures that are no files are in `array`, uint8
    `[N, C, H, W]`; then there are no paths.
    """

    name: str
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    is_held_out: NDArray[np.bool_] | None = None
    inferred: tuple[str, ...] = ()
    array: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.labels)


def check_counts(found: Found) -> None:
    """Raise DataError for a class with one picture, of which none can be held out."""
    counts = np.bincount(found.labels, minlength=len(found.class_names))
    if none := [name for name, count in zip(found.class_names, counts, strict=True) if count == 0]:
        raise DataError(f"{found.name}: no picture of the class {shortened(none)}; expected at least two of each")
    single = [name for name, count in zip(found.class_names, counts, strict=True) if count == 1]
    if single:
        raise DataError(
            f"{found.name}: one picture only of the class {shortened(single)}; expected at least two of each, since "
            "some are held out: add pictures, or remove the class"
        )
