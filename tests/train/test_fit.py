"""The training loop: what it computes, what it measures, and what it refuses."""

import math
import os
import signal

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.torch as door
from chainrule import nn, optim
from chainrule.data import Data, DataError, DataLoader, load
from chainrule.train import (
    BestWeights,
    Callback,
    EarlyStopping,
    History,
    NonFiniteError,
    SaveCheckpoint,
    confusion_matrix,
    evaluate,
    fit,
    predict,
)
from chainrule.train import load as load_model


def points(samples: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((samples, 3))
    return x, (x.sum(axis=1) > 0).astype(np.int64)


def network() -> nn.Module:
    cr.seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def train(model=None, data=None, epochs=3, lr=0.1, **settings) -> History:
    model = network() if model is None else model
    data = points() if data is None else data
    loader = DataLoader(data, batch_size=16) if isinstance(data, tuple) else data
    return fit(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=lr), loader, epochs, **settings)


def weights(model) -> dict[str, np.ndarray]:
    return model.state_dict()


def assert_same(left, right) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


# What it computes


@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_it_is_the_loop_that_one_would_write(clip_norm):
    criterion, by_hand, model = nn.CrossEntropyLoss(), network(), network()
    optimizer = optim.Adam(by_hand.parameters(), lr=0.01)
    loader = DataLoader(points(), batch_size=16, shuffle=True, seed=3)
    for _ in range(4):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(by_hand(x), y).backward()
            if clip_norm is not None:
                optim.clip_grad_norm_(by_hand.parameters(), clip_norm)
            optimizer.step()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(points(), batch_size=16, shuffle=True, seed=3)
    fit(model, criterion, optimizer, loader, epochs=4, clip_norm=clip_norm)
    assert_same(weights(model), weights(by_hand))


def test_it_learns_real_data():
    iris = load("iris")
    x = (iris.x - iris.x.mean(axis=0)) / iris.x.std(axis=0)
    cr.seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    loader = DataLoader((x, iris.y), batch_size=16, shuffle=True, seed=0)
    history = fit(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.02), loader, epochs=20)
    assert history.last["accuracy"] > 0.95
    assert history["loss"][-1] < history["loss"][0] / 4


def test_the_model_computes_in_its_own_dtype():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append(x.dtype)
            return x

    model = nn.Sequential(Spy(), network())
    train(model, epochs=1)
    assert set(seen) == {np.dtype(np.float32)}
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    seen.clear()
    train(model.double(), epochs=1)
    assert set(seen) == {np.dtype(np.float64)}


def test_modes_are_set_and_put_back():
    modes = []

    class Spy(nn.Module):
        def forward(self, x):
            modes.append((self.training, len(x)))
            return x

    class Evaluating(Callback):
        def on_epoch_end(self, run):
            run.model.eval()

    spy = Spy()
    model = nn.Sequential(spy, network())
    model.eval()
    spy.training = True
    train(model, points(), epochs=2, validation=points(8), callbacks=[Evaluating()])
    assert modes == [(False, 1), *[*[(True, 16), (True, 16), (True, 8)], (False, 8)] * 2]
    assert [model.training, spy.training] == [False, True]


@pytest.mark.parametrize("schedule_by", ["epoch", "batch"])
def test_the_schedule_is_followed(schedule_by):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    history = fit(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        DataLoader(points(), batch_size=20),
        epochs=3,
        scheduler=schedule,
        schedule_by=schedule_by,
    )
    assert history["lr"] == ([1.0, 0.5, 0.25] if schedule_by == "epoch" else [0.5, 0.125, 0.03125])


@walked(("mode", "column"), [("min", "loss"), ("max", "accuracy")])
@walked("validation", [None, points(8)])
def test_a_plateau_is_measured(mode, column, validation):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, threshold=0.0)
    loader = DataLoader(points(), batch_size=20)
    history = fit(model, nn.CrossEntropyLoss(), optimizer, loader, 3, validation, scheduler=schedule)
    assert schedule.best == (min if mode == "min" else max)(history[column if validation is None else f"val_{column}"])


# What it measures


