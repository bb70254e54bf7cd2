"""Arrays inside kernels, from addresses: a kernel over many buffers gets one array of numbers instead of them all.

Whoever passes an address keeps the memory alive and says its size and type; nothing checks them.
"""

from typing import Any

import numba
from numba import carray
from numba.extending import intrinsic

__all__ = ["carray", "pointer"]


@intrinsic  # type: ignore[untyped-decorator]
def pointer(typingctx: Any, address: Any) -> Any:  # noqa: ARG001
    """Return an address, an integer, as a pointer for `carray`."""
    signature = numba.types.voidptr(numba.types.int64)

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(numba.types.voidptr))

    return signature, generate
