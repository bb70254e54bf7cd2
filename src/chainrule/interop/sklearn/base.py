"""What the classifier and the regressor share: parameters, fitting, and conversion to a chainrule module."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from chainrule import nn

from .losses import RowLoss, activated
from .network import Network
from .settings import check_settings, hidden_sizes
from .solver import Solver
from .training import Samples, Training, dense, minimise
from .versions import Callbacks, CallbackSupportMixin, validate

Array: TypeAlias = Any


class BaseMLP(CallbackSupportMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """The network of an estimator and its training; subclasses define the targets."""

    coefs_: list[Array]
    intercepts_: list[Array]
    loss_curve_: list[float]
    validation_scores_: list[float]
    validation_loss_curve_: list[float]
    n_outputs_: int
    _solver: Solver
    _dropout_generator: np.random.Generator

    def _keep(self, given: dict[str, Any]) -> None:
        """Store the parameters of `__init__`, given its local variables."""
        for name, value in given.items():
            if name != "self":
                setattr(self, name, value)

    # What a subclass defines

    @abstractmethod
    def _criterion(self) -> RowLoss:
        """Return the loss; the targets are known by now."""

    @abstractmethod
    def _targets(self, y: Array, dtype: Any, known: bool) -> Array:
        """Convert the targets `y` to what the loss takes; with `known`, no new classes are allowed."""

    @abstractmethod
    def _score_of(self, outputs: Array, rows: Samples) -> float:
        """Return accuracy or R² of outputs before the output activation."""

    @abstractmethod
    def _losses(self) -> Sequence[str]:
        """Return the names that `loss` accepts."""

    def _class_weight_of(self, y: Array, incremental: bool) -> Array | None:  # noqa: ARG002
        """Return the weight of each sample due to its class."""
        return None

    # Fitting

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, X_val: Any = None, y_val: Any = None, incremental: bool = False
    ) -> Self:
        check_settings(self, self._losses())
        if incremental and (self.early_stopping or self.solver == "lbfgs"):
            setting = "early_stopping=True" if self.early_stopping else "solver='lbfgs'"
            raise ValueError(f"partial_fit: it makes one pass over the samples, which {setting} does not go with")
        begins = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        x, y_checked = self._arrays(X, y, begins)
        targets = self._targets(y_checked, x.dtype, known=not begins or (incremental and hasattr(self, "classes_")))
        rows = Samples(x, targets, self._weights(x, y_checked, sample_weight, incremental))
        random = check_random_state(self.random_state)
        self._prepare(begins, incremental, rows, random)
        epochs = 0 if incremental else self.max_iter
        callbacks = Callbacks(self, epochs, self._snapshot, X=X, y=y, metadata=_metadata(sample_weight))
        callbacks.begin()
        if self.solver == "lbfgs":
            self._minimise(rows)
        else:
            self._train(rows, self._given(X_val, y_val, x.dtype), random, callbacks, incremental)
        callbacks.end()
        return self

    def _arrays(self, X: Any, y: Any, begins: bool) -> tuple[Array, Array]:
        settings = {"multi_output": True, "y_numeric": isinstance(self, RegressorMixin)}
        x, y = validate(self, X, y, accept_sparse="csr", dtype=(np.float64, np.float32), reset=begins, **settings)
        return x, dense(y)

    def _weights(self, x: Array, y: Array, sample_weight: Any, incremental: bool) -> Array | None:
        """Return the product of the weights of samples and classes, or None where there are none."""
        by_class = self._class_weight_of(y, incremental)
        if sample_weight is None and by_class is None:
            return None
        weight = _check_sample_weight(sample_weight, x, dtype=x.dtype)
        if by_class is not None:
            weight = weight * by_class.astype(x.dtype)
        if (weight < 0).any():
            raise ValueError(f"sample_weight: expected no negative weights, got {weight.min()}")
        if not weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number; got zero for every sample")
        return weight

    def _prepare(self, begins: bool, incremental: bool, rows: Samples, random: Any) -> None:
        """Create the parameters, or reuse existing ones."""
        sizes = [rows.x.shape[1], *hidden_sizes(self.hidden_layer_sizes), self.n_outputs_]
        if begins:
            self._begin(sizes)
        elif sizes != [len(self.coefs_[0]), *(len(b) for b in self.intercepts_)]:
            raise ValueError(
                f"hidden_layer_sizes: the network so far has the layers {[len(b) for b in self.intercepts_]}, now "
                f"{sizes[1:]} are asked for; fit anew with warm_start=False"
            )
        if begins or not incremental or not hasattr(self, "_solver"):
            dtype = rows.x.dtype if begins else self.coefs_[0].dtype
            self._solver = Solver(sizes, dtype, self.solver, self._solver_settings())
        if begins:
            self._draw(random)
        else:
            self._solver.take(self.coefs_, self.intercepts_)
        self.coefs_, self.intercepts_ = self._solver.weights, self._solver.biases

    def _begin(self, sizes: list[int]) -> None:
        self.n_layers_ = len(sizes)
        self.n_iter_ = self.t_ = self._no_improvement_count = 0
        self.loss_curve_, self.validation_scores_, self.validation_loss_curve_ = [], [], []
        self.best_loss_ = self.best_validation_loss_ = np.inf
        self.best_validation_score_ = -np.inf
        self.out_activation_ = self._criterion().activation

    def _solver_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"lr": self.learning_rate_init}
        if self.solver in ("adam", "adamw"):
            settings |= {"betas": (self.beta_1, self.beta_2), "epsilon": self.epsilon}
        if self.solver == "adamw":
            settings |= {"weight_decay": self.weight_decay}
        if self.solver == "sgd":
            settings |= {"momentum": self.momentum, "nesterov": bool(self.nesterovs_momentum and self.momentum > 0)}
        return settings

    def _draw(self, random: Any) -> None:
        """Draw weights and biases as scikit-learn does, by Glorot's uniform distribution."""
        factor = 2.0 if self.activation in ("logistic", "sigmoid") else 6.0
        for w, b in zip(self._solver.weights, self._solver.biases, strict=True):
            bound = np.sqrt(factor / sum(w.shape))
            w[...] = random.uniform(-bound, bound, w.shape)
            b[...] = random.uniform(-bound, bound, b.shape)
        if self.dropout:
            self._dropout_generator = np.random.default_rng(random.randint(2**31 - 1))

    def _network(self) -> Network:
        generator = getattr(self, "_dropout_generator", None)
        if self.dropout and generator is None:  # dropout was switched on after the first fit
            generator = self._dropout_generator = np.random.default_rng(self.random_state)
        return Network(self.activation, self._criterion(), self.dropout, generator)

    def _train(
        self, rows: Samples, given: Samples | None, random: Any, callbacks: Callbacks, incremental: bool
    ) -> None:
        validation = given
        if self.early_stopping and given is None:
            rows, validation = self._split(rows, random)
        watched = self.monitor if self.monitor != "auto" else "loss" if given is not None else "score"
        watched = watched if self.early_stopping else "training"
        training = Training(self, self._network(), self._solver, rows, validation, watched, self._score_of)
        training.run(random, 1 if incremental else self.max_iter, callbacks, to_the_end=not incremental)

    def _given(self, X_val: Any, y_val: Any, dtype: Any) -> Samples | None:
        """Return the validation samples passed to `fit`."""
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            raise ValueError(f"fit: X_val and y_val come together, got only {'y_val' if X_val is None else 'X_val'}")
        x = validate(self, X_val, accept_sparse="csr", dtype=dtype, reset=False)
        check_consistent_length(x, y_val)
        y = np.asarray(dense(y_val))
        return Samples(x, self._targets(y, dtype, known=True), None)

    def _split(self, rows: Samples, random: Any) -> tuple[Samples, Samples]:
        """Set validation samples aside, as scikit-learn's estimators do."""
        arrays = [array for array in (rows.x, rows.targets, rows.weight) if array is not None]
        parts = train_test_split(
            *arrays, random_state=random, test_size=self.validation_fraction, stratify=self._strata(rows)
        )
        weighted = rows.weight is not None
        train = Samples(parts[0], parts[2], parts[4] if weighted else None)
        held_out = Samples(parts[1], parts[3], parts[5] if weighted else None)
        if len(held_out) < 2:
            raise ValueError(
                f"validation_fraction: {self.validation_fraction} of {len(rows)} samples leaves {len(held_out)} to "
                "validate with, expected 2 or more; raise it, or give X_val and y_val to fit"
            )
        return train, held_out

    def _strata(self, rows: Samples) -> Array | None:  # noqa: ARG002
        """Return the targets by which to stratify the split, or None."""
        return None

    def _minimise(self, rows: Samples) -> None:
        minimise(self, self._network(), self._solver, rows)

    def _snapshot(self) -> dict[str, Any]:
        """Return what a callback needs to reconstruct the current network."""
        return {
            "coefs_": [w.copy() for w in self._solver.weights],
            "intercepts_": [b.copy() for b in self._solver.biases],
        }

    # Afterwards

    def _outputs(self, X: Any) -> Array:
        """Return the outputs `[N, K]` for samples, after the output activation."""
        check_is_fitted(self)
        x = validate(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        parameters = [part for pair in zip(self.coefs_, self.intercepts_, strict=True) for part in pair]
        network = Network(self.activation, self._criterion(), 0.0, None)
        return activated(np.asarray(network.outputs(parameters, x)), self.out_activation_)

    def to_module(self) -> nn.Sequential:
        """Return a copy of the fitted network as a `chainrule.nn.Sequential`, for `chainrule.explain` and the like.

        Its outputs are those before the output activation. Raises scikit-learn's NotFittedError before `fit`.
        """
        from .network import sequential

        check_is_fitted(self)
        return sequential(self.coefs_, self.intercepts_, self.activation, self.dropout)


def _metadata(sample_weight: Any) -> dict[str, Any] | None:
    return None if sample_weight is None else {"sample_weight": sample_weight}