def test_a_row_is_exact():
    x, y = points()
    model = network()
    (row,) = train(model, (x, y), epochs=1, lr=0.0, validation=(x[:10], y[:10]))
    output = predict(model, x)
    criterion = nn.CrossEntropyLoss()
    assert row["loss"] == pytest.approx(float(criterion(output, y)), rel=1e-6)
    assert row["accuracy"] == np.mean(output.argmax(axis=1) == y)
    assert row["val_loss"] == pytest.approx(float(criterion(output[:10], y[:10])), rel=1e-6)
    assert row["val_accuracy"] == np.mean(output[:10].argmax(axis=1) == y[:10])
    assert row["epoch"] == 1
    assert row["lr"] == 0.0
    assert row["seconds"] > 0
    norms = []
    for start in range(0, 40, 16):
        model.zero_grad()
        criterion(model(x[start : start + 16]), y[start : start + 16]).backward()
        norms.append(math.sqrt(sum(float((p.grad.numpy() ** 2).sum()) for p in model.parameters())))
    assert row["grad_norm"] == pytest.approx(np.mean(norms), rel=1e-5)
    assert row["grad_norm_max"] == pytest.approx(max(norms), rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_regression_has_no_accuracy_and_a_mean_loss(reduction):
    x, _ = points()
    y = x[:, :1]
    cr.seed(0)
    model = nn.Linear(3, 1)
    loss = nn.MSELoss(reduction=reduction)
    history = fit(model, loss, optim.SGD(model.parameters(), lr=0.0), DataLoader((x, y), batch_size=16), 1, (x, y))
    assert not [name for name in history.columns if "accuracy" in name]
    expected = float(np.mean((predict(model, x) - y) ** 2))
    assert history.last["loss"] == pytest.approx(expected, rel=1e-6)
    assert history.last["val_loss"] == pytest.approx(expected, rel=1e-6)


def test_a_history_goes_on():
    model, history = network(), History()
    train(model, epochs=2, history=history)
    assert train(model, epochs=1, history=history) is history
    assert history["epoch"] == [1, 2, 3]
    assert not history.interrupted
    assert len(str(history).splitlines()) == 4


def test_a_history_knows_its_best_row():
    rows = [{"epoch": 1, "loss": 2.0, "accuracy": 0.1}, {"epoch": 2, "loss": math.nan, "accuracy": 0.9}, {"epoch": 3}]
    history = History(rows)
    assert history.best("loss")["epoch"] == 1
    assert history.best("accuracy")["epoch"] == 2
    assert history["loss"][2] is None
    with pytest.raises(KeyError, match="there is no column 'val_loss'"):
        history.best("val_loss")


def test_evaluation_neither_learns_nor_moves_the_loader():
    (x, y), model = points(), network()
    loader = DataLoader((x, y), batch_size=16, shuffle=True, drop_last=True, seed=0)
    state, before = loader.state_dict(), weights(model)
    found = evaluate(model, nn.CrossEntropyLoss(), loader)
    assert loader.state_dict() == state
    assert_same(weights(model), before)
    assert found["samples"] == 40
    np.testing.assert_array_equal(found["predictions"], predict(model, x).argmax(axis=1))
    np.testing.assert_array_equal(found["confusion"], confusion_matrix(y, found["predictions"], 2))
    assert found["confusion"].trace() / 40 == found["accuracy"]
    assert all(p.grad is None for p in model.parameters())


@walked("form", ["pair", "batches", "data"])
def test_evaluation_takes_data_in_every_form(form):
    (x, y), model = points(), network()
    data = {
        "pair": (x, y),
        "batches": [(x[:7], y[:7]), (x[7:], y[7:])],
        "data": Data(x, y, "classification", tuple("abc"), ("no", "yes"), "toy", "drawn"),
    }[form]
    expected = evaluate(model, nn.CrossEntropyLoss(), DataLoader((x, y), batch_size=8))
    found = evaluate(model, nn.CrossEntropyLoss(), data)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    np.testing.assert_array_equal(found["predictions"], expected["predictions"])


def test_a_confusion_matrix_counts():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 4, (2, 100))
    counts = confusion_matrix(y, predicted, 4)
    assert counts.sum() == 100
    for i in range(4):
        for j in range(4):
            assert counts[i, j] == np.sum((y == i) & (predicted == j))
    with pytest.raises(DataError, match="is not a class index"):
        confusion_matrix([0, 4], [0, 0], 4)
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix([0], [0, 0], 4)


# Callbacks


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[str] = []

    def on_train_start(self, run):
        self.events.append("start")

    def on_batch_end(self, run):
        assert math.isfinite(run.batch_loss)
        self.events.append(f"batch {run.epoch}.{run.batch}")

    def on_epoch_end(self, run):
        assert run.history.last["epoch"] == run.epoch
        self.events.append(f"epoch {run.epoch}")

    def on_train_end(self, run):
        self.events.append("end")


def test_callbacks_are_told_everything_in_order():
    recorder = Recorder()
    train(data=DataLoader(points(), batch_size=20), epochs=2, callbacks=[recorder])
    epochs = [[f"batch {e}.1", f"batch {e}.2", f"epoch {e}"] for e in (1, 2)]
    assert recorder.events == ["start", *epochs[0], *epochs[1], "end"]


class Scripted(Callback):
    """Puts its own values into the history, and remembers the weights of each epoch."""

    def __init__(self, values):
        self.values = values
        self.weights = []

    def on_epoch_end(self, run):
        run.history.last["measure"] = self.values[run.epoch - 1]
        self.weights.append(weights(run.model))


