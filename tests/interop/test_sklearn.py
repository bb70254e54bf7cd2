"""`MLPClassifier` and `MLPRegressor`: scikit-learn's own checks, and its own networks, number for number."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn

sklearn = pytest.importorskip("sklearn", reason="estimators for scikit-learn: pip install '.[app]'")

from sklearn import neural_network as theirs  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.interop.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

# A few epochs do not converge, and most tests here want no more.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = StandardScaler().fit_transform(load_iris().data)
Y = load_iris().target
NAMES = load_iris().target_names[Y]
LABELS = np.stack([Y == 0, Y > 0, X[:, 0] > 0], axis=1).astype(int)
WEIGHTS = np.random.default_rng(0).uniform(0.2, 2, len(X))
SMALL = {"hidden_layer_sizes": (8, 5), "max_iter": 15, "random_state": 3, "learning_rate_init": 0.02}


LONG = ("sparse", "check_classifiers_train", "check_classifiers_classes", "not_an_array", "check_estimators_dtypes")
"""What is in the names of checks that train often."""


def _in_halves(checks):
    """The long ones among scikit-learn's checks are in the slow half."""
    cases = []
    for case in checks.mark.args[1]:
        values = getattr(case, "values", case)  # a check that is expected to fail comes with a mark
        is_long = any(part in str(values[1]) for part in LONG)
        cases.append(pytest.param(*values, marks=[*getattr(case, "marks", ()), *[pytest.mark.slow] * is_long]))
    return pytest.mark.parametrize(checks.mark.args[0], cases, **checks.mark.kwargs)


@_in_halves(parametrize_with_checks([MLPClassifier()]))
def test_scikit_learn_accepts(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        MLPRegressor(),
        MLPClassifier(solver="lbfgs", max_iter=20),
    ]
)
def test_scikit_learn_accepts_other_settings(estimator, check):
    check(estimator)


# The same network as scikit-learn's

WEIGHTED = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)
weighted = pytest.mark.skipif(not WEIGHTED, reason="scikit-learn 1.7 brought sample_weight to its own networks")

TARGETS = {
    "three classes": (theirs.MLPClassifier, MLPClassifier, Y),
    "two classes": (theirs.MLPClassifier, MLPClassifier, Y == 1),
    "several labels": (theirs.MLPClassifier, MLPClassifier, LABELS),
    "one number": (theirs.MLPRegressor, MLPRegressor, X[:, 3]),
    "two numbers": (theirs.MLPRegressor, MLPRegressor, X[:, 2:]),
}
SETTINGS = {
    "adam": {},
    "small batches": {"batch_size": 32, "activation": "logistic"},
    "penalty": {"alpha": 3.0, "activation": "tanh"},
    "identity": {"activation": "identity", "shuffle": False, "batch_size": 50},
    "sgd": {"solver": "sgd"},
    "plain sgd": {"solver": "sgd", "momentum": 0.0},
    "invscaling": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 40},
    "stops": {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 100},
}


def same(ours, reference, rtol=1e-9):
    assert ours.n_iter_ == reference.n_iter_
    assert (ours.t_, ours.n_layers_, ours.n_outputs_, ours.out_activation_) == (
        reference.t_,
        reference.n_layers_,
        reference.n_outputs_,
        reference.out_activation_,
    )
    for a, b in zip(ours.coefs_ + ours.intercepts_, reference.coefs_ + reference.intercepts_, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol, atol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, reference.loss_curve_, rtol)
    np.testing.assert_allclose(ours.loss_, reference.loss_, rtol)


@walked("setting", SETTINGS)
@walked("target", TARGETS)
def test_the_fitted_network_is_that_of_scikit_learn(target, setting):
    reference, made, y = TARGETS[target]
    parameters = {**SMALL, **SETTINGS[setting]}
    expected, found = reference(**parameters).fit(X, y), made(**parameters).fit(X, y)
    same(found, expected)
    np.testing.assert_array_equal(found.predict(X).shape, expected.predict(X).shape)
    assert found.score(X, y) == pytest.approx(expected.score(X, y))
    if made is MLPClassifier:
        np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=1e-9)
        np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    if "early" in setting:
        np.testing.assert_allclose(found.validation_scores_, expected.validation_scores_)
        assert found.best_validation_score_ == pytest.approx(expected.best_validation_score_)


