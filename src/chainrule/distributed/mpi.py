"""mpi4py, imported on use, and what the launcher says about the processes that it started."""

import os
from typing import Any

from chainrule.base.optional import needed

INSTALL = "pip install 'chainrule[mpi]'"
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""The variables by which MPICH and Intel MPI, Open MPI, MVAPICH and Slurm tell a process how many there are."""


def mpi() -> Any:
    """Return the module `mpi4py.MPI`, which starts MPI. Raises ImportError with the command that installs it."""
    needed("mpi4py", "chainrule.distributed", INSTALL)
    try:
        return needed("mpi4py.MPI", "chainrule.distributed", INSTALL)
    except RuntimeError as error:  # mpi4py is installed, but no MPI library
        found = "chainrule.distributed needs an MPI library, which mpi4py does not find"
        raise ImportError(f"{found}; run: {INSTALL}") from error


def launched_size() -> int:
    """Return how many processes the launcher says it started; 1 if it says nothing.

    >>> launched_size()
    1
    """
    return max((int(os.environ[name]) for name in _SIZES if os.environ.get(name, "").isdecimal()), default=1)


def world() -> Any:
    """Return the communicator of all processes.

    Raises RuntimeError if the launcher belongs to a different MPI than mpi4py, as each process would be on its own.
    """
    comm = mpi().COMM_WORLD
    if comm.size == 1 and launched_size() > 1:
        raise RuntimeError(
            f"DataParallel: the launcher started {launched_size()} processes, but mpi4py sees only one: mpiexec and "
            f"the library that mpi4py loads belong to different MPIs; use the mpiexec of this Python's environment"
        )
    return comm
