"""What `chainrule.interop.sklearn` costs and learns beside scikit-learn's own networks.

    python benchmarks/sklearn_mlp.py

Both fit the same network from the same seed: the same architecture, solver, batches and number of epochs. One table is
of the time of a fit on the digits, in both dtypes and for two sizes of batches, on one thread; the other of what is
learned from five data sets: the loss at the end, and accuracy or R² on samples that were held out. A third is of the
same network trained by a compiled step, against scikit-learn's on float64, which is what it makes of most data; the
compiling, and a first fit that does it, are not in the time. Needs scikit-learn: `python -m pip install '.[app]'`.
"""

import os

os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})  # before NumPy

import warnings
from collections.abc import Callable

import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from timing import alternate, machine, table

import chainrule as cr
from chainrule import nn, optim
from chainrule.interop.sklearn import MLPClassifier, MLPRegressor

EPOCHS = 20
FIXED = {"hidden_layer_sizes": (100,), "random_state": 0, "tol": 0.0, "n_iter_no_change": 10**6}
"""Nothing stops before the last epoch."""
SETS = {
    "digits": (datasets.load_digits, {"max_iter": 60}),
    "iris": (datasets.load_iris, {"max_iter": 200}),
    "wine": (datasets.load_wine, {"max_iter": 100}),
    "breast_cancer": (datasets.load_breast_cancer, {"max_iter": 60}),
    "diabetes": (datasets.load_diabetes, {"max_iter": 400, "alpha": 1.0}),
}


def speed() -> str:
    x, y = datasets.load_digits(return_X_y=True)
    rows = []
    for dtype in (np.float64, np.float32):
        for batch_size in (200, 32):
            settings = {**FIXED, "max_iter": EPOCHS, "batch_size": batch_size}
            inputs = (x / 16).astype(dtype)
            peer, ours = neural_network.MLPClassifier(**settings), MLPClassifier(**settings)
            found = alternate(
                {"scikit-learn": lambda: peer.fit(inputs, y), "chainrule": lambda: ours.fit(inputs, y)},  # noqa: B023
                rounds=9,
                repeats=1,
            )
            np.testing.assert_allclose(ours.loss_curve_, peer.loss_curve_, rtol=1e-3)
            each = [found[name][0] / EPOCHS * 1e3 for name in ("scikit-learn", "chainrule")]
            losses = [f"{one.loss_:.5f}" for one in (peer, ours)]
            name = f"{np.dtype(dtype)}, batches of {batch_size}"
            rows.append([name, *(f"{one:.2f}" for one in each), f"{each[0] / each[1]:.2f}", *losses])
    return table(["digits", "scikit-learn", "chainrule", "ratio", "its loss", "ours"], rows)


LONG = 100
"""The epochs of the comparison with a compiled step."""


def compiled_fit(x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    """Return what trains scikit-learn's network on x by a compiled step, and gives the loss of the last epoch."""
    kind, random = x.dtype, np.random.RandomState(0)
    hidden, output = nn.Linear(64, 100, dtype=kind, init="xavier"), nn.Linear(100, 10, dtype=kind, init="xavier")
    model, loss = nn.Sequential(hidden, nn.ReLU(), output), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    start = (model.state_dict(), optimizer.state_dict())

    @cr.compile
    def step(rows, classes):
        optimizer.zero_grad()
        penalty = (hidden.weight * hidden.weight).sum() + (output.weight * output.weight).sum()
        value = loss(model(rows), classes) + 0.5 * 1e-4 / len(rows) * penalty
        value.backward()
        optimizer.step()
        return value

    def fit() -> float:
        model.load_state_dict(start[0])
        optimizer.load_state_dict(start[1])
        total = 0.0
        for _ in range(LONG):
            order, total = random.permutation(len(x)), 0.0
            for k in range(0, len(x), 200):
                batch = order[k : k + 200]
                total += float(step(x[batch], y[batch])) * len(batch)
        return total / len(x)

    return fit


def by_a_compiled_step() -> str:
    x, y = datasets.load_digits(return_X_y=True)
    x = x / 16
    peer = neural_network.MLPClassifier(**FIXED, max_iter=LONG, batch_size=200)
    fits = {"float64": compiled_fit(x, y), "float32": compiled_fit(x.astype(np.float32), y)}
    losses = {name: fit() for name, fit in fits.items()}
    found = alternate({"scikit-learn": lambda: peer.fit(x, y), **fits}, rounds=9, repeats=1)
    assert all(loss < 1.1 * peer.loss_ for loss in losses.values()), (losses, peer.loss_)
    theirs = found["scikit-learn"][0]
    rows = [["scikit-learn, float64", f"{theirs:.3f}", "1.00", f"{peer.loss_:.4f}"]]
    rows += [[f"compiled, {k}", f"{found[k][0]:.3f}", f"{theirs / found[k][0]:.2f}", f"{losses[k]:.4f}"] for k in fits]
    return table(["digits, batches of 200", "seconds", "ratio", "loss"], rows)


def learning() -> str:
    rows = []
    for name, (load, chosen) in SETS.items():
        x, y = load(return_X_y=True)
        number = name == "diabetes"
        x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=None if number else y)
        scaler = StandardScaler().fit(x)
        settings = {**FIXED, "learning_rate_init": 0.005, **chosen}
        makers = (
            (neural_network.MLPRegressor, MLPRegressor) if number else (neural_network.MLPClassifier, MLPClassifier)
        )
        fitted = [make(**settings).fit(scaler.transform(x), y) for make in makers]
        scores = [one.score(scaler.transform(x_test), y_test) for one in fitted]
        assert scores[1] >= scores[0] - 0.01, f"{name}: {scores}"
        rows.append([name, *(f"{one.loss_:.5f}" for one in fitted), *(f"{score:.4f}" for score in scores)])
    return table(["data", "its loss", "ours", "its score", "ours"], rows)


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"Milliseconds for an epoch, 64-100-10 network, Adam; median of 9 alternating fits of {EPOCHS} epochs")
    print(f"({machine()}, scikit-learn {sklearn.__version__}, one thread)\n")
    print(speed())
    print(f"\nA fit of {LONG} epochs by a compiled step\n")
    print(by_a_compiled_step())
    print("\nWhat is learned: the loss after the last epoch, accuracy (R² for diabetes) on 30 % held out\n")
    print(learning())


if __name__ == "__main__":
    main()
