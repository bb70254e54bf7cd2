"""`torch.amp`: mixed precision. Nothing is cast to a shorter dtype here, and no loss is scaled."""

import functools
from typing import Any


class autocast:
    """A context in which PyTorch computes in a shorter dtype; here each operation keeps the dtype of its inputs.

    There is no GPU to gain from it, and NumPy has no bfloat16: results are those of `enabled=False`.

    >>> import chainrule.torch as torch
    >>> with torch.autocast("cpu"):
    ...     print((torch.ones(2) @ torch.ones(2)).dtype)
    torch.float32
    """

    def __init__(
        self, device_type: str = "cpu", dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        self.device, self.fast_dtype = device_type, dtype

    def __enter__(self) -> "autocast":
        return self

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, function: Any) -> Any:
        """Decorate a function."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return run


class GradScaler:
    """PyTorch's scaling of losses in float16, switched off, as it is in PyTorch without a GPU."""

    def __init__(self, device: str = "cuda", *_: Any, enabled: bool = True, **__: Any) -> None: ...

    def scale(self, outputs: Any) -> Any:
        """Return the loss as it is."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Leave the gradients as they are."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Return `optimizer.step()`."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Do nothing: there is no scale."""

    def get_scale(self) -> float:
        """Return 1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Return False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dict."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing: there is no state."""
