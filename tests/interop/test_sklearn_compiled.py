"""Estimators whose steps are compiled learn what they learn without, to rounding."""

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="estimators for scikit-learn: pip install '.[app]'")

from sklearn.datasets import load_iris  # noqa: E402

from chainrule.interop.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from chainrule.interop.sklearn.compiled import CompiledStep  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def always(*_):
    return True


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"solver": "sgd", "learning_rate": "adaptive", "alpha": 0.1},
        {"solver": "adamw", "dropout": 0.2, "activation": "tanh"},
        {"class_weight": "balanced", "alpha": 0.0},
    ],
    ids=str,
)
def test_a_compiled_step_learns_the_same(monkeypatch, settings):
    x, y = load_iris(return_X_y=True)
    made = []
    step = CompiledStep.__init__
    monkeypatch.setattr(CompiledStep, "__init__", lambda self, *a: (made.append(self), step(self, *a))[1])
    settings = {"hidden_layer_sizes": (5,), "max_iter": 4, "batch_size": 40, "random_state": 0, **settings}
    plain = MLPClassifier(**settings).fit(x, y)
    monkeypatch.setattr("chainrule.interop.sklearn.compiled.pays", always)
    compiled = MLPClassifier(**settings).fit(x, y)
    assert len(made) == 1
    np.testing.assert_allclose(compiled.loss_curve_, plain.loss_curve_, rtol=1e-9)
    for ours, theirs in zip(compiled.coefs_, plain.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)


def test_a_loss_that_cannot_be_captured_is_learned_as_it_is_written(monkeypatch):
    def loss(outputs, targets):
        squares = np.square(outputs - targets)
        return squares if float(np.sum(squares)) >= 0 else -squares

    monkeypatch.setattr("chainrule.interop.sklearn.compiled.pays", always)
    x = np.linspace(-1, 1, 20)[:, None]
    made = MLPRegressor(hidden_layer_sizes=(4,), loss=loss, max_iter=50, n_iter_no_change=100, random_state=0)
    made.fit(x, x[:, 0])
    assert made.loss_curve_[-1] < made.loss_curve_[0]