@pytest.mark.parametrize(("restore_best", "kept"), [(True, 2), (False, 4)])
def test_early_stopping(restore_best, kept):
    model, script = network(), Scripted([3.0, 1.0, 2.0, 1.0, 0.0, 0.0])
    stopping = EarlyStopping(patience=2, monitor="measure", restore_best=restore_best)
    history = train(model, epochs=6, callbacks=[script, stopping])
    assert len(history) == 4
    assert "measure has not improved for 2 epochs; best 1.0 in 2" in history.stopped
    assert_same(weights(model), script.weights[kept - 1])


def test_the_best_weights_are_put_back():
    model, script = network(), Scripted([1.0, 0.5, math.nan, 0.7])
    best = BestWeights("measure")
    train(model, epochs=4, callbacks=[script, best])
    assert (best.best, best.epoch) == (0.5, 2)
    assert_same(weights(model), script.weights[1])
    script.values = [5.0]
    train(model, epochs=1, callbacks=[script, best])
    assert best.best == 5.0


def test_an_unknown_column_is_named():
    with pytest.raises(KeyError, match=r"no column 'val_loss' to monitor.*pass validation"):
        train(callbacks=[EarlyStopping()])


def test_checkpoints_are_written(tmp_path):
    script = Scripted([3.0, 1.0, 2.0, 0.5])
    every = SaveCheckpoint(tmp_path / "at-{epoch}.safetensors", every=2)
    best = SaveCheckpoint(tmp_path / "best.safetensors", monitor="measure")
    model = network()
    train(model, epochs=4, callbacks=[script, every, best])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["at-2.safetensors", "at-4.safetensors", "best.safetensors"]
    second = load_model(tmp_path / "at-2.safetensors", network())
    assert second.meta["epoch"] == 2
    assert_same(second.model, script.weights[1])
    assert load_model(tmp_path / "best.safetensors").meta["measure"] == 0.5


# What it refuses


def test_data_that_are_not_finite_are_placed_before_the_first_step():
    x, y = points()
    x[37, 2] = np.nan
    model = network()
    before = weights(model)
    with pytest.raises(DataError, match=r"x: 1 of 120 values is not finite; the first is nan at row 37, column 2"):
        train(model, (x, y))
    assert_same(weights(model), before)


def test_a_label_out_of_range_is_placed_before_the_first_step():
    x, y = points()
    y[39] = 2
    model = network()
    before = weights(model)
    with pytest.raises(DataError, match=r"y\[39\] = 2 is not a class index: 2 classes are numbered 0 to 1"):
        train(model, (x, y))
    assert_same(weights(model), before)


def test_batches_are_checked_as_they_come():
    x, y = points()
    x[20, 1] = np.inf
    batches = [(x[:16], y[:16]), (x[16:], y[16:])]
    with pytest.raises(DataError, match=r"x of epoch 1, batch 2: 1 of 72 values .* row 4, column 1"):
        train(data=batches)
    y[3] = -1
    with pytest.raises(DataError, match=r"y\[3\] = -1 is not a class index"):
        train(data=batches)


