"""`DataLoader`: batches of a dataset."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ... import shapes
from ...creation import tensor
from ...face import Tensor, wrapped
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler


def default_convert(data: Any) -> Any:
    """Return arrays in a sample as tensors."""
    if isinstance(data, np.ndarray):
        return wrapped(data.copy())
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    return type(data)(map(default_convert, data)) if isinstance(data, list | tuple) else data


def default_collate(batch: list[Any]) -> Any:
    """Return a list of samples as a batch: tensors stacked, numbers as a tensor, within tuples and dicts.

    >>> default_collate([(1.0, 2), (3.0, 4)])
    [tensor([1., 3.], dtype=torch.float64), tensor([2, 4])]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return shapes.stack(batch)
    if isinstance(first, np.ndarray | np.generic):
        return wrapped(np.stack(batch))
    if isinstance(first, float):
        return wrapped(np.array(batch, np.float64))
    if isinstance(first, bool | int):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(list(column)) for column in zip(*batch, strict=True)))
    if isinstance(first, list | tuple):
        if len({len(sample) for sample in batch}) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(list(column)) for column in zip(*batch, strict=True)]
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )


def get_worker_info() -> None:
    """Return None: batches are loaded in this process."""
    return


class DataLoader:
    """Batches of a dataset, in order or shuffled; they are loaded in this process, whatever `num_workers` is.

    >>> import chainrule.torch as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> [batch.tolist() for (batch,) in torch.utils.data.DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Any = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Any = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        **_: Any,
    ) -> None:
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
            )
        self.dataset, self.num_workers, self.drop_last = dataset, num_workers, drop_last
        self.generator, self.pin_memory = generator, pin_memory
        self.is_stream = isinstance(dataset, IterableDataset)
        if not self.is_stream and sampler is None and batch_sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if batch_sampler is None and batch_size is not None and not self.is_stream:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler, self.batch_size = batch_sampler, batch_size
        self.collate_fn = collate_fn or (default_convert if batch_size is None else default_collate)

    def __iter__(self) -> Iterator[Any]:
        if self.is_stream:
            yield from self._streamed()
        elif self.batch_sampler is None:
            for k in self.sampler:
                yield self.collate_fn(self.dataset[k])
        else:
            several = getattr(self.dataset, "__getitems__", None)
            for batch in self.batch_sampler:
                yield self.collate_fn(several(batch) if several else [self.dataset[k] for k in batch])

    def _streamed(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        if self.is_stream:
            n = len(self.dataset)
            size = self.batch_size or 1
            return n // size if self.drop_last else -(-n // size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)
