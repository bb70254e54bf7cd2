"""PyTorch's settings of threads and precision: they can be set and have no effect."""

from .absent import nothing


def get_num_threads() -> int:
    """Return 1: chainrule's own pool decides how many threads a kernel gets."""
    return 1


def get_float32_matmul_precision() -> str:
    """Return "highest": float32 is multiplied as float32."""
    return "highest"


set_num_threads = set_num_interop_threads = use_deterministic_algorithms = set_float32_matmul_precision = nothing
