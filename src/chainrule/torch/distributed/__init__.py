"""`torch.distributed`: not available, and says so when asked, so that scripts of one process import it and run.

`is_available()` and `is_initialized()` are False. Every other name can be imported, and is refused when it is used.
"""

from typing import Any

from ..absent import no
from ..refusal import ONE_PROCESS, refused
from . import optim as optim

__all__ = ["is_available", "is_initialized", "is_torchelastic_launched"]

is_available = is_initialized = is_torchelastic_launched = is_mpi_available = is_nccl_available = is_gloo_available = no


def __getattr__(name: str) -> Any:
    if name.startswith(("__", "pytest")):  # what Python and pytest ask of every module
        raise AttributeError(name)
    return refused("torch.distributed", name, ONE_PROCESS)
