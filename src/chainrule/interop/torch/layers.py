"""PyTorch modules for layers that only chainrule has, or that PyTorch calls differently.

The classes are made when they are first asked for, so that this file can be imported without PyTorch. They are
attributes of it, so that a model that holds them can be pickled.
"""

import functools
from typing import Any

from chainrule.base.optional import needed
from chainrule.core.tree import flatten, unflatten
from chainrule.nn import Module

from .arrays import Torch, copied_to_torch
from .as_function import as_torch_function
from .state import array_in_torch, entries

NAMES = ("MultiheadAttention", "Residual", "Wrapped")


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return _classes()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _classes() -> dict[str, Any]:
    torch = needed("torch", "to_torch")
    made = {
        "MultiheadAttention": _multihead_attention(torch),
        "Residual": _residual(torch),
        "Wrapped": _wrapped(torch),
    }
    for name, cls in made.items():
        cls.__qualname__ = name
    return made


def _residual(torch: Any) -> Any:
    class Residual(torch.nn.Module):  # type: ignore[misc]
        """x + inner(x)."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            """Return the sum."""
            return x + self.inner(x)

    return Residual


def _multihead_attention(torch: Any) -> Any:
    functional = torch.nn.functional

    class MultiheadAttention(torch.nn.MultiheadAttention):  # type: ignore[misc]
        """PyTorch's layer, with its parameters, called as chainrule's: one tensor comes out, and it may stand alone.

        A boolean mask is True where a query may attend.
        """

        def forward(
            self, query: Any, key: Any = None, value: Any = None, mask: Any = None, causal: bool = False
        ) -> Any:
            """Return `[..., N, d]` for `query [..., N, d]`, `key` and `value` `[..., M, d]`."""
            key = query if key is None else key
            value = key if value is None else value
            weights = self.in_proj_weight.chunk(3)
            biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            q, k, v = (
                functional.linear(x, w, b).unflatten(-1, (self.num_heads, -1)).transpose(-2, -3)
                for x, w, b in zip((query, key, value), weights, biases, strict=True)
            )
            if mask is not None:
                mask = mask if mask.dtype is torch.bool else mask.to(q)
            if causal and mask is not None:  # PyTorch takes one of them
                below = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
                mask = mask & below if mask.dtype is torch.bool else torch.where(below, mask, -torch.inf)
                causal = False
            dropout = self.dropout if self.training else 0.0
            y = functional.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
            return self.out_proj(y.transpose(-2, -3).flatten(-2))

    return MultiheadAttention


def _wrapped(torch: Any) -> Any:
    class Wrapped(torch.nn.Module):  # type: ignore[misc]
        """A chainrule module that computes, and is differentiated, by chainrule; its parameters are PyTorch's.

        They have the names and the layout of `state_dict`. Its mode is PyTorch's.
        """

        def __init__(self, module: Module) -> None:
            super().__init__()
            self.chainrule_module = module  # as it is now: the values of its own parameters are not used again
            for entry in entries(module):
                *way, last = entry.theirs.split(".")
                holder = self
                for part in way:
                    if part not in holder._modules:
                        holder.add_module(part, torch.nn.Module())
                    holder = holder._modules[part]
                value = copied_to_torch(f"to_torch: {entry.theirs}", array_in_torch(entry))
                holder.register_parameter(last, torch.nn.Parameter(value))

        def forward(self, *args: Any, **settings: Any) -> Any:
            """Return what the module returns, for tensors in the place of arrays."""
            module = self.chainrule_module.train(self.training)
            _, structure = flatten(module)
            found: dict[str, Torch] = {}
            for entry in entries(module):
                found.update(zip(entry.ours, entry.layout.back(self.get_parameter(entry.theirs)), strict=True))

            def run(parameters: list[Any], *given: Any) -> Any:
                return unflatten(structure, parameters)(*given, **settings)

            return as_torch_function(run)([found[name] for name, _ in module.named_parameters()], *args)

        def extra_repr(self) -> str:
            """Return the class of the module."""
            return type(self.chainrule_module).__name__

    return Wrapped
