r"""Legendre's elliptic integrals of the first and the second kind, of the parameter m = k².

The values are SciPy's. The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 19.4.1
to 19.4.7, in the parameter m = k², and the integrands with respect to the amplitude.
"""

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .gamma_family import of_scipy
from .powers import sqrt
from .special_functions import OF_SCIPY, computed
from .trigonometric import cos, sin

PARAMETER = {"m": (0.1, 0.9)}
BELOW_A_QUARTER = {"phi": (0.2, 1.4), **PARAMETER}


class Ellipk(Elementwise):
    r"""y = \operatorname{ellipk}(m)

    The complete elliptic integral of the first kind.
    """

    domain = PARAMETER

    @staticmethod
    def primal(m: Array) -> Array:
        return computed("ellipk", m)

    @staticmethod
    def partial(m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial m} = \frac{\operatorname{ellipe}(m) - (1 - m) y}{2 m (1 - m)}"""
        return (Ellipe.apply(m) - (1 - m) * y) / (2 * m * (1 - m))


class Ellipe(Elementwise):
    r"""y = \operatorname{ellipe}(m)

    The complete elliptic integral of the second kind.
    """

    domain = PARAMETER

    @staticmethod
    def primal(m: Array) -> Array:
        return computed("ellipe", m)

    @staticmethod
    def partial(m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial m} = \frac{y - \operatorname{ellipk}(m)}{2 m}"""
        return (y - Ellipk.apply(m)) / (2 * m)


class Ellipkinc(Elementwise):
    r"""y = \operatorname{ellipkinc}(\phi, m)

    The incomplete elliptic integral of the first kind.
    """

    domain = BELOW_A_QUARTER

    @staticmethod
    def primal(phi: Array, m: Array) -> Array:
        return of_scipy("ellipkinc", phi, m)

    @staticmethod
    def partial_phi(phi: Array, m: Array) -> Array:
        r"""\frac{\partial y}{\partial \phi} = \frac{1}{\sqrt{1 - m \sin(\phi)^2}}"""
        return 1 / sqrt(1 - m * sin(phi) ** 2)

    @staticmethod
    def partial_m(phi: Array, m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial m} = \frac{\operatorname{ellipeinc}(\phi, m) - (1 - m) y}{2 m (1 - m)}
        - \frac{\sin(\phi) \cos(\phi)}{2 (1 - m) \sqrt{1 - m \sin(\phi)^2}}
        """
        end = sin(phi) * cos(phi) / (2 * (1 - m) * sqrt(1 - m * sin(phi) ** 2))
        return (Ellipeinc.apply(phi, m) - (1 - m) * y) / (2 * m * (1 - m)) - end


class Ellipeinc(Elementwise):
    r"""y = \operatorname{ellipeinc}(\phi, m)

    The incomplete elliptic integral of the second kind.
    """

    domain = BELOW_A_QUARTER

    @staticmethod
    def primal(phi: Array, m: Array) -> Array:
        return of_scipy("ellipeinc", phi, m)

    @staticmethod
    def partial_phi(phi: Array, m: Array) -> Array:
        r"""\frac{\partial y}{\partial \phi} = \sqrt{1 - m \sin(\phi)^2}"""
        return sqrt(1 - m * sin(phi) ** 2)

    @staticmethod
    def partial_m(phi: Array, m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial m} = \frac{y - \operatorname{ellipkinc}(\phi, m)}{2 m}"""
        return (y - Ellipkinc.apply(phi, m)) / (2 * m)


ellipk, ellipe, ellipkinc, ellipeinc = Ellipk.apply, Ellipe.apply, Ellipkinc.apply, Ellipeinc.apply


def ellipkm1(p: Array) -> Array:
    """Return `ellipk(1 - p)`; like SciPy's for `p` far above the rounding of 1.

    >>> print(f"{ellipkm1(0.5):.6f}")
    1.854075
    """
    return ellipk(np.subtract(1, p))


OF_SCIPY.update(
    ellipk=ellipk, ellipe=ellipe, ellipkinc=ellipkinc, ellipeinc=ellipeinc,
)  # fmt: skip
