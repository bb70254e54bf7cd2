r"""The Faddeeva function, Voigt's profile, and spherical harmonics: what physics needs of complex special functions.

The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 7.10.2 (with 7.2.3), and 14.10.4
with 14.30.1 for the spherical harmonics.
"""

import math

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array, Case
from chainrule.core.traces.capturing import plain

from .special_functions import OF_SCIPY, computed, number_of, order_of, scipy_special
from .trigonometric import cos, sin


class Wofz(Elementwise):
    r"""y = \operatorname{wofz}(z)

    The Faddeeva function, $e^{-z^2} \operatorname{erfc}(-i z)$, complex of real numbers, too.
    """

    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(z: Array) -> Array:
        z = np.asarray(z)
        dtype = np.result_type(z, np.complex64) if z.dtype.kind in "fc" else None
        return np.asarray(scipy_special("wofz").wofz(z), dtype)[()]

    @staticmethod
    def partial(z: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial z} = -2 z y + \frac{2 i}{\sqrt{\pi}}"""
        return -2 * z * y + 2j / math.sqrt(math.pi)


class SphLegendreP(Elementwise):
    r"""y = \operatorname{sphlegendre}(n, m, \theta)

    The spherical harmonic of degree n and order m at the polar angle θ, where the azimuth is zero.
    """

    domain = {"theta": (0.2, 2.9)}
    cases = (Case(((3,),), {"n": 2, "m": 1}), Case(((3,),), {"n": 3, "m": -2}))

    @staticmethod
    def primal(theta: Array, *, n: int = 1, m: int = 0) -> Array:
        theta = np.asarray(theta)
        if abs(m) > n:  # which derivatives ask for; there is no such harmonic
            return np.zeros(theta.shape, theta.dtype if theta.dtype.kind == "f" else np.float64)[()]
        return computed("sph_legendre_p", theta, n, m).reshape(theta.shape)[()]

    @staticmethod
    def partial(theta: Array, *, n: int, m: int) -> Array:
        r"""\frac{\partial y}{\partial \theta} =
        \frac{\sqrt{(n - m) (n + m + 1)} \operatorname{sphlegendre}(n, m + 1, \theta)
        - \sqrt{(n + m) (n - m + 1)} \operatorname{sphlegendre}(n, m - 1, \theta)}{2}
        """
        above, below = (n - m) * (n + m + 1), (n + m) * (n - m + 1)
        up = math.sqrt(above) * SphLegendreP.apply(theta, n=n, m=m + 1) if above > 0 else 0.0
        down = math.sqrt(below) * SphLegendreP.apply(theta, n=n, m=m - 1) if below > 0 else 0.0
        return (up - down) / 2


wofz = Wofz.apply


def voigt_profile(x: Array, sigma: Array, gamma: Array) -> Array:
    """Return Voigt's profile at `x`: a normal density of deviation `sigma` > 0, convolved with a Cauchy one.

    `gamma` ≥ 0 is the half-width at half-maximum of the Cauchy density.

    >>> print(f"{voigt_profile(0.0, 1.0, 0.0):.6f}")  # 1 / √(2π)
    0.398942
    """
    if plain(lambda sigma: bool(np.any(np.less_equal(sigma, 0))), sigma):
        raise ValueError("voigt_profile: expected a positive sigma; without it, stats.cauchy.pdf is the profile")
    z = (x + 1j * gamma) / (sigma * math.sqrt(2))
    return Wofz.apply(z).real / (sigma * math.sqrt(2 * math.pi))


def sph_harm_y(n: int, m: int, theta: Array, phi: Array) -> Array:
    """Return the complex spherical harmonic of degree `n` ≥ 0 and order `m` at polar angles `theta`, azimuths `phi`.

    Needs SciPy 1.15 or later. Raises ValueError unless `n` and `m` are whole numbers.

    >>> print(f"{sph_harm_y(1, 0, 0.0, 0.0).real:.6f}")  # √(3 / 4π)
    0.488603
    """
    n, order = order_of("sph_harm_y", n), number_of("sph_harm_y", "m", m)
    if not isinstance(order, int):
        raise ValueError(f"sph_harm_y: got m={m!r}, expected a whole number")
    if not hasattr(scipy_special("sph_harm_y"), "sph_harm_y"):
        raise ImportError("sph_harm_y: needs SciPy 1.15; run: python -m pip install --upgrade scipy")
    polar = SphLegendreP.apply(theta, n=n, m=order)
    return polar * (cos(order * phi) + 1j * sin(order * phi))


def gammasgn(x: Array) -> Array:
    """Return the sign of the gamma function, a constant.

    >>> float(gammasgn(-0.5))
    -1.0
    """
    return plain(lambda x: scipy_special("gammasgn").gammasgn(x), x)


OF_SCIPY.update(
    wofz=wofz, voigt_profile=voigt_profile, gammasgn=gammasgn,
)  # fmt: skip
