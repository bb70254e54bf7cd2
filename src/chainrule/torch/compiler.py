"""`torch.compiler`: what code says about its compilation. `torch.compile` here is chainrule's."""

from typing import Any

from ._dynamo import disable as disable
from ._dynamo import reset as reset
from .absent import no

is_compiling = is_dynamo_compiling = is_exporting = no


def allow_in_graph(fn: Any) -> Any:
    """Return the function: every operation is captured."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Do nothing: there is no GPU."""
