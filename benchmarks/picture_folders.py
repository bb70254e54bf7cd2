"""Fashion-MNIST as PNG files in folders, for `chainrule train FOLDER`: train/CLASS/NUMBER.png, test/CLASS/NUMBER.png.

    python benchmarks/picture_folders.py FOLDER [--idx /usr/share/datasets/fashion-mnist] [--each 600]

The IDX files are those of Debian's package dataset-fashion-mnist. With `--each`, only the first so many pictures of
each class are written to each part.
"""

import argparse
from pathlib import Path

import numpy as np

from chainrule import data

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
PARTS = {"train": "train", "test": "t10k"}


def write(folder: Path, idx: Path, each: int | None) -> int:
    """Write the pictures of both parts; return how many."""
    from PIL import Image

    written = 0
    for part, prefix in PARTS.items():
        found = data.load(idx / f"{prefix}-images-idx3-ubyte.gz")
        pictures = found.x.reshape(-1, 28, 28).astype(np.uint8)
        for k, name in enumerate(CLASSES):
            place = folder / part / name
            place.mkdir(parents=True, exist_ok=True)
            for i in np.flatnonzero(found.y == k)[:each]:
                Image.fromarray(pictures[i]).save(place / f"{i:05d}.png")
                written += 1
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--idx", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--each", type=int)
    options = parser.parse_args()
    print(f"{write(options.folder, options.idx, options.each):,} pictures: {options.folder}")


if __name__ == "__main__":
    main()
