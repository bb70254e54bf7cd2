"""The whole set at once: SciPy's L-BFGS-B, as in scikit-learn."""

import warnings
from typing import Any

import numpy as np

from .network import Network
from .solver import Solver
from .training import Rows


def minimise(estimator: Any, network: Network, solver: Solver, rows: Rows) -> None:
    """Minimise the loss with its penalty over all samples; write the fitted attributes.

    Raises ValueError where the minimum is not finite.
    """
    from scipy.optimize import minimize
    from sklearn.exceptions import ConvergenceWarning

    batch = rows.batch(slice(None))

    def objective(vector: Any) -> tuple[float, Any]:
        solver.flat[...] = vector
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            loss = sum(solver.differentiate(network, batch, estimator.alpha))
        return loss, solver.gradient.astype(np.float64)

    options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
    start = solver.flat.astype(np.float64)
    found = minimize(objective, start, method="L-BFGS-B", jac=True, options=options)
    solver.flat[...] = found.x
    loss, penalty = solver.differentiate(network, batch, estimator.alpha)
    estimator.n_iter_ = int(found.nit)
    estimator.loss_ = network.criterion.reported(loss, estimator.n_outputs_) + penalty
    estimator.t_ += len(rows) * estimator.n_iter_
    if not np.isfinite(found.fun) or not np.isfinite(solver.flat).all():
        raise ValueError(
            f"lbfgs: the loss is {found.fun}, not finite: the inputs may be large; scale them with StandardScaler"
        )
    estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
    if estimator.verbose:
        print(f"lbfgs: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}: {found.message}")
    if not found.success:
        warnings.warn(
            f"lbfgs has not converged after {found.nit} iterations ({found.message}): raise max_iter, or scale the "
            "inputs with StandardScaler",
            ConvergenceWarning,
            stacklevel=5,
        )
