"""Clipping of gradients, and parameters as one vector."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.capturing import is_captured, running
from chainrule.core.traces.tape import EAGER
from chainrule.optim.clip import ClipNorm, ClipValue, captured

from ... import shapes
from ...face import Tensor, unwrapped, values_of, wrapped


def _with_grad(parameters: Any) -> list[Any]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in listed if p.grad is not None]


def _are_real(parameters: list[Any]) -> bool:
    return all(p._x.dtype.kind == "f" for p in parameters)


def _named(parameters: list[Any]) -> dict[str, Engine]:
    return {str(k): p._x for k, p in enumerate(parameters)}


def get_total_norm(
    tensors: Iterable[Any], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Tensor:
    """Return the norm of the norms of tensors."""
    values = [unwrapped(x) for x in tensors]
    if any(map(is_captured, values)):
        return wrapped(_captured_norm(values, float(norm_type), error_if_nonfinite))  # type: ignore[no-any-return]
    norms = np.array([np.linalg.norm(values_of(x).ravel(), norm_type) for x in values], np.float64)
    total = np.linalg.norm(norms, norm_type) if norms.size else np.float64(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(f"The total norm of order {norm_type} for gradients is non-finite, so it cannot be clipped.")
    return wrapped(np.asarray(total, _kind(values)))  # type: ignore[no-any-return]


def _kind(values: Iterable[Any]) -> Any:
    """Return the dtype of the norm of some values: theirs, or float32 where that is less."""
    return np.result_type(np.float32, *(np.empty(0, x.dtype).real.dtype for x in values))


def _captured_norm(values: list[Any], norm_type: float, error_if_nonfinite: bool) -> Any:
    """Return the norm as an operation of the running capture."""

    def norm(*arrays: Any) -> Any:
        return values_of(get_total_norm(map(wrapped, arrays), norm_type, error_if_nonfinite))

    return Engine(running.capture.call(norm, values), EAGER, None)


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Tensor:
    """Scale all gradients, in place, so that their norm is at most `max_norm`; return the norm before."""
    found = _with_grad(parameters)
    if found and running.capture is not None and norm_type == 2 and _are_real(found):
        what = "raise" if error_if_nonfinite else "scale"
        names = [p._x.name or f"parameter {k}" for k, p in enumerate(found)]
        total = captured(ClipNorm(names, float(max_norm), what), _named(found))
        return wrapped(Engine(total, EAGER, None).astype(_kind(p._x for p in found)))  # type: ignore[no-any-return]
    total = get_total_norm([p.grad for p in found], float(norm_type), error_if_nonfinite)
    clip_grads_with_norm_(found, max_norm, total)
    return total


clip_grad_norm = clip_grad_norm_


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: Any = None) -> None:
    """Scale all gradients, in place, so that a norm that was computed becomes at most `max_norm`."""
    found = _with_grad(parameters)
    if running.capture is not None:
        factor = np.minimum(float(max_norm) / (unwrapped(total_norm) + 1e-6), 1.0)
        for p in found:
            p.grad = wrapped((p.grad._x * factor).astype(p._x.dtype))
        return
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    if not factor >= 1:  # NaN as well, which shows in every gradient
        for p in found:
            p.grad.mul_(factor)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Limit each element of all gradients, in place."""
    found = _with_grad(parameters)
    if found and running.capture is not None:
        captured(ClipValue(float(clip_value)), _named(found))
        return
    for p in found:
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
