"""chainrule functions in JAX, and JAX functions in chainrule.

`as_jax_function(f)` turns a chainrule function into a JAX function, `from_jax_function(f)` the other way round. JAX is
imported on the first call; without it, they say what to install.
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .as_function import as_jax_function
from .check import check_jax
from .from_function import from_jax_function

__all__ = ["as_jax_function", "check_jax", "from_jax_function"]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
