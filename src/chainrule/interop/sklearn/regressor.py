"""`MLPRegressor`."""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from .base import BaseMLP
from .classifier import _has_epochs
from .losses import REGRESSION, RowLoss, activated, other_loss
from .settings import regression_losses
from .training import Samples
from .versions import with_callbacks

Array: TypeAlias = Any


class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    r"""A multi-layer perceptron for regression, as a scikit-learn estimator.

    The parameters of `sklearn.neural_network.MLPRegressor` have the same meaning as there; `MLPClassifier` describes
    the additional ones and the errors raised. `loss` is "squared_error" (half of it), "poisson" (half the deviance,
    with the exponential function as output activation), a loss of `chainrule.nn.functional`, or a function of the
    outputs and the targets, both `[B, K]`.

    With several outputs scikit-learn descends the sum of their squared errors and reports the mean; so does this.

    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> network = MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> network.score(X, X[:, 0] ** 2) > 0.95
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        weight_decay: float = 0.01,
        monitor: str = "auto",
    ) -> None:
        self._keep(locals())

    @with_callbacks  # type: ignore[untyped-decorator, unused-ignore]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit to samples `X [N, n]`, dense or sparse, and their targets `y`, `[N]` or `[N, K]`.

        The other arguments are those of `MLPClassifier.fit`.
        """
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(_has_epochs)  # type: ignore[untyped-decorator, unused-ignore]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Make one pass over the samples, and keep the optimiser for the next call."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the prediction for each sample: `[N]`, or `[N, K]` for several targets."""
        found = self._outputs(X)
        return found[:, 0] if found.shape[1] == 1 else found

    # What the base class requires

    def _losses(self) -> Sequence[str]:
        return regression_losses()

    def _criterion(self) -> RowLoss:
        if isinstance(self.loss, str) and self.loss in REGRESSION:
            return REGRESSION[self.loss]
        return other_loss(self.loss, "exp" if self.loss == "poisson_nll_loss" else "identity")

    def _targets(self, y: Array, dtype: Any, known: bool) -> Array:
        targets = np.asarray(y, dtype)
        targets = targets[:, None] if targets.ndim == 1 else targets
        if known and targets.shape[1] != self.n_outputs_:
            raise ValueError(f"y: expected {self.n_outputs_} targets for each sample, got {targets.shape[1]}")
        if self._criterion().activation == "exp" and (targets < 0).any():
            raise ValueError(f"y: loss={self.loss!r} needs targets from 0 up, got {targets.min()}")
        self.n_outputs_ = targets.shape[1]
        return targets

    def _score_of(self, outputs: Array, rows: Samples) -> float:
        found = activated(outputs, self.out_activation_)
        return float(r2_score(rows.targets, found, sample_weight=rows.weight))

    # What scikit-learn requires

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {"multioutput": True}
