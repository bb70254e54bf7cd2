"""`torch.nn.utils.parametrizations.orthogonal`: weights with orthonormal rows or columns."""

from typing import Any

import numpy as np

from ... import creation, linalg, random, shapes
from ...autograd.modes import no_grad
from ...face import values_of
from ...factoring import householder_product
from ..module import Module
from .norms import weight_of
from .parametrize import register_parametrization

MAPS = ("matrix_exp", "cayley", "householder")


def _orthogonalised(matrix: Any) -> Any:
    """Return the orthonormal columns nearest in direction to those of a matrix: Q of its QR, with R's diagonal > 0."""
    found, upper = np.linalg.qr(values_of(matrix))
    return creation.tensor(found * np.sign(np.diagonal(upper)))


class _Orthogonal(Module):
    """An orthogonal matrix as a function of any one, times the `base` from which training started.

    M. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds" (2019).
    """

    base: Any

    def __init__(self, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        """Return the orthogonal matrix."""
        wide = X.shape[0] < X.shape[1]
        X = X.t() if wide else X
        n, k = X.shape
        Q = self._by_reflections(X) if self.orthogonal_map == "householder" else self._by_skew(X, n, k)
        if "base" in self._buffers:
            Q = self.base @ Q
        return Q.t() if wide else Q

    def _by_reflections(self, X: Any) -> Any:
        below = X.tril(-1)
        tau = 2 / (1 + (below * below).sum(-2))
        return householder_product(below, tau) * X.diagonal().detach().int().unsqueeze(-2)

    def _by_skew(self, X: Any, n: int, k: int) -> Any:
        lower = X.tril()
        if n != k:
            lower = shapes.cat([lower, creation.zeros(n, n - k, dtype=X.dtype)], -1)
        skew = lower - lower.t()
        if self.orthogonal_map == "matrix_exp":
            return linalg.matrix_exp(skew)[:, :k]
        one = creation.eye(n, dtype=X.dtype)
        return linalg.solve(one - skew / 2, one + skew / 2)[:, :k]

    def right_inverse(self, Q: Any) -> Any:
        """Return what gives a matrix; with a base, that matrix is the new one."""
        with no_grad():
            wide = Q.shape[0] < Q.shape[1]
            tall = Q.t() if wide else Q
            found = self._onto_base(tall) if "base" in self._buffers else self._reflections(tall)
            return found.t() if wide else found

    def _onto_base(self, Q: Any) -> Any:
        n, k = Q.shape
        if n != k:
            Q = shapes.cat([Q, random.randn(n, n - k, dtype=Q.dtype)], -1)
        self.base = _orthogonalised(Q).to(Q.dtype)
        return -creation.eye(n, k, dtype=Q.dtype)

    def _reflections(self, Q: Any) -> Any:
        if self.orthogonal_map != "householder":
            raise RuntimeError(
                f"orthogonal: a matrix cannot be assigned with orthogonal_map={self.orthogonal_map!r} and without "
                f"use_trivialization; use one of them"
            )
        packed, tau = np.linalg.qr(values_of(Q), mode="raw")
        found = packed.T.copy()
        sign = np.sign(np.diagonal(found)) * np.where(tau == 0, -1, 1)
        np.fill_diagonal(found, sign)
        return creation.tensor(found).to(Q.dtype)


def orthogonal(
    module: Any, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Any:
    """Let a matrix have orthonormal columns, or rows if it is wide, as a parametrization.

    `orthogonal_map` is "matrix_exp" (the default for square ones), "cayley" or "householder". Raises ValueError for
    another map and for a parameter that is not a matrix.

    >>> import chainrule.torch as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 5))
    >>> torch.allclose(layer.weight.t() @ layer.weight, torch.eye(3), atol=1e-5)
    True
    """
    weight = weight_of(module, name, "orthogonal")
    if weight.dim() != 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[0] == weight.shape[1] else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    return register_parametrization(module, name, _Orthogonal(orthogonal_map, use_trivialization), unsafe=True)
