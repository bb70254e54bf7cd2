"""Functions that are captured once and replayed: `chainrule.compile(step)`. The package itself is the function."""

from chainrule.base.callable_module import make_callable
from chainrule.kernels.native.cache import cache_folder

from .compiled import Compiled, compile
from .plan.plan import Plan
from .scan import scanned as scanned  # captures learn there what a scan is

__all__ = ["Compiled", "Plan", "cache_folder", "compile"]

make_callable(__name__, "compile")