def test_a_loss_that_is_not_finite_names_epoch_batch_and_parameter():
    class Exploding(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.calls = network(), 0

        def forward(self, x):
            self.calls += 1
            return self.inner(x) * (np.float32(np.inf) if self.calls == 6 else 1)

    model = Exploding()
    weights_after = []

    class Keep(Callback):
        def on_batch_end(self, run):
            weights_after.append(weights(run.model))

    history = History()
    with pytest.raises(NonFiniteError, match=r"epoch 2, batch 2: the loss is nan; .*inner\.0\.weight") as caught:
        train(model, callbacks=[Keep()], history=history)  # the first forward is the check of the labels
    assert (caught.value.epoch, caught.value.batch) == (2, 2)
    assert_same(weights(model), weights_after[-1])
    assert len(history) == 1
    assert history.interrupted


def test_a_gradient_that_is_not_finite_is_caught_though_the_loss_is_not():
    bad = cr.custom(lambda x: x * 1)
    bad.def_vjp(lambda y_bar, x: y_bar * np.float32(np.nan))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.second(bad(self.first(x)))

    with pytest.raises(NonFiniteError, match=r"epoch 1, batch 1: .*the gradient of first\.weight"):
        train(Model())


@walked(
    ("settings", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must not be negative"),
        ({"schedule_by": "year"}, ValueError, "schedule_by"),
        ({"data": []}, ValueError, "no batch in epoch 1"),
        ({"data": iter([points(8)])}, ValueError, "no batch in epoch 2; a generator can be read only once"),
        (
            {"data": [np.zeros((4, 3))]},
            TypeError,
            r"expected batches of two arrays \(x, y\), got one ndarray.*DataLoader\(\(X, y\), batch_size=32\)",
        ),
        (
            {"data": [(np.zeros((4, 3)),)]},
            TypeError,
            "got 1 of them. fit takes a DataLoader or batches; wrap the arrays",
        ),
        ({"data": [(np.zeros((4, 3)), np.zeros(5, int))]}, ValueError, r"shapes \[4, 3\] and \[5\]"),
    ],
)
def test_a_wrong_call_says_so(settings, error, message):
    with pytest.raises(error, match=message):
        train(**settings)


def test_an_optimizer_that_does_not_train_the_model_says_so():
    model, loss, data = network(), nn.CrossEntropyLoss(), DataLoader(points(), batch_size=16)
    with pytest.raises(TypeError, match=r"fit: optimizer: .*optim\.Adam\(model\.parameters\(\)\), got NoneType"):
        fit(model, loss, None, data)
    with pytest.raises(ValueError, match=r"it has none of the model's parameters.*model\.parameters\(\)"):
        fit(model, loss, optim.SGD(network().parameters(), lr=0.1), data)
    head = optim.SGD([*model.parameters()][-1:], lr=0.1)  # some of them are enough
    assert len(fit(model, loss, head, data, epochs=1)) == 1


def test_a_model_of_pytorchs_names_is_refused_with_what_to_do():
    model = door.nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"fit: model: expected a module of chainrule\.nn, got Linear .*torch\.compile"):
        fit(model, nn.CrossEntropyLoss(), door.optim.SGD(model.parameters(), lr=0.1), [points(8)])


def test_a_loss_of_several_numbers_says_so():
    model = network()
    loss = nn.CrossEntropyLoss(reduction="none")
    with pytest.raises(ValueError, match=r"the loss must be one number, got shape \[16\]"):
        fit(model, loss, optim.SGD(model.parameters(), lr=0.1), DataLoader(points(), batch_size=16))


# Ctrl-C


@walked("where", ["forward", "backward", "step"])
def test_ctrl_c_waits_for_the_step_to_finish(where):
    def interrupt_in(call, at):
        calls = []

        def wrapped(*args):
            calls.append(1)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGINT)
                sum(range(1000))  # the interpreter looks at signals between its instructions
            return call(*args)

        return wrapped

    (x, y), model, whole = points(), network(), network()
    loss, history = nn.CrossEntropyLoss(), History()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    through = cr.custom(lambda x: x * 1)
    through.def_vjp(lambda y_bar, x: y_bar)
    if where == "backward":
        through.def_vjp(interrupt_in(lambda y_bar, x: y_bar, 5))
    if where == "step":
        optimizer.step = interrupt_in(optimizer.step, 5)
    measured = interrupt_in(loss, 5) if where == "forward" else lambda output, y: loss(through(output), y)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(model, measured, optimizer, DataLoader((x, y), batch_size=16), history=history)
    assert signal.getsignal(signal.SIGINT) is handler
    assert history["epoch"] == [1]
    assert history.interrupted
    # The same five steps without an interruption.
    fit(
        whole,
        loss,
        optim.SGD(whole.parameters(), lr=0.1),
        [(x[:16], y[:16]), (x[16:32], y[16:32]), (x[32:], y[32:])],
        1,
    )
    fit(whole, loss, optim.SGD(whole.parameters(), lr=0.1), [(x[:16], y[:16]), (x[16:32], y[16:32])], 1)
    assert_same(weights(model), weights(whole))


def test_a_second_ctrl_c_does_not_wait():
    model = network()
    before = weights(model)

    def stuck(output, y):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))
        raise AssertionError("the second Ctrl-C was held back")

    with pytest.raises(KeyboardInterrupt):
        fit(model, stuck, optim.SGD(model.parameters(), lr=0.1), DataLoader(points(), batch_size=16))
    assert_same(weights(model), before)


def test_validation_is_what_evaluate_measures_to_the_bit():
    model, x, y = nn.Linear(5, 3), np.random.default_rng(0).normal(size=(600, 5)), np.arange(600) % 3
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    row = fit(model, nn.CrossEntropyLoss(), optimizer, [(x, y)], epochs=1, validation=(x, y)).last
    found = cr.train.evaluate(model, nn.CrossEntropyLoss(), (x, y))
    assert (row["val_loss"], row["val_accuracy"]) == (found["loss"], found["accuracy"])


def test_validation_takes_sequences_of_several_lengths():
    rng = np.random.default_rng(0)
    of_lengths = [(a := rng.normal(size=(4, length, 2)), a) for length in (3, 5)]
    model = nn.Linear(2, 2)
    row = fit(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), of_lengths, 1, validation=of_lengths).last
    assert np.isfinite(row["val_loss"])
