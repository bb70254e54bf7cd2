"""`DataParallel`: the processes of an MPI communicator training as one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import numpy as np

from chainrule.core.random import default_generator
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data.loader import DataLoader, share
from chainrule.nn.mode import in_mode
from chainrule.train.alone import Alone, Part
from chainrule.train.batches import Batch, batches, in_order, model_dtype
from chainrule.train.callbacks import Run
from chainrule.train.evaluation import Score, forward
from chainrule.train.interrupt import WholeSteps
from chainrule.train.saved.saving import generators

from .alike import check_alike, check_digests, description, digest, states, take_states
from .exchange import GradientExchange
from .failure import SharedFate
from .mpi import launched_size, mpi, world

T = TypeVar("T")


class DataParallel(Alone):
    """Several processes that train one model together: `fit(..., parallel=DataParallel())`.

    Start the program with `mpiexec -n 4 python program.py`; all processes run it, and make the same model, optimizer
    and loader. In `fit`, each of them computes gradients on its share of every batch, and the gradients are averaged,
    so that every step is that of one process with the whole batch, to rounding. `rank` counts from 0 to `size` − 1.

    - At the start, all ranks take the states of model, optimizer, loader and scheduler from rank 0.
    - Gradients are weighted by the number of samples, so shares may differ in length, or be empty. They are added up in
      the order of the ranks: the same run gives the same bits. A loss whose mean is not taken over samples but, say,
      over the labels that are not ignored is still weighted by the number of samples.
    - Of a stream (`data.stream`), each rank reads a part, and hands over the rows that others need.
    - Batch normalisation sees only the share of its own process; the running averages are those of rank 0. Dropout
      draws in each process, from a generator determined by the loader's seed, the step and the rank.
    - The loss, the accuracy, the gradient norm and the results of `validation` cover all samples. Callbacks run in rank
      0 only (`leads`), those with `every_rank` in all ranks.
    - An error that occurs in all ranks is raised in all of them; an error in one rank ends the job with its traceback,
      and so does a rank that has waited for the others for more than `timeout` seconds. Ctrl-C stops all ranks after
      the same step.

    Any number of processes can resume from what rank 0 saved, and see the same batches.

    `comm` is an mpi4py communicator (default: that of all processes). All of its processes must call this.

    Raises ImportError without mpi4py or MPI, and RuntimeError if `mpiexec` and mpi4py belong to different MPIs.

    >>> from chainrule import data, nn, optim, train
    >>> parallel = DataParallel()  # doctest: +SKIP
    >>> model = nn.Linear(2, 2)
    >>> loader = data.DataLoader((np.eye(2), np.arange(2)), batch_size=2, seed=0)
    >>> history = train.fit(
    ...     model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), loader, 3, parallel=parallel
    ... )  # doctest: +SKIP
    """

    def __init__(self, comm: Any = None, timeout: float = 600.0) -> None:
        if not timeout > 0:
            raise ValueError(f"DataParallel: timeout must be a positive number of seconds, got {timeout}")
        comm = world() if comm is None else comm
        self._comm = comm.Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        self._fate = SharedFate(comm.Dup(), timeout)
        self._exchange: GradientExchange | None = None
        self._run: Run | None = None
        self._seed = 0
        self._stops = False

    def together(self) -> AbstractContextManager[None]:
        """Inside the block, an error in one rank ends the job, and an error that occurs in all ranks is raised in
        all.
        """
        return self._fate.together()

    @property
    def cores(self) -> int:
        """The share of its machine's cores that a process should use, at least 1."""
        here = self._comm.Split_type(mpi().COMM_TYPE_SHARED)
        beside: int = here.size
        here.Free()
        return max((os.cpu_count() or 1) // beside, 1)

    # The start

    @contextmanager
    def training(self, run: Run, interrupts: WholeSteps) -> Iterator[None]:
        """Put all ranks into the same state; training runs inside the block."""
        self._interrupts, self._run, self._stops = interrupts, run, False
        with self.together():
            if self.size > 1:
                self._begin(run)
            yield
            self._share_buffers(run.model)

    def _begin(self, run: Run) -> None:
        with self._fate.waiting("the start of fit"):
            check_alike(self._comm.allgather(description(run)))
            found = self._comm.bcast(states(run) if self.leads else None)
            if not self.leads:
                take_states(run, found)
            check_digests(self._comm.allgather(digest(run.model)), "at the start")
            own = getattr(run.loader, "seed", None)
            self._seed = self._comm.bcast(int(default_generator().integers(2**63)) if own is None else own)
        named = run.model.named_parameters()
        trained = {name: (p.shape, p.dtype) for name, p in named if p.requires_grad}
        self._exchange = GradientExchange(self._comm, trained)

    # The steps

    def shares(self, source: Any) -> Iterator[Batch]:
        """Yield this rank's share of each batch of an epoch."""
        if isinstance(source, DataLoader):
            with source.sharded(self.rank, self.size, self.exchanged):
                yield from batches(source, "fit")
            return
        for x, y in batches(source, "fit"):
            mine = share(len(y), self.rank, self.size)
            yield x[mine], y[mine]

    def exchanged(self, given: Sequence[Any]) -> list[Any]:
        """Give each rank a value, and return the one from each; all ranks call this."""
        with self._fate.waiting("rows that another rank reads"):
            return list(self._comm.alltoall(given))

    def before_step(self) -> None:
        """Seed every generator that the step may draw from, differently for each rank and step."""
        if self.size == 1:
            return
        run = self._run
        assert run is not None
        at = run.loader.state_dict() if isinstance(run.loader, DataLoader) else {"epoch": run.epoch, "batch": run.batch}
        for k, generator in enumerate(generators(run.model).values()):
            bits = generator.bit_generator
            key = np.random.SeedSequence((self._seed, at["epoch"], at["batch"], self.rank, k))
            bits.state = type(bits)(key).state

    def average(self, parameters: Sequence[tuple[str, Any]], part: Part) -> float:
        """Replace every parameter's gradient by the mean over the ranks; return the mean loss."""
        assert self._exchange is not None
        grads = {name: value_of(p.grad) for name, p in parameters if p.grad is not None}
        with self._fate.waiting("a step"):
            loss, self._stops = self._exchange.average(grads, part, self._interrupts.is_waiting)
        for name, parameter in parameters:
            mean = self._exchange.mean(name)
            parameter.grad = None if mean is None else mean.astype(parameter.dtype, copy=False)
        return loss

    def safe_point(self) -> None:
        """Stop after a step if any rank got a Ctrl-C before it."""
        if self.size == 1:
            super().safe_point()
        elif self._stops:
            self._stop()

    def _stop(self) -> None:
        self._interrupts.safe_point()
        raise KeyboardInterrupt  # another rank received it

    # The end of an epoch

    def after_epoch(self) -> None:
        """Agree on whether training ends here, and check that all ranks still have the same parameters."""
        if self.size == 1:
            super().after_epoch()
            return
        run = self._run
        assert run is not None
        run.stopping, run.history.stopped = self.agreed((run.stopping, run.history.stopped))
        mine = digest(run.model), self._stops or self._interrupts.is_waiting
        with self._fate.waiting("the end of an epoch"):
            found = self._comm.allgather(mine)
        check_digests([one for one, _ in found], f"after epoch {run.epoch}")
        self._share_buffers(run.model)
        if any(stops for _, stops in found):
            self._stop()

    def means(self, score: Score) -> dict[str, float]:
        """Return the means of a score over all ranks."""
        if self.size > 1:
            with self._fate.waiting("the sums of an epoch"):
                sums = self._comm.allgather(score.sums())
            score.set_sums(*(sum(column) for column in zip(*sums, strict=True)))
        return score.means()

    def evaluate(self, model: Any, loss: Any, data: Any) -> dict[str, Any]:
        """Evaluate a model on data, each rank on its share of every batch."""
        self._share_buffers(model)
        score, dtype = Score(loss), model_dtype(model)
        with in_mode(model, training=False), no_grad():
            for batch in self.shares(in_order(data)):
                if len(batch[1]):
                    value, output, y = forward(model, loss, batch, dtype, "evaluate")
                    score.add(float(value_of(value)), output, y)
        return self.means(score)

    def _share_buffers(self, model: Any) -> None:
        """Copy rank 0's running averages."""
        parameters = {name for name, _ in model.named_parameters()}
        buffers = {name: array for name, array in model.state_dict().items() if name not in parameters}
        if buffers and self.size > 1:
            with self._fate.waiting("an evaluation"):
                found = self._comm.bcast(buffers)
            if not self.leads:
                model.load_state_dict(found, strict=False)

    def agreed(self, value: T) -> T:
        """Return rank 0's value."""
        with self._fate.waiting("the value of rank 0"):
            return self._comm.bcast(value)  # type: ignore[no-any-return]


@contextmanager
def launched() -> Iterator[Alone]:
    """Yield the `DataParallel` of all processes that `mpiexec` started, or a stand-in for a single process.

    Inside the block, an error in one rank ends the job (see `DataParallel`). Unless `NUMBA_NUM_THREADS` is set, the
    kernels of each process use its share of the machine's cores.

    >>> with launched() as parallel:
    ...     parallel.size, parallel.leads
    (1, True)
    """
    if launched_size() == 1:
        yield Alone()
        return
    parallel = DataParallel()
    os.environ.setdefault("NUMBA_NUM_THREADS", str(parallel.cores))
    with parallel.together():
        yield parallel
