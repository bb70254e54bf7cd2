"""Nonlinear least squares with an exact Jacobian: Misra1a of NIST's reference problems, to its certified values.

The model is y = b1 (1 − exp(−b2 x)), of the adsorption of gas on a surface. Data, starting values and certified values:
NIST, Statistical Reference Datasets, Nonlinear Regression, Misra1a (D. Misra, 1978),
https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml.

The steps are those of Levenberg and Marquardt: (JᵀJ + λ diag(JᵀJ)) δ = Jᵀr.
"""

import numpy as np

import chainrule as cr

x = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
CERTIFIED = np.array([238.94212918, 5.5015643181e-04])
CERTIFIED_RESIDUAL = 0.12455138894


def residuals(b):
    return y - b[0] * (1 - np.exp(-b[1] * x))


jacobian = cr.jacobian(residuals)

for start in ([500.0, 1e-4], [250.0, 5e-4]):
    b, damping, steps = np.array(start), 1e-3, 0
    while damping < 1e12:
        r, J = residuals(b), jacobian(b)
        normal = J.T @ J
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -J.T @ r)
        if np.sum(residuals(b + step) ** 2) < np.sum(r**2):
            b, damping, steps = b + step, damping / 10, steps + 1
        else:
            damping *= 10
    found = np.sum(residuals(b) ** 2)
    print(f"from {start}: b = {b[0]:.8f}, {b[1]:.10e}, residual sum of squares {found:.11f}, after {steps} steps")
    assert np.allclose(b, CERTIFIED, rtol=1e-9, atol=0)
    assert np.isclose(found, CERTIFIED_RESIDUAL, rtol=1e-9, atol=0)
print("all certified digits: 11 of b1 and b2, 11 of the residual")
