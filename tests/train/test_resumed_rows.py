"""A run that is interrupted in the middle of an epoch, and goes on from its checkpoint: weights and rows to the bit."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.named import named

import chainrule as cr
from chainrule import data, nn, optim, train

X = np.random.default_rng(0).normal(size=(100, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


class Stop(train.Callback):
    """Interrupts a run at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def next_step(self, run: Any) -> int:
        """Return the step that this looks at."""
        return self.step

    def on_batch_end(self, run: Any) -> None:
        """Interrupt."""
        if run.step >= self.step:
            raise KeyboardInterrupt


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
}
SCHEDULES = {
    "steps": lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5),
    "plateau": lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),  # of the training's own loss
}


def _parts(optimizer: str, schedule: str, **settings: Any) -> tuple[Any, ...]:
    cr.seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    made = OPTIMIZERS[optimizer](model.parameters())
    loader = data.DataLoader((X, Y), batch_size=16, shuffle=True, seed=0, **settings)
    return model, made, loader, SCHEDULES[schedule](made)


def _rows(history: train.History) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def _agrees(path: Path, optimizer: str, schedule: str, stop: int, **settings: Any) -> None:
    def run(parts: Any, history: train.History, epochs: int, *callbacks: Any) -> Any:
        model, made, loader, scheduler = parts
        train.fit(model, nn.CrossEntropyLoss(), made, loader, epochs=epochs, scheduler=scheduler, history=history,
                  callbacks=callbacks, **settings)  # fmt: skip
        return model.state_dict()

    whole = train.History()
    expected = run(_parts(optimizer, schedule), whole, 4)
    keep = train.SaveCheckpoint(path, every=None, every_batches=4)
    with pytest.raises(KeyboardInterrupt):
        run(_parts(optimizer, schedule), train.History(), 4, keep, Stop(stop))
    parts, history = _parts(optimizer, schedule), train.History()
    model, made, loader, scheduler = parts
    train.load(path, model, made, loader, scheduler=scheduler, history=history)
    found = run(parts, history, 4 - len(history))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    assert _rows(history) == _rows(whole)


def test_the_rows_of_a_resumed_run_are_those_of_one_that_never_stopped(tmp_path: Path) -> None:
    for case in (("SGD", "plateau", 17, 1), ("AdamW", "steps", 7, 3)):  # the second one is due at an epoch's last step
        with named(*case):
            _agrees(tmp_path / "part.safetensors", *case[:3], compile=False, accumulate=case[3])


@pytest.mark.slow
def test_each_optimizer_and_way_of_training(tmp_path: Path) -> None:
    for optimizer in OPTIMIZERS:
        for schedule in SCHEDULES:
            for settings in ({"compile": True}, {"compile": False, "clip_norm": 0.5}, {"accumulate": 3}):
                with named(optimizer, schedule, settings):
                    _agrees(
                        tmp_path / "part.safetensors",
                        optimizer,
                        schedule,
                        7 if "accumulate" in settings else 17,
                        **settings,
                    )


@pytest.mark.parametrize("is_restored", [False, True])
def test_what_is_counted_is_what_the_epoch_had(is_restored: bool) -> None:
    """A loader that begins an epoch anew gives all of its batches again; one that is restored gives the rest."""
    model, made, loader, _ = _parts("SGD", "steps")
    history, loss = train.History(), nn.CrossEntropyLoss()
    with pytest.raises(KeyboardInterrupt):
        train.fit(model, loss, made, loader, epochs=2, history=history, callbacks=[Stop(10)], compile=False)
    history = pickle.loads(pickle.dumps(history))
    if is_restored:
        loader.load_state_dict(loader.state_dict())
    train.fit(model, loss, made, loader, epochs=1, history=history, compile=False)
    assert history.part is None
    assert history.last["epoch"] == 2
    assert abs(history.last["accuracy"] * 100 - round(history.last["accuracy"] * 100)) < 1e-9


def test_sums_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the sums epoch, batch"):
        train.History().load_state_dict({"rows": [], "part": {"epoch": 1}})
