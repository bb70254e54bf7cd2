"""autograd.misc: `flatten`, optimisers, fixed points, graphs."""

from .flatten import flatten, flatten_func
from .tracers import const_graph, full_graph

__all__ = ["const_graph", "flatten", "flatten_func", "full_graph"]
