"""Epochs in slices of machine code are epochs of single steps: the same bits, the same rows, the same errors."""

import signal
import threading
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.compile.walk import Walk
from chainrule.data import StratifiedSampler, WeightedSampler
from chainrule.train import Callback, History, NonFiniteError, fit, load, save

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


@pytest.mark.parametrize("kind", ["classes", "numbers", "ignored", "tokens", "float64"])
def test_the_bits_of_single_steps(kind: str, taken: list[int]) -> None:
    one = run(parts(kind), asks=False, validation=(parts(kind)[3].dataset.arrays))
    # The first step is captured; the eleventh batch of each epoch is smaller. Indices are looked at by Python.
    assert sum(taken) == (0 if kind in ("ignored", "tokens") else 4 * 10 - 1)
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
