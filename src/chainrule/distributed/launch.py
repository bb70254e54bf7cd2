"""Finding the other processes that `mpiexec` started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.train.alone import Alone

from .data_parallel import DataParallel
from .mpi import launched_size


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
