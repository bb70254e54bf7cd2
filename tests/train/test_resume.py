"""Stopping anywhere and going on equals not stopping, to the bit; steps of several batches; averaged weights."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.random import default_generator
from chainrule.data import Data, DataLoader
from chainrule.jobs.training.table import TableJob
from chainrule.train import AverageWeights, Callback, History, ModelFileError, fit, load, save
from chainrule.train.saved.packing import pack
from chainrule.train.saved.recipe import Recipe

EPOCHS, BATCHES = 3, 5


def points(samples=38):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 4))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


class Training:
    """A training run of EPOCHS epochs of BATCHES batches that can be stopped, saved and gone on with."""

    def __init__(self, accumulate=1, prefetch=0):
        cr.seed(1)
        self.accumulate = accumulate
        self.model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 2))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.scheduler = optim.lr_scheduler.StepLR(self.optimizer, 1, gamma=0.5)
        self.loader = DataLoader(points(), batch_size=8, shuffle=True, seed=1, prefetch=prefetch)
        self.history = History()

    def fit(self, stop_at=None):
        """Run the epochs that are left; press Ctrl-C while the loss of the batch `stop_at` is computed."""
        count, loss = 0, nn.CrossEntropyLoss()

        def watched(output, y):
            nonlocal count
            if self.model.training:
                if count == stop_at:
                    os.kill(os.getpid(), signal.SIGINT)
                    sum(range(1000))  # the interpreter looks at signals between its instructions
                count += 1
            return loss(output, y)

        fit(
            self.model,
            watched,
            self.optimizer,
            self.loader,
            EPOCHS - len(self.history),
            validation=points(),
            scheduler=self.scheduler,
            history=self.history,
            accumulate=self.accumulate,
        )

    def save(self, path):
        save(path, self.model, self.optimizer, self.loader, scheduler=self.scheduler, rows=self.history.rows)

    @classmethod
    def resumed(cls, path, **layout):
        training = cls(**layout)
        found = load(path, training.model, training.optimizer, training.loader, scheduler=training.scheduler)
        training.history = History(found.meta["rows"])
        return training

    def bits(self):
        states = [part.state_dict() for part in (self.model, self.optimizer, self.loader, self.scheduler)]
        text, arrays = pack([*states, default_generator().bit_generator.state], "all")
        rows = [(row["epoch"], row["val_loss"], row["lr"]) for row in self.history]
        return text, {name: array.tobytes() for name, array in arrays.items()}, rows


@pytest.mark.slow
@settings(max_examples=25)
@given(
    stops=st.lists(st.integers(0, EPOCHS * BATCHES - 1), min_size=1, max_size=3),
    accumulate=st.sampled_from([1, 2, 7]),
    prefetch=st.sampled_from([0, 3]),
)
def test_stopped_anywhere_and_gone_on_with_it_is_the_whole_run(tmp_path_factory, stops, accumulate, prefetch):
    path = tmp_path_factory.mktemp("resume") / "m"
    layout = {"accumulate": accumulate, "prefetch": prefetch}
    whole = Training(**layout)
    whole.fit()
    expected = whole.bits()
    training = Training(**layout)
    for stop in stops:
        try:
            training.fit(stop)
        except KeyboardInterrupt:
            training.save(path)
            training = Training.resumed(path, **layout)
    training.fit()
    assert training.bits() == expected


def test_the_end_of_an_epoch_is_reached_before_ctrl_c_takes_effect():
    training = Training()
    with pytest.raises(KeyboardInterrupt):
        training.fit(BATCHES - 1)
    assert training.history["epoch"] == [1]
    assert "val_loss" in training.history.last
    assert training.loader.state_dict()["batch"] == 0


# The job of the command line


def data():
    x, y = points(60)
    return Data(x, y, "classification", tuple("abcd"), ("no", "yes"), "points", "drawn")


class Stop(Callback):
    def __init__(self, epoch, batch):
        self.at = epoch, batch

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))


def test_a_job_goes_on_where_it_was_stopped_twice(tmp_path):
    recipe = Recipe(hidden=(8,), epochs=4, batch_size=8)
    whole = TableJob(data(), recipe)
    whole.train()
    for at in ((2, 3), (3, 6)):
        job = TableJob(data(), recipe)
        if at[0] > 2:
            job.resume(tmp_path / "m")
        with pytest.raises(KeyboardInterrupt):
            job.train([Stop(*at)])
        job.save_checkpoint(tmp_path / "m")
    job = TableJob(data(), recipe)
    job.resume(tmp_path / "m")
    history = job.train()
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["val_loss"] == whole.history["val_loss"]
    assert job.flow.rows == whole.flow.rows
    assert [row["epoch"] for row in job.flow.rows] == [1, 2, 3, 4]
    assert all(row["0.weight"] > 0 for row in job.flow.rows)
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, job.model.state_dict()[name])


def test_a_checkpoint_of_another_job_changes_nothing(tmp_path):
    recipe = Recipe(hidden=(8,), epochs=2)
    TableJob(data(), recipe).save_checkpoint(tmp_path / "m")
    save(tmp_path / "other", nn.Linear(2, 2))
    other_data = Data(data().x + 1, data().y, "classification", tuple("abcd"), ("no", "yes"), "points", "drawn")
    for job, path, message in (
        (TableJob(data(), Recipe(hidden=(8,), epochs=2, lr=0.5)), "m", "was saved with lr 0.002, but here it is 0.5"),
        (TableJob(other_data, recipe), "m", "was saved with content"),
        (TableJob(data(), recipe), "other", "not a checkpoint of an interrupted"),
    ):
        before = job.model.state_dict()
        with pytest.raises(ModelFileError, match=message):
            job.resume(tmp_path / path)
        assert all(np.array_equal(job.model.state_dict()[name], array) for name, array in before.items())


# Several batches in one step


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_several_batches_make_the_step_of_one_large_batch(reduction):
    x, y = points(20)
    results = []
    for batch_size, accumulate in ((10, 1), (4, 3), (5, 2)):
        if (batch_size, accumulate) == (4, 3):  # 4 + 4 + 2 samples: batches of different sizes
            batches = [(x[a:b], y[a:b]) for a, b in ((0, 4), (4, 8), (8, 10), (10, 14), (14, 18), (18, 20))]
        else:
            batches = [(x[k : k + batch_size], y[k : k + batch_size]) for k in range(0, 20, batch_size)]
        cr.seed(0)
        model = nn.Sequential(nn.Linear(4, 5, dtype=np.float64), nn.Tanh(), nn.Linear(5, 2, dtype=np.float64))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = fit(
            model,
            nn.CrossEntropyLoss(reduction=reduction),
            optimizer,
            batches,
            2,
            clip_norm=0.4,
            accumulate=accumulate,
        )
        results.append((model.state_dict(), history["loss"], history["grad_norm"]))
    for state, losses, norms in results[1:]:
        for name, array in results[0][0].items():
            np.testing.assert_allclose(state[name], array, atol=1e-14)
        np.testing.assert_allclose(losses, results[0][1], rtol=1e-13)
        np.testing.assert_allclose(norms, results[0][2], rtol=1e-13)


def test_what_is_left_over_makes_a_smaller_step():
    class Count(Callback):
        batches: tuple[int, ...] = ()

        def on_batch_end(self, run):
            self.batches += (run.batch,)

    count, model = Count(), nn.Linear(4, 2)
    loader = DataLoader(points(), batch_size=8)
    fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), loader, 1, callbacks=[count], accumulate=2)
    assert count.batches == (2, 4, 5)
    with pytest.raises(ValueError, match="accumulate must be at least 1"):
        fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), loader, 1, accumulate=0)


# Averaged weights


def test_the_average_is_put_in_at_the_end():
    cr.seed(0)
    model = nn.Linear(4, 2)
    seen = []

    class Keep(Callback):
        def on_batch_end(self, run):
            seen.append(run.model.weight.numpy().astype(np.float64))

    ema = optim.EMA(model.parameters(), decay=0.5)
    loader = DataLoader(points(), batch_size=8)
    optimizer = optim.SGD(model.parameters(), 0.1)
    fit(model, nn.CrossEntropyLoss(), optimizer, loader, 2, callbacks=[Keep(), AverageWeights(ema)])
    expected = seen[0]
    for weight in seen[1:]:
        expected = 0.5 * expected + 0.5 * weight
    np.testing.assert_allclose(model.weight.numpy(), expected, atol=1e-6)


def test_nothing_is_left_beside_a_checkpoint(tmp_path):
    TableJob(data(), Recipe(hidden=(4,), epochs=1)).save_checkpoint(tmp_path / "m")
    assert list(tmp_path.iterdir()) == [Path(tmp_path / "m")]


# Whether steps are compiled


@pytest.fixture
def worth_four_epochs(monkeypatch):
    """Compiling pays from four epochs on, and not for the two that are left after an interruption."""
    job = TableJob(data(), Recipe(hidden=(8,), epochs=4, batch_size=8))
    monkeypatch.setattr("chainrule.train.step.pays", lambda steps, *_: steps > 3 * len(job.loader))


@pytest.mark.parametrize("at", [(1, 2), (3, 3)])
def test_a_run_that_goes_on_is_compiled_as_it_was(tmp_path, worth_four_epochs, at):
    recipe = Recipe(hidden=(8,), epochs=4, batch_size=8)
    whole = TableJob(data(), recipe)
    assert whole.train().compiled == "compiled"
    job = TableJob(data(), recipe)
    with pytest.raises(KeyboardInterrupt):
        job.train([Stop(*at)])
    job.save_checkpoint(tmp_path / "m")
    job = TableJob(data(), recipe)
    job.resume(tmp_path / "m")
    assert job.train().compiled == "compiled"
    for name, array in whole.model.state_dict().items():
        np.testing.assert_array_equal(array, job.model.state_dict()[name])


@pytest.mark.parametrize("history", ["saved", "rows alone"])
def test_fit_goes_on_as_it_was_decided(tmp_path, worth_four_epochs, history):
    def fresh():
        cr.seed(1)
        job = TableJob(data(), Recipe(hidden=(8,), epochs=4, batch_size=8))
        return (job.model, job.loss, job.optimizer, job.loader), job.model

    parts, whole = fresh()
    assert fit(*parts, epochs=4).compiled == "compiled"
    parts, model = fresh()
    first = History()
    with pytest.raises(KeyboardInterrupt):
        fit(*parts, epochs=4, history=first, callbacks=[Stop(3, 2)])
    save(tmp_path / "m", model, parts[2], parts[3], history=first, rows=first.rows)
    parts, model = fresh()
    again = History()
    if history == "saved":
        load(tmp_path / "m", model, parts[2], parts[3], history=again)
    else:
        again = History(load(tmp_path / "m", model, parts[2], parts[3]).meta["rows"])
    assert fit(*parts, epochs=2, history=again).compiled == "compiled"
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(array, model.state_dict()[name])


def test_what_was_not_compiled_stays_so_however_many_epochs_follow(worth_four_epochs):
    job = TableJob(data(), Recipe(hidden=(8,), epochs=40, batch_size=8))
    parts = (job.model, job.loss, job.optimizer, job.loader)
    history = fit(*parts, epochs=1)
    said = history.compiled
    assert said.startswith("not compiled: 6 such steps")
    assert fit(*parts, epochs=20, history=history).compiled == said
    assert fit(*parts, epochs=1, history=history, compile=True).compiled == "compiled"
    assert fit(*parts, epochs=1, history=history).compiled == "compiled"


def test_a_compiled_run_says_where_it_cannot_go_on(monkeypatch, worth_four_epochs):
    job = TableJob(data(), Recipe(hidden=(8,), epochs=4, batch_size=8))
    parts = (job.model, job.loss, job.optimizer, job.loader)
    history = fit(*parts, epochs=4)
    before = job.model.state_dict()
    monkeypatch.setattr("chainrule.train.step.numba_is_off", lambda: True)
    with pytest.raises(cr.CaptureError, match="were compiled, and here they would be compiled without Numba"):
        fit(*parts, epochs=1, history=history)

    class Refusing:
        def __init__(self, function):
            pass

        def __call__(self, *args):
            raise cr.CaptureError("it does not work here.")

    monkeypatch.setattr("chainrule.train.step.numba_is_off", lambda: False)
    monkeypatch.setattr("chainrule.train.step.Compiled", Refusing)
    with pytest.raises(cr.CaptureError, match="were compiled, and here they cannot be: it does not work here"):
        fit(*parts, epochs=1, history=history)
    assert all(np.array_equal(job.model.state_dict()[name], array) for name, array in before.items())
    assert fit(*parts, epochs=1, history=history, compile=False).compiled == "not compiled: compile=False"


def test_a_history_that_was_not_saved_by_one_is_refused(tmp_path):
    history = History([{"epoch": 1}])
    for state in ({"rows": [{}]}, {"rows": 3}, {"rows": [], "decided": "perhaps"}, {"rows": [{1: 2, "epoch": 1}]}):
        with pytest.raises(ValueError, match="History: "):
            history.load_state_dict(state)
    assert history.rows == [{"epoch": 1}]
    save(tmp_path / "m", nn.Linear(2, 2))
    with pytest.raises(ModelFileError, match="holds no state of the history"):
        load(tmp_path / "m", history=history)
