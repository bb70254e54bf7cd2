"""Plain NumPy code differentiated as it stands: Newton's method with an exact gradient and Hessian."""

import numpy as np

import chainrule as cr

rng = np.random.default_rng(0)
x = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
y = rng.random(200) < 1 / (1 + np.exp(-x @ [0.5, 2.0, -1.0]))


def loss(w):
    """Logistic regression, with a little ridge."""
    margins = np.where(y, 1, -1) * (x @ w)
    return np.logaddexp(0, -margins).mean() + 1e-3 * (w**2).sum()


gradient, hessian = cr.grad(loss), cr.hessian(loss)
w = np.zeros(3)
for step in range(7):
    print(f"step {step}  loss {loss(w):.6f}  norm of the gradient {np.linalg.norm(gradient(w)):.1e}")
    w = w - np.linalg.solve(hessian(w), gradient(w))
print("w =", w.round(3))
assert np.linalg.norm(gradient(w)) < 1e-12
