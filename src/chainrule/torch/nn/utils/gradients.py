"""Clipping of gradients, and parameters as one vector."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import shapes
from ...face import Tensor, values_of, wrapped


def _with_grad(parameters: Any) -> list[Any]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in listed if p.grad is not None]


def get_total_norm(tensors: Iterable[Any], norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Tensor:
    """Return the norm of the norms of tensors."""
    norms = np.array([np.linalg.norm(values_of(x).ravel(), norm_type) for x in tensors], np.float64)
    total = np.linalg.norm(norms, norm_type) if norms.size else np.float64(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients is non-finite, so it cannot be clipped.")
    return wrapped(np.asarray(total, np.float32))  # type: ignore[no-any-return]


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Tensor:
    """Scale all gradients, in place, so that their norm is at most `max_norm`; return the norm before."""
    found = _with_grad(parameters)
    total = get_total_norm([p.grad for p in found], float(norm_type), error_if_nonfinite)
    factor = float(max_norm) / (float(total) + 1e-6)
    if factor < 1:
        for p in found:
            p.grad.mul_(factor)
    return total


clip_grad_norm = clip_grad_norm_


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit each element of all gradients, in place."""
    for p in _with_grad(parameters):
        p.grad.clamp_(-float(clip_value), float(clip_value))


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """Return all parameters as one vector."""
    return shapes.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Write one vector into all parameters."""
    start = 0
    for p in parameters:
        size = math.prod(p.shape)
        p.data = vec[start : start + size].detach().reshape(tuple(p.shape))
        start += size