@weighted
@pytest.mark.parametrize("target", TARGETS)
def test_sample_weights_are_those_of_scikit_learn(target):
    reference, made, y = TARGETS[target]
    parameters = {**SMALL, "batch_size": 40, "early_stopping": True}
    same(made(**parameters).fit(X, y, WEIGHTS), reference(**parameters).fit(X, y, WEIGHTS))


@weighted
def test_the_poisson_loss_is_that_of_scikit_learn():
    same(MLPRegressor("poisson", **SMALL).fit(X, Y), theirs.MLPRegressor("poisson", **SMALL).fit(X, Y))


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # of scikit-learn 1.5, with a newer SciPy
def test_lbfgs_finds_what_scikit_learn_finds():
    parameters = {**SMALL, "solver": "lbfgs"}
    for name in ("three classes", "two classes", "one number"):
        reference, made, y = TARGETS[name]
        expected, found = reference(**parameters).fit(X, y), made(**parameters).fit(X, y)
        assert found.loss_ == pytest.approx(expected.loss_, rel=1e-6)
        np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-4, atol=1e-6)


def test_lbfgs_descends_the_sum_over_outputs_and_reports_their_mean():
    found = MLPRegressor(**{**SMALL, "solver": "lbfgs", "max_iter": 200}).fit(X[:, :2], X[:, 2:])
    penalty = 0.5 * found.alpha * sum((w**2).sum() for w in found.coefs_) / len(X)
    mean = 0.5 * ((found.predict(X[:, :2]) - X[:, 2:]) ** 2).mean()
    assert found.loss_ == pytest.approx(mean + penalty)


@pytest.mark.slow
def test_float32_stays_float32():
    x = X.astype(np.float32)
    found, expected = MLPClassifier(**SMALL).fit(x, Y), theirs.MLPClassifier(**SMALL).fit(x, Y)
    same(found, expected, rtol=2e-3)
    assert found.predict_proba(x).dtype == found.coefs_[0].dtype == np.float32
    assert MLPRegressor(**SMALL).fit(x, X[:, 0]).predict(x).dtype == np.float32


@pytest.mark.slow
@settings(max_examples=15)
@given(
    st.sampled_from(["multi", "binary", "number"]),
    st.sampled_from(["identity", "logistic", "tanh", "relu"]),
    st.floats(0, 2),
    st.booleans() if WEIGHTED else st.just(False),
    st.integers(0, 2**31),
)
def test_loss_and_gradients_at_any_weights_are_those_of_scikit_learn(kind, activation, alpha, weighs, seed):
    from chainrule.interop.sklearn.losses import LOG_LOSS, LOG_LOSS_OF_EACH, REGRESSION
    from chainrule.interop.sklearn.network import Network
    from chainrule.interop.sklearn.solver import Solver

    rng = np.random.default_rng(seed)
    outputs = 3 if kind == "multi" else 1
    sizes = [4, 6, outputs]
    x, weight = rng.normal(size=(9, 4)), rng.uniform(0.1, 2, 9) if weighs else None
    classes = rng.integers(0, outputs + 1 if kind == "binary" else outputs, 9)
    rows, targets, loss = {
        "multi": (np.eye(3)[classes], classes, LOG_LOSS),
        "binary": (classes[:, None], classes[:, None].astype(float), LOG_LOSS_OF_EACH),
        "number": ((x[:, :1] ** 2), x[:, :1] ** 2, REGRESSION["squared_error"]),
    }[kind]
    solver = Solver(sizes, np.float64, "lbfgs", {})
    solver.flat[...] = rng.normal(size=solver.flat.size)
    value = sum(solver.differentiate(Network(activation, loss, 0.0, None), (x, targets, weight), alpha))

    peer = theirs.MLPRegressor if kind == "number" else theirs.MLPClassifier
    reference = peer(hidden_layer_sizes=(6,), activation=activation, alpha=alpha)
    reference.coefs_, reference.intercepts_, reference.n_layers_ = solver.weights, solver.biases, 3
    reference.out_activation_ = {"multi": "softmax", "binary": "logistic", "number": "identity"}[kind]
    arguments = (x, rows, weight) if WEIGHTED else (x, rows)
    empty = [np.empty_like(w) for w in solver.weights], [np.empty_like(b) for b in solver.biases]
    expected, weights_bar, biases_bar = reference._backprop(*arguments, [x, None, None], [None, None], *empty)
    assert value == pytest.approx(expected, rel=1e-9)
    flat = np.concatenate([g.ravel() for g in (*weights_bar, *biases_bar)])
    np.testing.assert_allclose(solver.gradient, flat, rtol=1e-9, atol=1e-12)


