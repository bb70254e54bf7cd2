"""`torch.cuda`: there is no GPU here, and the everyday questions say so."""

from typing import Any

from ..absent import no, none_used, nothing, refuse
from . import amp as amp

is_available = is_initialized = is_bf16_supported = no
synchronize = empty_cache = ipc_collect = nothing
reset_peak_memory_stats = reset_max_memory_allocated = manual_seed = manual_seed_all = nothing
device_count = memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = none_used


def __getattr__(name: str) -> Any:
    raise refuse("cuda", name)
