"""Everything in eight threads at once, and in the processes that are started after the engine was used."""

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import ArrayDataset, DataLoader
from chainrule.train import fit

SOURCE = Path(__file__).parents[2] / "src"
THREADS = 8


def network(k):
    rng = np.random.default_rng(k)
    model = nn.Sequential(nn.Linear(6, 16, generator=rng), nn.Tanh(), nn.Linear(16, 3, generator=rng))
    return model, rng.standard_normal((24, 6)).astype(np.float32), rng.integers(0, 3, 24)


def gradients(k, folder):
    model, x, y = network(k)
    nn.CrossEntropyLoss()(model(x), y).backward()
    found = [p.grad.numpy().tolist() for p in model.parameters()]
    return found, cr.hessian(lambda w: (cr.tanh(w) ** 2).sum())(np.arange(3.0) + k).tolist()


def compiled(k, folder):
    _, x, _ = network(k)
    step = cr.compile(cr.value_and_grad(lambda w: (cr.softmax(x @ w) ** 2).sum()))
    w = np.full((6, 4), 0.1 * (k + 1))
    return [np.asarray(part).tolist() for _ in range(3) for part in step(w)]


def checked(k, folder):
    right = cr.check(lambda x: np.sin(x) * k, np.ones(3), backward=lambda y_bar, x: y_bar * np.cos(x) * k)
    wrong = cr.check(lambda x: np.sin(x), np.ones(3) + k, backward=lambda y_bar, x: -y_bar * np.cos(x), explain=False)
    return right.verdict, [finding.verdict for finding in wrong.findings]


def explained(k, folder):
    model, x, y = network(k)
    return cr.explain(model, x, loss=nn.CrossEntropyLoss(), target=y).to_text()


def examined(k, folder):
    model, x, y = network(k)
    return str(cr.doctor(model, nn.CrossEntropyLoss(), [(x, y)], try_remedies=False, steps=4, budget=1e6))


def trained(k, folder):
    model, x, y = network(k)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(ArrayDataset(x, y), 8, shuffle=True, seed=k)
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs=3)
    return [p.numpy().tolist() for p in model.parameters()]


def saved(k, folder):
    model, _, _ = network(k)
    path = folder / f"{threading.get_ident()}.safetensors"
    cr.save(path, model, note=str(k))
    other, _, _ = network(k + 1)
    note = cr.load(path, other).meta["note"]
    return note, [p.numpy().tolist() for p in other.parameters()]


def drawn(k, folder):
    rng = np.random.default_rng(k)
    nn.Dropout(0.5)(np.ones(5))  # from the generator that all threads share: only that it works
    return nn.Dropout(0.5, generator=rng)(np.ones(50)).tolist()


FEATURES = (gradients, compiled, checked, explained, examined, trained, saved, drawn)


def in_threads(folder, rounds):
    """Each thread does everything, and begins with another feature."""
    begin = threading.Barrier(THREADS)

    def work(k):
        begin.wait()
        found = {}
        for turn in range(rounds * len(FEATURES)):
            feature = FEATURES[(k + turn) % len(FEATURES)]
            found[feature.__name__, turn // len(FEATURES)] = feature(k, folder)
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def hold(folder, rounds):
    for k, found in enumerate(in_threads(folder, rounds)):
        for feature in FEATURES:
            alone = feature(k, folder)
            for turn in range(rounds):
                assert found[feature.__name__, turn] == alone, f"{feature.__name__} in thread {k}, round {turn}"


@pytest.mark.slow
def test_eight_threads_do_everything_at_once(tmp_path):
    hold(tmp_path, rounds=1)


@pytest.mark.long
def test_eight_threads_do_everything_again_and_again(tmp_path):
    hold(tmp_path, rounds=4)


PROGRAM = '''
import multiprocessing
import sys
import warnings

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import ArrayDataset, DataLoader
from chainrule.train import fit

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4096, 8)), RNG.integers(0, 3, 4096)


def loss(w):
    return -cr.log_softmax(cr.tanh(X @ w))[np.arange(len(Y)), Y].mean()


def slope(k):
    """The gradient by machine code on several threads, and its worst difference from that without."""
    w = np.full((8, 3), 0.1) * (k + 1)
    step = cr.compile(cr.grad(loss))
    return float(np.abs(np.asarray(step(w)) - np.asarray(cr.grad(loss)(w))).max())


def batch(k):
    """What a worker of a loader does: a batch, changed by functions of this package."""
    rows = slice(64 * k, 64 * (k + 1))
    return np.asarray(cr.tanh(X[rows])), Y[rows]


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of a fork where threads were started
    assert slope(0) < 1e-12
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert max(pool.map(slope, range(4))) < 1e-12
        model = nn.Linear(8, 3).double()
        optimizer = optim.SGD(model.parameters(), lr=0.5)
        losses = []
        for x, y in pool.imap(batch, range(16)):
            found = nn.CrossEntropyLoss()(model(x), y)
            optimizer.zero_grad()
            found.backward()
            optimizer.step()
            losses.append(float(found))
    assert np.all(np.isfinite(losses)), losses
    assert slope(1) < 1e-12
    print("done")
'''


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(m, marks=[pytest.mark.slow] * (m != multiprocessing.get_all_start_methods()[0]))
        for m in multiprocessing.get_all_start_methods()
    ],
)
def test_processes_started_after_the_engine_was_used(method, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "program.py", method]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