# Weights


def test_class_weights_are_sample_weights():
    weights = {"setosa": 0.5, "versicolor": 2.0, "virginica": 1.0}
    by_class = MLPClassifier(**SMALL, class_weight=weights).fit(X, NAMES)
    by_sample = MLPClassifier(**SMALL).fit(X, NAMES, np.array([weights[name] for name in NAMES]))
    np.testing.assert_array_equal(by_class.coefs_[0], by_sample.coefs_[0])
    both = MLPClassifier(**SMALL, class_weight=weights).fit(X, NAMES, WEIGHTS)
    product = MLPClassifier(**SMALL).fit(X, NAMES, WEIGHTS * [weights[name] for name in NAMES])
    np.testing.assert_allclose(both.coefs_[0], product.coefs_[0], rtol=1e-12)


def test_balanced_weights_make_up_for_rare_classes():
    keep = np.flatnonzero((Y == 1) | ((Y == 2) & (np.arange(len(Y)) % 10 == 0)))
    settings_ = {**SMALL, "max_iter": 60}
    plain = MLPClassifier(**settings_).fit(X[keep], Y[keep])
    balanced = MLPClassifier(**settings_, class_weight="balanced").fit(X[keep], Y[keep])
    rare = X[Y == 2]
    assert (balanced.predict(rare) == 2).mean() > (plain.predict(rare) == 2).mean()


