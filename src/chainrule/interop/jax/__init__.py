"""chainrule and JAX: functions of the one in the other.

`as_jax_function(f)` is a function of chainrule for JAX, `from_jax_function(f)` one of JAX for chainrule. JAX is
imported when one of them is called; without it they say what to install.
"""

from .as_function import as_jax_function
from .check import check_jax
from .from_function import from_jax_function

__all__ = ["as_jax_function", "check_jax", "from_jax_function"]
