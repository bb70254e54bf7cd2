"""Samplers: in which order a loader takes samples."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from ...face import values_of
from ...random import Generator, rng_of


class Sampler:
    """The base of samplers: define `__iter__`."""

    def __init__(self, data_source: Any = None) -> None: ...

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__}: define __iter__(self)")


class SequentialSampler(Sampler):
    """All samples in order."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Samples in random order, each once, or drawn again and again with `replacement`."""

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples

    def __iter__(self) -> Iterator[int]:
        rng, n = rng_of(self.generator), len(self.data_source)
        if self.replacement:  # a few at a time: `num_samples` may stand for "without end"
            for start in range(0, self.num_samples, 32):
                yield from rng.integers(0, n, min(32, self.num_samples - start)).tolist()
            return
        rounds = -(-self.num_samples // n) if n else 0
        order = itertools.chain.from_iterable(rng.permutation(n).tolist() for _ in range(rounds))
        yield from itertools.islice(order, self.num_samples)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return iter([self.indices[k] for k in rng_of(self.generator).permutation(len(self.indices))])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with given weights."""

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, generator: Any = None) -> None:
        self.weights = values_of(weights).astype("f8")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        chances = self.weights / self.weights.sum()
        drawn = rng_of(self.generator).choice(len(chances), self.num_samples, self.replacement, chances)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class DistributedSampler(Sampler):
    """The samples of one of several processes: every `num_replicas`-th, beginning with `rank`.

    So that all have as many, the first samples come again at the end, or with `drop_last` the last ones are left out.
    With `shuffle` the order is that of `seed + epoch`, the same in all processes; call `set_epoch` before each.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: torch.distributed is not available here; pass num_replicas and rank, such as the "
                "size and rank of chainrule.distributed"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else -(-n // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = list(range(n))
        if self.shuffle:
            order = rng_of(Generator().manual_seed(self.seed + self.epoch)).permutation(n).tolist()
        every = itertools.islice(itertools.cycle(order), self.total_size) if order else iter(())
        return itertools.islice(every, self.rank, self.total_size, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, so that its order is another one."""
        self.epoch = epoch


class BatchSampler(Sampler):
    """Lists of indices of another sampler."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