def test_a_weight_of_two_is_the_sample_twice_and_a_batch_without_weight_is_passed_over():
    weight = np.where(np.arange(len(X)) % 3 == 0, 2.0, np.arange(len(X)) % 3 == 1)
    repeated = np.repeat(np.arange(len(X)), weight.astype(int))
    parameters = {**SMALL, "batch_size": 10_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a = MLPClassifier(**parameters).fit(X, Y, weight)
        b = MLPClassifier(**parameters).fit(X[repeated], Y[repeated])
    np.testing.assert_allclose(a.coefs_[0], b.coefs_[0], rtol=1e-6)
    nothing = np.r_[np.zeros(50), np.ones(100)]
    found = MLPClassifier(**SMALL, shuffle=False, batch_size=50).fit(X, Y, nothing)
    assert np.isfinite(found.coefs_[0]).all()


# Several calls


def test_partial_fit_goes_on_as_scikit_learn_does():
    a, b = MLPClassifier(**SMALL), theirs.MLPClassifier(**SMALL)
    for start in (0, 40, 80, 110):
        rows = slice(start, start + 40)
        a.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
        b.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    np.testing.assert_allclose(a.coefs_[1], b.coefs_[1], rtol=1e-9)
    assert len(a.loss_curve_) == 4
    regression = MLPRegressor(**SMALL).fit(X, X[:, 0]).partial_fit(X, X[:, 0])
    reference = theirs.MLPRegressor(**SMALL).fit(X, X[:, 0]).partial_fit(X, X[:, 0])
    np.testing.assert_allclose(regression.coefs_[0], reference.coefs_[0], rtol=1e-9)


@walked("solver", ["adam", "adamw", "sgd", "rmsprop", "adagrad"])
def test_a_pickled_estimator_goes_on_to_the_bit(solver):
    one = MLPClassifier(**SMALL, solver=solver, dropout=0.2).fit(X, Y)
    other = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    for estimator in (one, other):
        for _ in range(3):
            estimator.partial_fit(X, Y)
    np.testing.assert_array_equal(other.coefs_[0], one.coefs_[0])


def test_weights_that_were_set_by_hand_count():
    one = MLPClassifier(**SMALL).partial_fit(X, Y, classes=[0, 1, 2])
    one.coefs_ = [np.zeros_like(w) for w in one.coefs_]
    one.partial_fit(X, Y)
    assert np.abs(one.coefs_[0]).max() < 0.1


def test_a_warm_start_goes_on():
    a = MLPClassifier(**SMALL, warm_start=True).fit(X, Y).fit(X, Y)
    b = theirs.MLPClassifier(**SMALL, warm_start=True).fit(X, Y).fit(X, Y)
    same(a, b)
    assert len(a.loss_curve_) == 2 * SMALL["max_iter"]
    with pytest.raises(ValueError, match=r"hidden_layer_sizes: the network so far has the layers \[8, 5, 3\]"):
        a.set_params(hidden_layer_sizes=(4,)).fit(X, Y)


def test_the_seed_decides_all_and_leaves_the_default_generators_alone():
    cr.seed(1)
    before = cr.randn(2)
    cr.seed(1)
    parameters = {**SMALL, "dropout": 0.3, "early_stopping": True}
    a, b = (MLPClassifier(**parameters).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])
    np.testing.assert_array_equal(before, cr.randn(2))
    c = MLPClassifier(**{**parameters, "random_state": 4}).fit(X, Y)
    assert (a.coefs_[0] != c.coefs_[0]).all()


# Early stopping


def test_given_validation_samples_stop_by_their_loss_and_the_best_network_stays():
    train, held = np.arange(0, 150, 2), np.arange(1, 150, 2)
    wrong = (Y[held] + 1) % 3  # what is learned makes this loss larger after a while
    one = MLPClassifier(**{**SMALL, "max_iter": 200, "learning_rate_init": 0.05}, early_stopping=True)
    one.fit(X[train], Y[train], X_val=X[held], y_val=wrong)
    curve = one.validation_loss_curve_
    assert one.n_iter_ < 200
    assert len(curve) == len(one.validation_scores_) == one.n_iter_
    assert one.best_validation_loss_ == min(curve)
    chosen = one.predict_proba(X[held])[np.arange(75), wrong]
    assert -np.log(chosen).mean() == pytest.approx(min(curve))


def test_validation_samples_without_early_stopping_only_show():
    shown = MLPClassifier(**SMALL).fit(X, NAMES, X_val=X[::3], y_val=NAMES[::3])
    plain = MLPClassifier(**SMALL).fit(X, NAMES)
    np.testing.assert_array_equal(shown.coefs_[0], plain.coefs_[0])
    assert len(shown.validation_loss_curve_) == shown.n_iter_
    assert plain.validation_loss_curve_ == plain.validation_scores_ == []
    assert shown.validation_scores_[-1] == shown.score(X[::3], NAMES[::3])


def test_what_is_split_off_can_be_watched_by_its_loss():
    one = MLPRegressor(**{**SMALL, "max_iter": 300}, early_stopping=True, monitor="loss").fit(X[:, :3], X[:, 3])
    assert one.n_iter_ < 300
    assert one.best_validation_loss_ == min(one.validation_loss_curve_)


def test_validation_samples_go_through_a_search_by_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        one = MLPClassifier(**SMALL, early_stopping=True).set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(one, {"alpha": [0.0, 0.1]}, cv=2)
        search.fit(X, Y, X_val=X[::3], y_val=Y[::3])
    assert len(search.best_estimator_.validation_loss_curve_) > 0


# Losses and activations


