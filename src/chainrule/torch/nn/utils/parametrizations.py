"""`torch.nn.utils.parametrizations`: weight norm, spectral norm and orthogonal weights as parametrizations."""

from typing import Any

from ...autograd.modes import no_grad
from ...face import Tensor
from ...further import norm_except_dim
from ...missing import lacking as _lacking
from ..functional import normalize
from ..module import Module
from .norms import as_matrix, output_axis, random_unit, weight_of
from .orthogonal import orthogonal as orthogonal
from .parametrize import register_parametrization


class _WeightNorm(Module):
    """g v / ‖v‖, from the length and the direction of a weight."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """Return the weight."""
        return weight_v * (weight_g / norm_except_dim(weight_v, 2, self.dim))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Return the length and the direction."""
        return norm_except_dim(weight, 2, self.dim), weight


class _SpectralNorm(Module):
    """A weight divided by its largest singular value, which power iteration estimates; a vector by its norm."""

    _u: Any
    _v: Any

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps, self.n_power_iterations = dim % weight.dim(), eps, n_power_iterations
        if weight.dim() > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            self.register_buffer("_u", random_unit(matrix.shape[0], matrix, eps))
            self.register_buffer("_v", random_unit(matrix.shape[1], matrix, eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u = normalize(matrix @ self._v, dim=0, eps=self.eps)
                self._v = normalize(matrix.t() @ self._u, dim=0, eps=self.eps)

    def forward(self, weight: Any) -> Any:
        """Return the normalized weight; in training mode, improve the estimate first."""
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        return weight / (self._u @ (matrix @ self._v))

    def right_inverse(self, value: Any) -> Any:
        """Return the value: it is normalized whenever it is read."""
        return value


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a weight be g v / ‖v‖, where g and v are trained, as a parametrization.

    >>> import chainrule.torch as torch
    >>> list(torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40)).state_dict())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    axis = None if dim in (None, -1) else dim % weight_of(module, name, "weight_norm").dim()
    return register_parametrization(module, name, _WeightNorm(axis), unsafe=True)


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Let a weight be divided by its largest singular value, as a parametrization.

    >>> import chainrule.torch as torch
    >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 3), n_power_iterations=50)
    >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 4)
    1.0
    """
    weight = weight_of(module, name, "spectral_norm")
    axis = output_axis(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, axis, eps))


__getattr__ = _lacking(__name__)
