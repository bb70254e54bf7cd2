"""Weight normalization and spectral normalization, in the older form: names such as `weight_g` in the module itself."""

from typing import Any

from ...autograd.modes import no_grad
from ...face import Tensor
from ...further import norm_except_dim
from ..functional import normalize
from ..layers import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..parameter import Parameter
from .parametrize import compute, computed


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Return a weight with its axis `dim` first and all others as one."""
    rest = [k for k in range(weight.dim()) if k != dim]
    return weight.permute(dim, *rest).reshape(weight.shape[dim], -1)  # type: ignore[no-any-return]


def output_axis(module: Any) -> int:
    """Return the axis of a layer's outputs in its weight."""
    return 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0


def random_unit(size: int, like: Tensor, eps: float) -> Tensor:
    """Return a random vector of norm 1."""
    return normalize(like.new_empty(size).normal_(0, 1), dim=0, eps=eps)  # type: ignore[no-any-return]


def weight_of(module: Any, name: str, what: str) -> Parameter:
    """Return a module's parameter; raise a ValueError if there is none."""
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"{what}: {type(module).__name__} has no parameter {name!r}, or it is None")
    return weight  # type: ignore[no-any-return]


def _become_plain(module: Any, name: str, parts: tuple[str, ...]) -> Any:
    """Make a computed parameter a plain one again, with its present value."""
    with no_grad():
        value = getattr(module, name).detach().clone()
    for part in parts:
        delattr(module, name + part)
    compute(module, {key: each for key, each in computed(module).items() if key != name})
    module.register_parameter(name, Parameter(value))
    return module


def _is_normed(module: Any, name: str, part: str) -> bool:
    return name in computed(module) and name + part in module._parameters


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a weight be g v / ‖v‖, where its length g, `weight_g`, and its direction v, `weight_v`, are trained.

    The norm is of each slice along `dim`, or with None, and as in PyTorch with -1, of the whole. Salimans & Kingma,
    "Weight normalization" (2016).

    >>> import chainrule.torch as torch
    >>> list(torch.nn.utils.weight_norm(torch.nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    if _is_normed(module, name, "_g"):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    weight = weight_of(module, name, "weight_norm")
    axis = -1 if dim in (None, -1) else dim % weight.dim()
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight, 2, axis).detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))

    def get(self: Any) -> Any:
        v = getattr(self, f"{name}_v")
        return v * (getattr(self, f"{name}_g") / norm_except_dim(v, 2, axis))

    compute(module, {**computed(module), name: property(get)})
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make a normalized weight a plain parameter again, with its present value."""
    if not _is_normed(module, name, "_g"):
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    return _become_plain(module, name, ("_g", "_v"))


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Let a weight be `weight_orig` divided by its largest singular value.

    The value is estimated from the buffers `weight_u` and `weight_v`, which each call in training mode improves by
    `n_power_iterations`. Miyato et al., "Spectral normalization for generative adversarial networks" (2018).

    >>> import chainrule.torch as torch
    >>> list(torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if n_power_iterations <= 0:
        raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
    if _is_normed(module, name, "_orig"):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    weight = weight_of(module, name, "spectral_norm")
    axis = output_axis(module) if dim is None else dim % weight.dim()
    height, width = as_matrix(weight.detach(), axis).shape
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    module.register_buffer(f"{name}_u", random_unit(height, weight, eps))
    module.register_buffer(f"{name}_v", random_unit(width, weight, eps))

    def get(self: Any) -> Any:
        original = getattr(self, f"{name}_orig")
        u, v = getattr(self, f"{name}_u"), getattr(self, f"{name}_v")
        return original / (u @ (as_matrix(original, axis) @ v))

    def iterate(self: Any, _: Any) -> None:
        if not self.training:
            return
        matrix = as_matrix(getattr(self, f"{name}_orig").detach(), axis)
        with no_grad():
            for _ in range(n_power_iterations):
                v = normalize(matrix.t() @ getattr(self, f"{name}_u"), dim=0, eps=eps)
                setattr(self, f"{name}_v", v)
                setattr(self, f"{name}_u", normalize(matrix @ v, dim=0, eps=eps))

    compute(module, {**computed(module), name: property(get)})
    object.__setattr__(module, f"_{name}_iteration", module.register_forward_pre_hook(iterate))
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make a normalized weight a plain parameter again, with its present value."""
    if not _is_normed(module, name, "_orig"):
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    module.__dict__.pop(f"_{name}_iteration").remove()
    return _become_plain(module, name, ("_u", "_v", "_orig"))