@walked("name", ["gelu", "silu", "elu", "softplus", "leaky_relu", "tanhshrink"])
def test_an_activation_may_have_a_name_or_be_a_function(name):
    by_name = MLPClassifier(**SMALL, activation=name).fit(X, Y)
    by_function = MLPClassifier(**SMALL, activation=getattr(nn.functional, name)).fit(X, Y)
    np.testing.assert_array_equal(by_name.coefs_[0], by_function.coefs_[0])
    assert by_function.score(X, Y) == by_name.score(X, Y)


def test_a_function_of_numpy_is_an_activation():
    one = MLPClassifier(**SMALL, activation=np.arctan).fit(X, Y)
    again = pickle.loads(pickle.dumps(clone(one))).fit(X, Y)
    np.testing.assert_array_equal(again.coefs_[0], one.coefs_[0])


def test_the_named_log_loss_is_the_log_loss():
    a = MLPClassifier(**SMALL, loss="cross_entropy").fit(X, Y)
    np.testing.assert_allclose(a.coefs_[0], MLPClassifier(**SMALL).fit(X, Y).coefs_[0], rtol=1e-12)
    two = MLPClassifier(**{**SMALL, "max_iter": 100}, loss="multi_margin_loss").fit(X, Y == 1)
    assert two.n_outputs_ == 2
    assert two.score(X, Y == 1) > 0.9
    many = MLPClassifier(**{**SMALL, "max_iter": 100}, loss="mse_loss").fit(X, LABELS)
    assert many.predict(X).shape == LABELS.shape


def test_a_loss_of_ones_own():
    def half_squares(outputs, targets):
        return 0.5 * (outputs - targets) ** 2

    def total(outputs, targets):
        return half_squares(outputs, targets).mean()

    for loss in (half_squares, total, "mse_loss"):
        parameters = {**SMALL, "loss": loss, "solver": "sgd"}
        scale = 2 if loss == "mse_loss" else 1
        expected = MLPRegressor(**{**SMALL, "solver": "sgd", "alpha": 0.0}).fit(X[:, :3], X[:, 3])
        parameters |= {"alpha": 0.0, "learning_rate_init": SMALL["learning_rate_init"] / scale}
        found = MLPRegressor(**parameters).fit(X[:, :3], X[:, 3])
        np.testing.assert_allclose(found.coefs_[0], expected.coefs_[0], rtol=1e-9)
    with pytest.raises(ValueError, match="rows cannot be weighted"):
        MLPRegressor(**SMALL, loss=total).fit(X, Y, WEIGHTS)
    robust = MLPRegressor(**{**SMALL, "max_iter": 300}, loss="huber_loss").fit(X[:, :3], X[:, 3], WEIGHTS)
    assert robust.score(X[:, :3], X[:, 3]) > 0.8


def test_dropout_is_for_training_alone():
    one = MLPClassifier(**{**SMALL, "max_iter": 80, "hidden_layer_sizes": (50,)}, dropout=0.4).fit(X, Y)
    assert one.score(X, Y) > 0.9
    np.testing.assert_array_equal(one.predict_proba(X), one.predict_proba(X))


def test_decoupled_decay_shrinks_the_weights_and_not_the_biases():
    a = MLPClassifier(**SMALL, solver="adamw", weight_decay=0.0, alpha=0.0).fit(X, Y)
    np.testing.assert_array_equal(a.coefs_[0], MLPClassifier(**SMALL, alpha=0.0).fit(X, Y).coefs_[0])
    one_step = {**SMALL, "max_iter": 1, "alpha": 0.0, "solver": "adamw"}
    a, b = (MLPClassifier(**one_step, weight_decay=decay).fit(X, Y) for decay in (0.0, 1.0))
    start = MLPClassifier(**{**one_step, "learning_rate_init": 1e-12}).fit(X, Y)
    np.testing.assert_allclose(a.coefs_[0] - b.coefs_[0], 0.02 * start.coefs_[0], rtol=1e-6)
    np.testing.assert_array_equal(a.intercepts_[0], b.intercepts_[0])


# In company


