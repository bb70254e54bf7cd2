r"""The density of the multivariate normal distribution, as one operation.

Written out it is a system of equations, a determinant and a dozen small operations, and they take several times as long
as the matrices themselves where these are small. The adjoints follow from those of inverse and determinant in M. Giles,
"Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), sections 2.2.3
and 2.3.1.
"""

import numpy as np

from chainrule.core.kinds import General
from chainrule.core.operation import Array, case
from chainrule.rules.arrays.reduce import sum

from .inverses import POSITIVE, Inv
from .matmul import transposed

POINTS = np.array([[0.3, -0.2, 0.9], [1.1, 0.4, -0.5]])
LOG_2PI = float(np.log(2 * np.pi))


class MultivariateNormal(General):
    r"""y = -\frac{1}{2} (\operatorname{diag}(R S^{-1} R^\top) + \log(\det(2 \pi S)))

    The logarithm of the density at each row of R, the deviations from the mean, for a covariance S.
    """

    cases = (case(POINTS, POSITIVE), case(POINTS[:1], POSITIVE + np.array([[0, 0.2, 0], [0, 0, 0], [0, 0, 0]])))

    @staticmethod
    def primal(r: Array, s: Array) -> Array:
        sign, log_det = np.linalg.slogdet(s)
        if not sign > 0:
            raise np.linalg.LinAlgError("multivariate_normal: cov is not positive definite; pass allow_singular=True")
        distances = np.sum(r * np.linalg.solve(s, r.T).T, axis=1)
        return (distances + (log_det + s.shape[0] * LOG_2PI)) * -0.5

    @staticmethod
    def vjp(y_bar: Array, r: Array, s: Array) -> tuple[Array, Array]:
        r"""\bar R = -\frac{1}{2} \operatorname{diag}(\bar y) R (S^{-1} + S^{-\top}), \quad
        \bar S = \frac{1}{2} (S^{-\top} R^\top \operatorname{diag}(\bar y) R S^{-\top}
        - \operatorname{tr}(\operatorname{diag}(\bar y)) S^{-\top})
        """
        # One inverse for both, and products with the rows of R only, of which there are often few.
        inverse = Inv.apply(s)
        turned = transposed(inverse)
        right, left = r @ inverse, y_bar[:, None] * (r @ turned)
        r_bar = (y_bar[:, None] * right + left) * -0.5
        return r_bar, (transposed(right) @ left - sum(y_bar) * turned) * 0.5

    @staticmethod
    def jvp(r: Array, r_dot: Array, s: Array, s_dot: Array) -> Array:
        r"""\dot y = -\frac{1}{2} (\operatorname{diag}(\dot R S^{-1} R^\top + R S^{-1} \dot R^\top
        - R S^{-1} \dot S S^{-1} R^\top) + \operatorname{tr}(S^{-1} \dot S))
        """
        inverse = Inv.apply(s)
        moved = r_dot @ inverse * r + r @ inverse * r_dot - r @ inverse @ s_dot @ inverse * r
        return (sum(moved, axis=1) + sum(transposed(inverse) * s_dot)) * -0.5


multivariate_normal = MultivariateNormal.apply
