"""`torch.nn.parallel`: a module spread over devices; there is one device here."""

from typing import Any

from ..refusal import ONE_PROCESS, refused
from .module import Module

DistributedDataParallel = refused("torch.nn.parallel", "DistributedDataParallel", ONE_PROCESS)


class DataParallel(Module):
    """The module itself, as `.module`: PyTorch's does the same where there is no GPU."""

    def __init__(self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Return what the module returns."""
        return self.module(*inputs, **kwargs)


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"chainrule.torch.nn.parallel has no {name!r}: chainrule.distributed trains in several processes"
    )
