"""The older names of `torch.func`, from when it was a package of its own, `functorch`."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

from . import shapes
from .func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    vjp,
    vmap,
)

State = tuple[Any, ...]


def make_functional(model: Any, disable_autograd_tracking: bool = False) -> tuple[Callable[..., Any], State]:
    """Return a module as a function of its parameters and inputs, and the parameters, which are copies.

    >>> import chainrule.torch as torch
    >>> f, parameters = make_functional(torch.nn.Linear(2, 1))
    >>> [tuple(p.shape) for p in parameters], tuple(f(parameters, torch.ones(3, 2)).shape)
    ([(1, 2), (1,)], (3, 1))

    Raises RuntimeError for a module with buffers.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            f"make_functional: {type(model).__name__} has buffers, expected none; use make_functional_with_buffers"
        )
    call, parameters, buffers = make_functional_with_buffers(model, disable_autograd_tracking)
    return (lambda parameters, *args, **kwargs: call(parameters, buffers, *args, **kwargs)), parameters


def make_functional_with_buffers(
    model: Any, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], State, State]:
    """Return a module as a function of parameters, buffers and inputs; the parameters; and the buffers: copies."""
    model = copy.deepcopy(model)
    names = [[name for name, _ in found] for found in (model.named_parameters(), model.named_buffers())]

    def call(parameters: Iterable[Any], buffers: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        given = [dict(zip(n, state, strict=True)) for n, state in zip(names, (parameters, buffers), strict=True)]
        return functional_call(model, given, args, kwargs)

    found = copy.deepcopy(model)
    parameters = tuple(p.detach() if disable_autograd_tracking else p for p in found.parameters())
    return call, parameters, tuple(found.buffers())


def combine_state_for_ensemble(models: Iterable[Any]) -> tuple[Callable[..., Any], State, State]:
    """Return a function of one of several alike modules, and their parameters and buffers, stacked for `vmap`."""
    made = [make_functional_with_buffers(model) for model in models]
    if not made:
        raise RuntimeError("combine_state_for_ensemble: got no models, expected one or more")
    parameters, buffers = (
        tuple(shapes.stack([x.detach() for x in same]) for same in zip(*(one[k] for one in made), strict=True))
        for k in (1, 2)
    )
    return made[0][0], parameters, buffers


__all__ = [
    "combine_state_for_ensemble",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "make_functional",
    "make_functional_with_buffers",
    "vjp",
    "vmap",
]
