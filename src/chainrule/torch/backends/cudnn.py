"""`torch.backends.cudnn`: it is not here; its switches can be set and have no effect."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..absent import no

benchmark, deterministic, enabled, allow_tf32 = False, True, False, False
is_available = no


def version() -> Any:
    """Return None: there is none."""
    return


@contextmanager
def flags(*_: Any, **__: Any) -> Iterator[None]:
    """Set nothing in a block."""
    yield
