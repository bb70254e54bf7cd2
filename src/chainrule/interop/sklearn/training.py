"""A training run: its epochs, batches, curves and callbacks, and when to stop; or L-BFGS on the whole set."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .compiled import CompiledStep, compiled_step, taken
from .network import Batch, Network
from .solver import SMALLEST_RATE, Solver

Array: TypeAlias = Any


def dense(array: Any) -> Any:
    """Return a sparse matrix as an array, anything else unchanged."""
    return array.toarray() if hasattr(array, "toarray") else array


@dataclass(frozen=True)
class Samples:
    """Inputs `[N, n]`, dense or CSR, their targets, and their weights if there are any."""

    x: Array
    targets: Array
    weight: Array | None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def batch(self, which: Any) -> Batch:
        """Return some rows, dense."""
        x = self.x[which]
        weight = None if self.weight is None else self.weight[which]
        return dense(x), self.targets[which], weight


class Training:
    """One training run of an estimator, whose fitted attributes it writes.

    `score(outputs, rows)` is what early stopping compares; the outputs are those before the output activation.
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        solver: Solver,
        rows: Samples,
        validation: Samples | None,
        watched: str,
        score: Callable[[Array, Samples], float],
    ) -> None:
        self.estimator, self.network, self.solver = estimator, network, solver
        self.rows, self.validation, self.watched, self.score = rows, validation, watched, score
        self._ahead: int | None = None
        """The number of steps ahead, until it is decided whether to compile them."""
        self._compiled: CompiledStep | None = None
        self.best: Array | None = solver.flat.copy() if estimator.early_stopping else None

    def run(self, random: Any, epochs: int, callbacks: Any, to_the_end: bool) -> None:
        """Train for at most so many epochs. With `to_the_end`, warn if they run out before convergence.

        Raises ValueError if the loss or a parameter is not finite.
        """
        one = self.estimator
        one.n_iter_ = 0
        self._ahead = epochs * -(-len(self.rows) // batch_size(one.batch_size, len(self.rows)))
        order = np.arange(len(self.rows))
        try:
            for _ in range(epochs):
                if one.shuffle:
                    # Drawn as in scikit-learn, so that the same seed gives the same batches.
                    drawn = np.arange(len(order))
                    random.shuffle(drawn)
                    order = order[drawn]
                ends = callbacks.epoch()
                self._epoch(order)
                over = self._is_over()
                if ends() or over:
                    break
                if one.n_iter_ == epochs and to_the_end:
                    _warn_not_converged(epochs)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        if self.best is not None:
            self.solver.flat[...] = self.best

    def _epoch(self, order: Array) -> None:
        one = self.estimator
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for loss, penalty, rows in self._steps(order):
                total += (self.network.criterion.reported(loss, one.n_outputs_) + penalty) * rows
        one.loss_ = total / len(self.rows)
        if not np.isfinite(one.loss_) or not np.isfinite(self.solver.flat).all():
            raise ValueError(
                f"the loss or a parameter is not finite after epoch {one.n_iter_ + 1} (loss {one.loss_}): the inputs "
                "may be large, so scale them with StandardScaler, or the steps, so choose a smaller learning_rate_init"
            )
        one.n_iter_ += 1
        one.t_ += len(self.rows)
        one.loss_curve_.append(one.loss_)
        if one.verbose:
            print(f"Iteration {one.n_iter_}, loss = {one.loss_:.8f}")
        if self.validation is not None:
            self._validate(self.validation)

    def _learned(self, batch: Batch) -> tuple[float, float]:
        """Take one step on a batch; return loss and penalty."""
        alpha = self.estimator.alpha
        if self._ahead is not None:
            self._compiled = compiled_step(self.solver, self.network, alpha, batch, self._ahead)
            self._ahead = None
            found = None if self._compiled is None else taken(self._compiled, batch)
            if found is not None:
                return found
            self._compiled = None
        if self._compiled is not None:
            return self._compiled(batch)
        found = self.solver.differentiate(self.network, batch, alpha)
        self.solver.step()
        return found

    def _steps(self, order: Array) -> Iterator[tuple[float, float, int]]:
        """Take the steps of an epoch; yield the loss, the penalty and the number of rows of each."""
        size, start = batch_size(self.estimator.batch_size, len(order)), 0
        while start < len(order):
            stop = min(start + size, len(order))
            taken = self._several(order, start // size, size) if stop == start + size else []
            for loss, penalty in taken:
                yield loss, penalty, size
            start += len(taken) * size
            if taken:
                continue
            batch = self.rows.batch(order[start:stop] if self.estimator.shuffle else slice(start, stop))
            if batch[2] is None or batch[2].any():  # rows of weight zero contribute nothing
                yield *self._learned(batch), batch[0].shape[0]
            start = stop

    def _several(self, order: Array, first: int, size: int) -> list[tuple[float, float]]:
        """Take as many steps as machine code can at once; return loss and penalty of each."""
        rows = self.rows
        if self._compiled is None or rows.weight is not None or not isinstance(rows.x, np.ndarray):
            return []
        return self._compiled.several(rows.x, rows.targets, order, first, size)

    def _validate(self, rows: Samples) -> None:
        one = self.estimator
        parameters = [np.asarray(p.numpy()) for p in self.solver.parameters]
        outputs = np.asarray(self.network.outputs(parameters, rows.x))
        loss = float(self.network.criterion.mean(outputs, rows.targets, rows.weight))
        one.validation_loss_curve_.append(self.network.criterion.reported(loss, outputs.shape[1]))
        one.validation_scores_.append(self.score(outputs, rows) if np.isfinite(outputs).all() else np.nan)
        if one.verbose:
            print(f"Validation score: {one.validation_scores_[-1]:f}, loss: {one.validation_loss_curve_[-1]:f}")

    # When to stop

    def _is_over(self) -> bool:
        """Count the epochs without progress; return whether there were too many and no smaller step is left."""
        one = self.estimator
        value, best, sign = self._watched()
        one._no_improvement_count = 0 if sign * value >= sign * best + one.tol else one._no_improvement_count + 1
        if one.early_stopping and sign * value > sign * best:
            self.best = self.solver.flat.copy()
        self._note_best()
        if one.solver == "sgd" and one.learning_rate == "invscaling":
            self.solver.set_rate(one.learning_rate_init / (one.t_ + 1) ** one.power_t)
        return one._no_improvement_count > one.n_iter_no_change and not self._goes_on_slower()

    def _goes_on_slower(self) -> bool:
        """Divide the step by 5 if the schedule says so and it is not too small yet."""
        one = self.estimator
        slower = one.solver == "sgd" and one.learning_rate == "adaptive" and self.solver.rate > SMALLEST_RATE
        if slower:
            self.solver.set_rate(self.solver.rate / 5)
            one._no_improvement_count = 0
        if one.verbose:
            then = f"Setting learning rate to {self.solver.rate:f}" if slower else "Stopping."
            print(f"{self._name()} did not improve more than tol={one.tol:f} for {one.n_iter_no_change} epochs. {then}")
        return slower

    def _watched(self) -> tuple[float, float, int]:
        """Return the last monitored value, the best one before, and 1 if larger is better, else −1."""
        one = self.estimator
        if self.watched == "score":
            return one.validation_scores_[-1], one.best_validation_score_, 1
        if self.watched == "loss":
            return one.validation_loss_curve_[-1], one.best_validation_loss_, -1
        return one.loss_curve_[-1], one.best_loss_, -1

    def _note_best(self) -> None:
        """Keep the best values, ignoring NaN."""
        one = self.estimator
        one.best_loss_ = min(one.best_loss_, one.loss_)
        if self.validation is not None:
            score, loss = one.validation_scores_[-1], one.validation_loss_curve_[-1]
            if score > one.best_validation_score_:
                one.best_validation_score_ = score
            if loss < one.best_validation_loss_:
                one.best_validation_loss_ = loss

    def _name(self) -> str:
        return {"score": "Validation score", "loss": "Validation loss", "training": "Training loss"}[self.watched]


def batch_size(wanted: Any, rows: int) -> int:
    """Return the size of a batch, at most the number of rows."""
    if wanted == "auto":
        return min(200, rows)
    if wanted > rows:
        warnings.warn(f"batch_size: {wanted} is more than the {rows} samples; one batch holds them all", stacklevel=6)
    return min(int(wanted), rows)


def _warn_not_converged(epochs: int) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"Maximum iterations ({epochs}) reached and the optimization hasn't converged yet: raise max_iter, or tol",
        ConvergenceWarning,
        stacklevel=6,
    )


def minimise(estimator: Any, network: Network, solver: Solver, rows: Samples) -> None:
    """Minimise loss plus penalty over all samples; write the fitted attributes.

    Raises ValueError if the minimum is not finite.
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