def test_it_stands_in_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**{**SMALL, "max_iter": 30}))
    search = GridSearchCV(pipeline, {"mlpclassifier__hidden_layer_sizes": [(), (16,)]}, cv=2).fit(X, NAMES)
    assert search.best_score_ > 0.8
    assert clone(search.best_estimator_).get_params()["mlpclassifier__max_iter"] == 30


def test_sparse_samples_are_the_same_as_dense_ones():
    sparse = pytest.importorskip("scipy.sparse", reason="sparse matrices need SciPy")
    dense = np.where(np.abs(X) > 0.5, X, 0)
    for made in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        a = MLPClassifier(**SMALL, batch_size=40).fit(made(dense), Y)
        b = MLPClassifier(**SMALL, batch_size=40).fit(dense, Y)
        np.testing.assert_allclose(a.predict_proba(made(dense)), b.predict_proba(dense), rtol=1e-9)


def test_a_module_has_the_outputs_of_the_network():
    one = MLPClassifier(**SMALL, activation="silu", dropout=0.1).fit(X, Y)
    module = one.to_module()
    np.testing.assert_allclose(nn.functional.softmax(module(X), axis=-1).numpy(), one.predict_proba(X), rtol=1e-12)
    assert repr(module).count("SiLU") == 2
    assert not module.training
    module[0].weight.data[...] = 0
    assert (one.coefs_[0] != 0).all()
    with pytest.raises(NotFittedError):
        MLPRegressor().to_module()


def test_string_classes_are_what_predict_returns():
    one = MLPClassifier(**SMALL, early_stopping=True).fit(X, NAMES)
    assert set(one.predict(X)) <= set(NAMES) == set(one.classes_)


def test_scikit_learns_callbacks_see_every_epoch():
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brought callbacks")
    seen = []

    class Watch:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            seen.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            seen.append((context.task_name, fitted_estimator.score(X, y)))
            return len(seen) > 7

    one = MLPClassifier(**SMALL).set_callbacks(Watch())
    one.fit(X, NAMES)
    assert [x if isinstance(x, str) else x[0] for x in seen] == [
        *("setup", "begin fit", "begin epoch", "epoch", "begin epoch", "epoch", "begin epoch", "epoch"),
        *("fit", "teardown"),
    ]
    assert one.n_iter_ == 3
    assert seen[-2] == ("fit", one.score(X, NAMES))
    one.partial_fit(X, NAMES)
    assert seen[-1] == "teardown"


# What is refused


@walked(
    ("setting", "value", "message"),
    [
        ("activation", "rely", r"activation: expected a function, or one of .*'relu'.*, got 'rely'"),
        ("loss", "mse", "loss: expected a function, or one of .*'mse_loss'"),
        ("solver", "newton", "solver: expected one of 'adam', 'adamw', .*'lbfgs', got 'newton'"),
        ("alpha", -1.0, r"alpha: expected a number in \[0, inf\), got -1.0"),
        ("alpha", "much", "alpha: expected a number, got 'much'"),
        ("dropout", 1.0, r"dropout: expected a number in \[0, 1\)"),
        ("max_iter", 0, "max_iter: expected at least 1, got 0"),
        ("batch_size", 2.5, 'batch_size: expected a whole number or "auto", got 2.5'),
        ("hidden_layer_sizes", (3, 0), r"hidden_layer_sizes: expected whole numbers from 1 up, got \(3, 0\)"),
        ("shuffle", "yes", "shuffle: expected True or False, got 'yes'"),
        ("monitor", "f1", "monitor: expected one of 'auto', 'score', 'loss'"),
        ("n_iter_no_change", 0, "n_iter_no_change: expected at least 1"),
        ("validation_fraction", 1.5, "validation_fraction: expected a number"),
    ],
)
def test_a_wrong_parameter_is_named(setting, value, message):
    for made in (MLPClassifier, MLPRegressor):
        with pytest.raises((TypeError, ValueError), match=message):
            made(**{**SMALL, setting: value}).fit(X, Y)


