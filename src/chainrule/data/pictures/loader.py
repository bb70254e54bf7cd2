"""Batches of pictures as a network takes them: changed at random for training, normalised, float32."""

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.dataset import Array
from chainrule.data.loader import Batch, DataLoader, ahead, share
from chainrule.data.pictures.augment import Augmentation, Draw
from chainrule.data.pictures.pictures import Pictures
from chainrule.data.standardizer import Standardizer

PREFETCH = 2


class PictureSet:
    """Some of the pictures with their labels: sample i is (float32 `[C, H, W]`, label).

    `rows` [n] are their positions among all `pictures`, `labels` [n] their classes; `scaling` has a mean and a scale
    for each channel.
    """

    def __init__(
        self, pictures: Pictures, rows: NDArray[np.int64], labels: NDArray[np.int64], scaling: Standardizer
    ) -> None:
        self.pictures, self.rows, self.labels, self.scaling = pictures, rows, labels, scaling

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Array, Any]:
        x, y = self.stacked(np.array([index]))
        return x[0], y[0]

    def stacked(self, indices: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return the samples at some indices: `[n, C, H, W]` and `[n]`."""
        return normalised(self.raw(indices), self.scaling), self.labels[indices]

    def raw(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pictures at some indices as they are: uint8 `[n, C, H, W]`."""
        return self.pictures[self.rows[indices]]


class PictureLoader(DataLoader):
    """A `DataLoader` of a `PictureSet` that changes each picture at random (`Augmentation`).

    The changes of a batch follow from (seed, epoch, batch), so an epoch that is resumed, or shared by several
    processes, has the same ones. Batches are made ahead, in a thread.
    """

    dataset: PictureSet

    def __init__(self, dataset: PictureSet, batch_size: int, seed: int, augmentation: Augmentation) -> None:
        # A batch of one picture, or of one for each of several processes, has no variance to be normalised by. Instead,
        # up to a quarter of a batch is left out: other pictures in each epoch.
        rest = len(dataset) % batch_size
        is_small = batch_size < len(dataset) and 0 < rest <= max(1, batch_size // 4)
        super().__init__(dataset, batch_size, shuffle=True, drop_last=is_small, seed=seed, prefetch=PREFETCH)
        self.augmentation = augmentation
        self.fill = np.clip(np.rint(dataset.scaling.mean), 0, 255).astype(int).tolist()

    def _fetched(self, order: Array, first: int) -> Generator[Batch, None, None]:
        """Yield an epoch's batches from `first` on."""
        epoch, size = self._now.epoch, self.batch_size
        jobs = ((epoch, k, order[k * size : (k + 1) * size]) for k in range(first, len(self)))
        yield from ahead(lambda job: self._changed(*job), jobs, self.prefetch)

    def _changed(self, epoch: int, number: int, indices: Array) -> Batch:
        mine = share(len(indices), *self._shard)
        rng = np.random.default_rng((self.seed, epoch, number))
        draw = self.augmentation.draw(rng, len(indices), self.dataset.pictures.form.shape)
        return self._batch(indices[mine], draw.part(mine))

    def _batch(self, indices: Array, draw: Draw) -> Batch:
        pictures = self.dataset.raw(indices)
        if not self.augmentation.is_none:
            pictures = self.augmentation.apply(pictures, draw, self.fill)
        return normalised(pictures, self.dataset.scaling), self.dataset.labels[indices]


def normalised(pictures: NDArray[np.uint8], scaling: Standardizer) -> NDArray[np.float32]:
    """Return pictures `[n, C, H, W]` as float32 with mean 0 and deviation 1 in each channel of the training part."""
    mean, scale = (values.astype(np.float32)[:, None, None] for values in (scaling.mean, scaling.scale))
    x = pictures.astype(np.float32)
    x -= mean
    x /= scale
    return x
