"""Training on a stream takes the steps that its batches in memory would give."""

import threading

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataError, DataLoader, IterableDataset, stream
from chainrule.train import Callback, History, NonFiniteError, evaluate, fit

LEAST = 1 << 16


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 4))
    found = tmp_path_factory.mktemp("fit") / "t.npz"
    np.savez(found, x=x, y=(x[:, 0] > 0).astype(np.int64))
    return found


def parts(seed=0):
    cr.seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    return model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01)


def weights(model):
    return np.concatenate([value.ravel() for value in model.state_dict().values()])


@pytest.mark.slow
@pytest.mark.parametrize("compile", [True, False])
def test_a_stream_trains_as_its_batches_do(path, compile):
    loader = DataLoader(stream(path, memory=LEAST).standardized(), 16, shuffle=True, seed=3)
    model, loss, optimizer = parts()
    history = fit(model, loss, optimizer, loader, epochs=3, compile=compile)
    again = DataLoader(stream(path, memory=LEAST).standardized(), 16, shuffle=True, seed=3)
    expected = parts()
    for _ in range(3):
        last = fit(*expected, list(again), epochs=1, compile=compile)
    np.testing.assert_array_equal(weights(model), weights(expected[0]))
    assert history.last["loss"] == last.last["loss"]
    assert history.last["accuracy"] == last.last["accuracy"]
    assert history.last["rows_per_second"] > 0
    assert 0 <= history.last["waited"] <= history.last["seconds"]
    assert "rows_per_second" not in last.last
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]


def test_many_steps_are_taken_at_a_time(path):
    class Few(Callback):
        calls = 0

        def next_step(self, run):
            return None

        def on_batch_end(self, run):
            self.calls += 1

    few = Few()
    loader = DataLoader(stream(path, memory=LEAST).standardized(), 16, shuffle=True, seed=3)
    history = fit(*parts(), loader, epochs=3, compile=True, callbacks=[few])
    if history.compiled == "compiled":
        assert few.calls < len(loader)


@pytest.mark.slow
@pytest.mark.parametrize("compile", [True, False])
def test_training_goes_on_in_the_middle_of_an_epoch(path, compile):
    class Stop(Callback):
        def on_batch_end(self, run):
            if (run.epoch, run.batch) == (2, 41):
                raise KeyboardInterrupt

    def loader(seed):
        return DataLoader(stream(path, memory=LEAST).standardized(), 16, shuffle=True, seed=seed)

    whole = parts()
    fit(*whole, loader(5), epochs=3, compile=compile)
    model, loss, optimizer = parts()
    stopped, history = loader(5), History()
    with pytest.raises(KeyboardInterrupt):
        fit(model, loss, optimizer, stopped, 3, compile=compile, callbacks=[Stop()], history=history)
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]
    other = loader(0)
    other.load_state_dict(stopped.state_dict())
    fit(model, loss, optimizer, other, 3 - len(history), compile=compile, history=history)
    np.testing.assert_array_equal(weights(model), weights(whole[0]))


def test_a_stream_is_evaluated_in_its_own_order(path):
    data = stream(path, memory=LEAST, held_out=0.3)
    model, loss, _ = parts()
    x, y = (np.concatenate(part) for part in zip(*DataLoader(data.held_out, 64), strict=True))
    expected = evaluate(model, loss, (x, y))
    loader = DataLoader(data.held_out, 64, shuffle=True, seed=0)
    for given in (data.held_out, loader):
        found = evaluate(model, loss, given)
        np.testing.assert_array_equal(found["predictions"], expected["predictions"])
        assert found["accuracy"] == expected["accuracy"]


def test_a_class_without_an_output_is_refused_before_the_first_step(tmp_path):
    x = np.random.default_rng(0).standard_normal((300, 4))
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(300) % 3)
    model, loss, optimizer = parts()
    before = weights(model)
    with pytest.raises(DataError, match="2"):
        fit(model, loss, optimizer, DataLoader(stream(tmp_path / "t.npz")), epochs=1)
    np.testing.assert_array_equal(weights(model), before)


def test_what_a_mapped_stream_gives_is_looked_at(path):
    def spoil(x, y):
        x = x.copy()
        x[0] = np.nan
        return x, y

    loader = DataLoader(stream(path, memory=LEAST).mapped(spoil), 16)
    with pytest.raises((DataError, NonFiniteError)):
        fit(*parts(), loader, epochs=1)
    assert not [thread for thread in threading.enumerate() if thread.name == "chainrule-stream"]


def test_an_iterable_without_a_length_trains(path):
    class Points(IterableDataset):
        def __iter__(self):
            rng = np.random.default_rng(1)
            for _ in range(100):
                x = rng.standard_normal(4)
                yield x, int(x[0] > 0)

    history = fit(*parts(), DataLoader(Points(), 16, shuffle=True, seed=0), epochs=2)
    assert len(history) == 2
    assert history.last["rows_per_second"] > 0