def test_wrong_samples_are_named():
    one = MLPClassifier(**SMALL)
    with pytest.raises(ValueError, match="X_val and y_val come together, got only X_val"):
        one.fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match=r"the classes \[7\] are not among those that are known: \[0 1 2\]"):
        one.fit(X, Y, X_val=X[:2], y_val=[0, 7])
    with pytest.raises(ValueError, match="expected no negative weights"):
        one.fit(X, Y, -WEIGHTS)
    with pytest.raises(ValueError, match="at least one non-zero"):
        one.fit(X, Y, 0 * WEIGHTS)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="needs targets from 0 up, got -2"):
        MLPRegressor("poisson", **SMALL).fit(X, Y - 2)
    with pytest.raises(ValueError, match="'cross_entropy' is of one class"):
        MLPClassifier(**SMALL, loss="cross_entropy").fit(X, LABELS)
    with pytest.raises(ValueError, match="class_weight: expected None where a sample has several labels"):
        MLPClassifier(**SMALL, class_weight="balanced").fit(X, LABELS)
    with pytest.raises(ValueError, match="partial_fit sees only part"):
        MLPClassifier(**SMALL, class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"activation: expected an array of the shape \(150, 8\)"):
        MLPClassifier(**SMALL, activation=lambda x: x.sum()).fit(X, Y)
    with pytest.raises(ValueError, match="leaves 1 to validate with"):
        MLPRegressor(early_stopping=True).fit(X[:5], Y[:5])
    with pytest.raises(ValueError, match="early_stopping=True does not go with"):
        MLPRegressor(early_stopping=True).partial_fit(X, Y)
    with pytest.raises(ValueError, match="solver='lbfgs' needs a deterministic loss"):
        MLPRegressor(solver="lbfgs", dropout=0.5).fit(X, Y)
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")


def test_a_loss_that_does_not_stay_finite_is_said_at_once():
    with pytest.raises(ValueError, match=r"not finite after epoch \d+ .*StandardScaler.*learning_rate_init"):
        MLPRegressor(solver="sgd", learning_rate_init=1e3, random_state=0).fit(1e3 * X, X[:, 0])


def test_a_network_that_has_not_converged_warns():
    from sklearn.exceptions import ConvergenceWarning

    for solver in ("adam", "lbfgs"):
        with pytest.warns(ConvergenceWarning, match="raise max_iter"):
            MLPClassifier(max_iter=2, solver=solver, random_state=0).fit(X, Y)
    with pytest.warns(UserWarning, match="batch_size: 900 is more than the 150 samples"):
        MLPClassifier(**SMALL, batch_size=900).fit(X, Y)


def test_verbose_prints_as_scikit_learn_does(capsys):
    MLPClassifier(**{**SMALL, "max_iter": 2}, verbose=True).fit(X, Y)
    ours = capsys.readouterr().out
    theirs.MLPClassifier(**{**SMALL, "max_iter": 2}, verbose=True).fit(X, Y)
    assert ours == capsys.readouterr().out


@pytest.mark.slow
def test_without_scikit_learn_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import chainrule.interop.sklearn as s\n"
        "try: s.MLPClassifier\n"
        "except ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "MLPClassifier needs" in done.stdout
    assert "pip install 'chainrule[sklearn]'" in done.stdout
    code = "import sys, chainrule.interop.sklearn; print('sklearn' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
    with pytest.raises(AttributeError, match="MLP"):
        cr.interop.sklearn.MLP  # noqa: B018


@pytest.mark.slow
def test_the_estimators_load_neither_the_checker_nor_the_doors_to_other_libraries():
    code = (
        "import sys; from chainrule.interop.sklearn import MLPClassifier; import chainrule.interop as interop; "
        "print(*(name for name in sys.modules if name.startswith(('chainrule.check', 'chainrule.interop.torch')))); "
        "print(interop.torch.__name__, interop.check_jax.__name__, {'jax', 'check_torch'} <= set(dir(interop)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["", "chainrule.interop.torch check_jax True"]
