"""`MLPClassifier`."""

from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if

from .base import BaseMLP
from .labels import Labels
from .losses import CLASS_LOSSES, LOG_LOSS, LOG_LOSS_OF_EACH, RowLoss, activated, other_loss
from .settings import class_losses
from .training import Samples, dense
from .versions import with_callbacks

Array: TypeAlias = Any


def _has_epochs(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit: solver='lbfgs' cannot take single steps; choose 'adam' or another solver")
    return True


class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    r"""A multi-layer perceptron for classification, single- or multilabel, as a scikit-learn estimator.

    The parameters of `sklearn.neural_network.MLPClassifier` have the same meaning as there, and with the same
    `random_state` the fitted network is the same up to rounding. It minimises the mean log loss with the penalty
    $\frac{\alpha}{2N} \sum_l \lVert W_l \rVert^2$, N the samples of the batch or the sum of their weights. float32
    inputs are computed in float32.

    Additions to scikit-learn's parameters:

    - `activation` may also name an elementwise function of `chainrule.nn.functional`, such as "gelu", or be a function
    of an array.
    - `solver` may also be "adamw" (with `weight_decay`, of the weights alone), "rmsprop" or "adagrad". `learning_rate`,
      `power_t`, `momentum` are for "sgd", `beta_1`, `beta_2`, `epsilon` for "adam" and "adamw", `max_fun` for "lbfgs".
    - `loss`: "log_loss", a loss of `chainrule.nn.functional`, or a function of the outputs `[B, K]` and the targets
      that returns one number for each sample (or one for each output, which are averaged). There is one output per
      class, even for two classes, and the targets are class indices `[B]`; in multilabel problems they are 0 and 1 `[B,
      K]`.
    - `dropout` (0): the probability with which a hidden unit is dropped in training.
    - `class_weight`: a dict of weights by class, or "balanced"; they multiply `sample_weight`.
    - `monitor`: what early stopping watches, "score" or "loss" of the validation samples; "auto" is the loss if they
    are passed to `fit`, and the score, as in scikit-learn, if they are split off.

    Attributes are scikit-learn's plus `validation_loss_curve_` and `best_validation_loss_`; `best_loss_` is always set.

    `fit` raises ValueError or TypeError for a parameter out of range, and ValueError for samples or targets that do not
    fit, or if the loss does not stay finite.

    Sources: the losses and the optimisers name theirs; the initialisation is that of Glorot & Bengio, "Understanding
    the difficulty of training deep feedforward neural networks" (2010), equation 16, with $\sqrt{2/(m+n)}$ for the
    logistic function.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((16,), learning_rate_init=0.05, tol=0.01, random_state=0).fit(X, y)
    >>> network.score(X, y) > 0.9, network.predict_proba(X[:1]).shape
    (True, (1, 3))
    """

    def __init__(
        self,
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
        loss: Any = "log_loss",
        dropout: float = 0.0,
        weight_decay: float = 0.01,
        class_weight: Any = None,
        monitor: str = "auto",
    ) -> None:
        self._keep(locals())

    @with_callbacks  # type: ignore[untyped-decorator, unused-ignore]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit to samples `X [N, n]`, dense or sparse, and their classes `y [N]`, or labels of 0 and 1 `[N, K]`.

        `sample_weight [N]` are the weights of the samples. `X_val` and `y_val`, if given, are the validation samples:
        the curves report them, `early_stopping` uses them to decide when to stop, and no samples of `X` are set aside.
        """
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(_has_epochs)  # type: ignore[untyped-decorator, unused-ignore]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Make one pass over the samples, and keep the optimiser for the next call.

        `classes` are all classes that will ever come; the first call needs them.
        """
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("partial_fit: classes must be passed on the first call")
            y_now = np.asarray(dense(y))
            many = y_now.ndim == 2 and y_now.shape[1] > 1
            self._labels = Labels.of(y_now) if many else Labels(np.unique(classes), False)
            self.classes_ = self._labels.classes
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"partial_fit: classes {np.unique(classes)} is not the same as on the first call: {self.classes_}"
            )
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the class `[N]` of each sample, or its labels `[N, K]`."""
        found = self._outputs(X)
        return self._labels.decided(found)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability `[N, K]` of each class, in the order of `classes_`, or of each label."""
        found = self._outputs(X)
        if self._labels.multilabel:  # σ is never 0 or 1, only its rounding is
            limits = np.finfo(found.dtype)
            return np.clip(found, limits.tiny, 1 - limits.epsneg)
        return np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 else found

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`, −∞ where that is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # What the base class requires

    def _losses(self) -> Sequence[str]:
        return class_losses()

    def _criterion(self) -> RowLoss:
        if self.loss == "log_loss":
            return LOG_LOSS_OF_EACH if self._labels.multilabel or self.n_outputs_ == 1 else LOG_LOSS
        if self.loss in CLASS_LOSSES and self._labels.multilabel:
            raise ValueError(f"loss: {self.loss!r} is of one class for each sample, y has several labels")
        return other_loss(self.loss, "logistic" if self._labels.multilabel else "softmax")

    def _targets(self, y: Array, dtype: Any, known: bool) -> Array:
        if not known:
            self._labels = Labels.of(y)
            self.classes_ = self._labels.classes
        indices = self._labels.indices(y)
        one_output = self.loss == "log_loss" and len(self.classes_) <= 2 and not self._labels.multilabel
        self.n_outputs_ = 1 if one_output else len(self.classes_)
        if self._labels.multilabel:
            return indices.astype(dtype)
        return indices[:, None].astype(dtype) if one_output else indices

    def _strata(self, rows: Samples) -> Array | None:
        return rows.targets if self.n_outputs_ == 1 else None

    def _class_weight_of(self, y: Array, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return None
        if self._labels.multilabel:
            raise ValueError("class_weight: expected None where a sample has several labels; use sample_weight")
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight: 'balanced' needs all samples, and partial_fit sees only part; pass a dict, for example "
                "from sklearn.utils.class_weight.compute_class_weight"
            )
        weight: Array = compute_sample_weight(self.class_weight, y)
        return weight

    def _score_of(self, outputs: Array, rows: Samples) -> float:
        decided = self._labels.decided(activated(outputs, self.out_activation_))
        truth = rows.targets
        if not self._labels.multilabel:
            truth = self.classes_[truth.reshape(-1).astype(np.intp)]
        right = decided == truth
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=rows.weight))

    # What scikit-learn requires

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = self.loss not in CLASS_LOSSES
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {"multilabel": self.loss not in CLASS_LOSSES}
