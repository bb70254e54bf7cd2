"""The matrix products of a step alone, through NumPy's BLAS into arrays made before: no step can take less time."""

from typing import Any

import numpy as np

from .candidate import Candidate
from .cases import Case, Product


def arrays_of(product: Product, random: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two factors and the room for their product."""
    count = () if product.count == 1 else (product.count,)
    a = random.normal(size=(*count, product.m, product.k)).astype(np.float32)
    b = random.normal(size=(*count, product.k, product.n)).astype(np.float32)
    return a, b, np.empty((*count, product.m, product.n), np.float32)


class Products(Candidate):
    """All products of a step."""

    name = "its products"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        random = np.random.default_rng(0)
        self.factors = [arrays_of(product, random) for product in case.products()]

    def reset(self) -> None:
        """Do nothing: no product changes the factors of another."""

    def step(self) -> None:
        """Compute all of them."""
        for a, b, out in self.factors:
            np.matmul(a, b, out=out)
