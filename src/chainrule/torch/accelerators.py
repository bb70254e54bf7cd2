"""The accelerators that PyTorch asks for: none is available, and the everyday questions say so."""

from types import SimpleNamespace
from typing import Any

from .random import manual_seed


def _no() -> bool:
    return False


def _nothing(*_: Any, **__: Any) -> None: ...


class Absent:
    """A kind of accelerator that is not here: `is_available()` is False; anything else is refused."""

    def __init__(self, name: str) -> None:
        self._name = name

    is_available = staticmethod(_no)
    is_initialized = is_bf16_supported = is_built = staticmethod(_no)
    synchronize = empty_cache = reset_peak_memory_stats = staticmethod(_nothing)
    manual_seed = manual_seed_all = staticmethod(manual_seed)

    def device_count(self) -> int:
        """Return 0."""
        return 0

    def current_accelerator(self, check_available: bool = False) -> None:
        """Return None: there is none."""
        return

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"torch.{self._name}.{name}: chainrule computes on the CPU; ask torch.{self._name}.is_available() first"
        )


cuda, mps, xpu, accelerator = Absent("cuda"), Absent("mps"), Absent("xpu"), Absent("accelerator")
backends = SimpleNamespace(
    cudnn=SimpleNamespace(benchmark=False, deterministic=True, enabled=False, is_available=_no),
    mps=mps,
    cuda=SimpleNamespace(is_built=_no, matmul=SimpleNamespace(allow_tf32=False)),
    mkldnn=SimpleNamespace(is_available=_no, enabled=False),
)


def get_num_threads() -> int:
    """Return 1: chainrule's own pool decides how many threads a kernel gets."""
    return 1


set_num_threads = set_num_interop_threads = use_deterministic_algorithms = set_float32_matmul_precision = _nothing
