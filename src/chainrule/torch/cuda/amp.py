"""`torch.cuda.amp`: the older names of `torch.amp`."""

from typing import Any

from ..amp import GradScaler as GradScaler
from ..amp import autocast as _autocast


class autocast(_autocast):
    """`torch.autocast("cuda")`: nothing is cast, since there is no GPU."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)
