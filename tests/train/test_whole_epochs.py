"""Epochs in slices of machine code are epochs of single steps: the same bits, the same rows, the same errors."""

import signal
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.compile.walk import Walk
from chainrule.data import StratifiedSampler, WeightedSampler
from chainrule.doctor import GradientBoard, GradientWatch
from chainrule.train import Callback, History, NonFiniteError, SaveCheckpoint, TensorBoard, fit, load, save

pytest.importorskip("llvmlite", reason="machine code: pip install '.[fast]'")


class Asks(Callback):
    """A callback that asks for each step, so that each is taken by itself."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []

    def on_batch_end(self, run: Any) -> None:
        self.steps.append((run.epoch, run.batch))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each slice has taken."""
    found: list[int] = []
    take = Walk.take

    def watched(self: Walk, order: Any, first: int) -> int:
        found.append(take(self, order, first))
        return found[-1]

    monkeypatch.setattr(Walk, "take", watched)
    return found


class Language(nn.Module):
    """A model of the next token from this one and its position."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position, self.head = nn.Embedding(9, 5), nn.Embedding(6, 5), nn.Linear(5, 9)

    def forward(self, x: Any) -> Any:
        return self.head(np.tanh(self.token(x) + self.position(np.arange(x.shape[1]))))


def parts(kind: str = "classes", **settings: Any) -> tuple[Any, Any, Any, Any]:
    cr.seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(83, 4))
    y: Any = rng.integers(0, 3, 83)
    loss: Any = nn.CrossEntropyLoss()
    if kind == "numbers":
        y, loss = rng.normal(size=(83, 3)), nn.MSELoss(reduction="sum")
    if kind == "ignored":
        y, loss = np.where(rng.random(83) < 0.3, -1, y), nn.CrossEntropyLoss(ignore_index=-1)
    model: Any = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    if kind == "tokens":
        x = rng.integers(0, 7, (83, 4)).astype(np.int32)
        model = nn.Sequential(nn.Embedding(7, 5), nn.Flatten(), nn.Linear(20, 3))
    if kind == "language":  # positions, and targets that are ignored
        x = rng.integers(0, 9, (83, 6))
        y, loss = (
            np.where(rng.random((83, 6)) < 0.3, -100, np.roll(x, -1, axis=1)),
            nn.CrossEntropyLoss(ignore_index=-100),
        )
        model = Language()
    if kind == "float64":
        model.double()
    loader = data.DataLoader((x, y), **{"batch_size": 8, "shuffle": True, "seed": 5, **settings})
    return model, loss, optim.Adam(model.parameters(), lr=0.02), loader


def rows(history: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def run(made: Any, asks: bool, **settings: Any) -> Any:
    model, loss, optimizer, loader = made
    callbacks = [Asks()] if asks else []
    history = fit(model, loss, optimizer, loader, **{"epochs": 4, "compile": True, "callbacks": callbacks, **settings})
    state = [v for s in optimizer.state_dict()["state"] for v in s.values()]
    grads = [p.grad.numpy().copy() for p in model.parameters()]
    return rows(history), [*model.state_dict().values(), *grads, *state], loader.state_dict()


def assert_same(one: Any, other: Any) -> None:
    assert one[0] == other[0]
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one[2] == other[2]


@pytest.mark.parametrize("kind", ["classes", "numbers", "ignored", "tokens", "language", "float64"])
def test_the_bits_of_single_steps(kind: str, taken: list[int]) -> None:
    one = run(parts(kind), asks=False, validation=(parts(kind)[3].dataset.arrays))
    # The first step is captured; the eleventh batch of each epoch is smaller.
    assert sum(taken) == 4 * 10 - 1
    assert_same(one, run(parts(kind), asks=True, validation=(parts(kind)[3].dataset.arrays)))


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clipping": ({}, {"clip_norm": 0.1}),
    "no shuffling": ({"shuffle": False}, {}),
    "without the last batch": ({"drop_last": True}, {}),
    "one batch": ({"batch_size": 83}, {}),
    "batches of one": ({"batch_size": 1}, {}),
    "a schedule by epochs": ({}, {"scheduler": "step"}),
    "weights of samples": ({"shuffle": False, "sampler": WeightedSampler(np.arange(83.0) + 1, 50)}, {}),
    "strata": ({"shuffle": False, "sampler": StratifiedSampler(np.arange(83) % 3)}, {}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting(name: str, taken: list[int]) -> None:
    of_loader, of_fit = SETTINGS[name]
    found = []
    for asks in (False, True):
        made = parts(**of_loader)
        more = dict(of_fit)
        if "scheduler" in more:
            more["scheduler"] = optim.lr_scheduler.StepLR(made[2], 2, 0.5)
        found.append(run(made, asks, **more))
    assert sum(taken) > 0
    assert_same(*found)


@pytest.mark.parametrize(
    "why", ["a callback", "batches summed", "a schedule by batches", "a generator", "not compiled"]
)
def test_who_asks_for_steps_gets_them(why: str, taken: list[int]) -> None:
    model, loss, optimizer, loader = parts()
    asks = Asks()
    settings: dict[str, Any] = {
        "a callback": {"callbacks": [asks]},
        "batches summed": {"accumulate": 2},
        "a schedule by batches": {"scheduler": optim.lr_scheduler.StepLR(optimizer, 2, 0.5), "schedule_by": "batch"},
        "a generator": {"epochs": 1},
        "not compiled": {"compile": False},
    }[why]
    source = iter(list(loader)) if why == "a generator" else loader
    fit(model, loss, optimizer, source, **{"epochs": 2, "compile": True, **settings})
    assert not taken
    if why == "a callback":
        assert asks.steps == [(e, b) for e in (1, 2) for b in range(1, 12)]


def test_a_callback_of_an_instance_asks_as_well(taken: list[int]) -> None:
    model, loss, optimizer, loader = parts()
    seen: list[int] = []
    callback = Callback()
    callback.on_batch_end = lambda run: seen.append(run.batch)  # type: ignore[method-assign]
    fit(model, loss, optimizer, loader, epochs=1, compile=True, callbacks=[callback])
    assert not taken
    assert len(seen) == 11


def test_a_loss_that_is_not_finite_is_found_in_its_batch() -> None:
    found = []
    for asks in (False, True):
        model, loss, optimizer, loader = parts("numbers")
        loader.dataset.arrays[0][loader._order(1)[43]] = 1e200  # the sixth batch of the second epoch
        with pytest.raises(NonFiniteError) as error:
            fit(model, loss, optimizer, loader, epochs=4, compile=True, callbacks=[Asks()] if asks else [])
        found.append((str(error.value), error.value.epoch, error.value.batch, loader.state_dict()))
        found[-1] += tuple(v.tobytes() for v in model.state_dict().values())
    assert found[0] == found[1]


def test_an_interrupt_waits_for_a_slice_and_resumes_bit_for_bit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.compile.walk.SLICE", 1e-9)  # one step each
    whole = run(parts(), asks=False)
    made = parts()
    model, loss, optimizer, loader = made
    take = Walk.take
    left = [7]

    def watched(self: Walk, order: Any, first: int) -> int:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)
        return take(self, order, first)

    monkeypatch.setattr(Walk, "take", watched)
    assert threading.current_thread() is threading.main_thread()
    history = History()
    with pytest.raises(KeyboardInterrupt):
        fit(model, loss, optimizer, loader, epochs=4, compile=True, history=history)
    assert len(history) == 1
    path = tmp_path / "model.safetensors"
    save(path, model, optimizer=optimizer, loader=loader, history=history)
    again, history = parts(), History()
    load(path, again[0], again[2], again[3], history=history)
    fit(*again, epochs=3, compile=True, history=history)
    for key, value in again[0].state_dict().items():
        np.testing.assert_array_equal(value, dict(zip(again[0].state_dict(), whole[1], strict=False))[key])


def test_slices_are_short() -> None:
    from chainrule.compile import walk

    assert walk.SLICE <= 0.1


def test_an_order_beyond_the_data_is_not_walked(taken: list[int]) -> None:
    class Beyond(StratifiedSampler):
        def order(self, rng: Any) -> Any:
            found = super().order(rng)
            found[40] = -1  # NumPy counts from the end
            return found

    found = [run(parts(shuffle=False, sampler=Beyond(np.arange(83) % 3)), asks) for asks in (False, True)]
    assert not any(taken)
    assert_same(*found)


@pytest.mark.parametrize("own", [False, True])
def test_dropout_draws_the_same(own: bool, taken: list[int]) -> None:
    found = []
    for asks in (False, True):
        model, loss, _, loader = parts()
        generator = np.random.default_rng(3) if own else None
        model = nn.Sequential(model[0], nn.Dropout(0.5, generator), model[2])
        cr.seed(3)
        found.append(run((model, loss, optim.Adam(model.parameters(), lr=0.02), loader), asks))
        found[-1][1].append(np.asarray(cr.rand(1)))
    assert sum(taken) == 4 * 10 - 1
    assert_same(*found)


@pytest.mark.parametrize("compile", ["auto", True])
def test_a_step_that_fails_draws_as_a_single_one(compile: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.train.worth.START", -1.0)
    found = []
    for asks in (False, True):
        model, loss, _, loader = parts("numbers")
        loader.dataset.arrays[0][loader._order(1)[43], 0] = 1e30  # dropped in some draws, too large in others
        model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3))
        optimizer, callbacks = optim.SGD(model.parameters(), lr=1e-3), [Asks()] if asks else []
        cr.seed(6)
        try:
            fit(model, loss, optimizer, loader, epochs=4, compile=compile, callbacks=callbacks)
            found.append("trained")
        except NonFiniteError as error:
            found.append(str(error))
        found += [v.tobytes() for v in model.state_dict().values()] + [float(cr.rand(1)[0])]
    half = len(found) // 2
    assert found[:half] == found[half:]


class Now(Callback):
    """Acts after some steps only: it notes them, and changes the learning rate and the weights."""

    def __init__(self, model: Any, optimizer: Any, wanted: set[int]) -> None:
        self.model, self.optimizer, self.wanted = model, optimizer, sorted(wanted)
        self.noted: list[tuple[int, int, int, float, float]] = []

    def next_step(self, run: Any) -> int | None:
        return next((step for step in self.wanted if step > run.step), None)

    def on_batch_end(self, run: Any) -> None:
        if run.step not in self.wanted:
            return
        self.noted.append((run.step, run.epoch, run.batch, run.batch_loss, run.grad_norm))
        self.optimizer.param_groups[0]["lr"] *= 0.9
        self.model.load_state_dict({k: 0.99 * v for k, v in self.model.state_dict().items()})


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(wanted=st.sets(st.one_of(st.integers(1, 44), st.integers(1, 12)), max_size=6), failing=st.booleans())
def test_a_wanted_step_is_taken_by_itself_between_slices(wanted: set[int], failing: bool) -> None:
    found = []
    for asks in (False, True):
        made = parts("numbers")
        now = Now(made[0], made[2], wanted)
        if failing:
            made[3].dataset.arrays[0][made[3]._order(0)[75]] = 1e200  # the tenth batch of the first epoch
        try:
            found.append([run(made, False, callbacks=[now, *([Asks()] if asks else [])])])
        except NonFiniteError as error:
            found.append([([str(error)], list(made[0].state_dict().values()), made[3].state_dict())])
        found[-1].append(now.noted)
    assert found[0][1] == found[1][1]
    assert [step for step, *_ in found[0][1]] == sorted(step for step in wanted if not failing or step < 10)
    assert_same(found[0][0], found[1][0])


def test_few_wanted_steps_leave_the_others_in_slices(taken: list[int]) -> None:
    made = parts()
    now = Now(made[0], made[2], {15, 16, 33})
    run(made, False, callbacks=[now])
    assert sum(taken) == 4 * 10 - 1 - 2  # step 33 is the smaller last batch of an epoch anyway
    assert [step for step, *_ in now.noted] == [15, 16, 33]


def test_the_watch_sees_what_it_sees_at_single_steps(taken: list[int]) -> None:
    found = []
    for asks in (False, True):
        watch = GradientWatch(after=14, steps=3, every=9, warn=False)
        result = run(parts(), False, callbacks=[watch, *([Asks()] if asks else [])])
        assert watch.diagnosis is not None
        found.append((result, watch.history, watch.verdicts(), watch.asked, watch.seen))
    assert [step for step, *_ in found[0][1]] == [1, 9, 18, 27, 36]
    assert found[0][1:] == found[1][1:]
    assert found[0][3:] == (14, 44)
    assert sum(taken) > 30
    assert_same(found[0][0], found[1][0])


def test_checkpoints_in_the_middle_of_an_epoch_fall_on_the_same_batches(tmp_path: Any, taken: list[int]) -> None:
    found = []
    for asks in (False, True):
        saved: list[tuple[int, int, int]] = []

        class Kept(SaveCheckpoint):
            def write(self, path: Any, run: Any, **meta: Any) -> None:
                super().write(path, run, **meta)
                saved.append((run.step, run.epoch, run.batch))  # noqa: B023

        path = tmp_path / f"{asks}.safetensors"
        keep = Kept(path, every=None, every_batches=7)
        result = run(parts(), False, callbacks=[keep, *([Asks()] if asks else [])])
        again, history = parts(), History()
        meta = load(path, again[0], again[2], again[3], history=history).meta
        found.append(
            (result, saved, meta["epoch"], meta["batch"], [v.tobytes() for v in again[0].state_dict().values()])
        )
    assert [step for step, *_ in found[0][1]] == [7, 14, 21, 28, 35, 42]
    assert found[0][1:] == found[1][1:]
    assert sum(taken) > 20
    assert_same(found[0][0], found[1][0])


def test_batches_since_the_last_checkpoint_count_over_the_end_of_an_epoch(tmp_path: Any) -> None:
    made = parts()
    path = tmp_path / "part.safetensors"
    run(made, False, epochs=2, callbacks=[SaveCheckpoint(path, every=None, every_batches=15)])
    assert (load(path).meta["epoch"], load(path).meta["batch"]) == (2, 4)


def test_a_checkpoint_by_the_clock_is_looked_at_between_slices(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("chainrule.train.callbacks.time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("chainrule.compile.walk.SLICE", 1e-9)  # one step each
    saves = []
    keep = SaveCheckpoint(tmp_path / "part.safetensors", every=None, every_seconds=5)
    monkeypatch.setattr(keep, "write", lambda path, run, **meta: saves.append(run.step))
    run(parts(), False, callbacks=[keep])
    assert sum(taken) > 20
    assert len(saves) > 3


@pytest.mark.parametrize("batches", [False, True])
def test_tensorboard_asks_for_steps_only_for_the_numbers_of_batches(
    batches: bool, tmp_path: Any, taken: list[int]
) -> None:
    run(parts(), False, callbacks=[TensorBoard(tmp_path, batches=batches)])
    assert sum(taken) == (0 if batches else 4 * 10 - 1)


def test_the_board_measures_at_the_same_steps(tmp_path: Any, taken: list[int]) -> None:
    found = []
    for asks in (False, True):
        board = GradientBoard(tmp_path / str(asks), every=13, batches=1)
        found.append(run(parts(), False, callbacks=[board, *([Asks()] if asks else [])]))
        assert board.seen == 44
    assert sum(taken) > 30
    assert_same(*found)


def test_an_overridden_hook_outweighs_what_a_base_class_asks_for(taken: list[int]) -> None:
    class Printer(Now):
        seen = 0

        def on_batch_end(self, run: Any) -> None:
            super().on_batch_end(run)
            self.seen += 1

    made = parts()
    printer = Printer(made[0], made[2], {20})
    run(made, False, callbacks=[printer])
    assert not taken
    assert printer.seen == 44


def test_a_callback_of_another_class_gets_every_step(taken: list[int]) -> None:
    class Other:
        def __init__(self) -> None:
            self.events: list[str] = []

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("on_"):
                raise AttributeError(name)
            return lambda run: self.events.append(name)

    other = Other()
    run(parts(), False, callbacks=[other])
    assert not taken
    assert other.events.count("on_batch_end") == 44


def test_a_next_step_that_is_no_number_is_named() -> None:
    class Wrong(Callback):
        def next_step(self, run: Any) -> Any:
            return "soon"

    with pytest.raises(TypeError, match=r"Wrong\.next_step returned 'soon'; expected the number of a step"):
        run(parts(), False, callbacks=[Wrong()])
