"""Training with compiled steps is training: the same numbers to rounding, the same errors, the same resumption."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.train import NonFiniteError, fit, load, save


def world(seed=0, dropout=0.0, batch_size=16):
    cr.seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2))
    loader = data.DataLoader((x, y), batch_size=batch_size, shuffle=True, seed=seed)
    return model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01), loader


def train(compile, epochs=3, **settings):
    model, loss, optimizer, loader = world(**{k: settings.pop(k) for k in ("dropout",) if k in settings})
    history = fit(model, loss, optimizer, loader, epochs=epochs, compile=compile, **settings)
    return model, history


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.1}, {"dropout": 0.3}], ids=str)
def test_compiled_steps_give_the_same_to_rounding(settings):
    (plain, rows), (compiled, more) = train(False, **settings), train(True, **settings)
    assert more.compiled == "compiled"
    for name, value in plain.state_dict().items():
        np.testing.assert_allclose(compiled.state_dict()[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    for column in ("loss", "accuracy", "grad_norm"):
        np.testing.assert_allclose(more[column], rows[column], rtol=1e-3)


def test_a_short_run_is_not_compiled_and_says_so():
    _, history = train("auto")
    assert history.compiled.startswith("not compiled: 12 such steps would save less time than compiling takes")
    assert train(False)[1].compiled == "not compiled: compile=False"


def test_a_long_run_is_compiled(monkeypatch):
    monkeypatch.setattr("chainrule.train.worth.START", -1.0)
    assert train("auto")[1].compiled == "compiled"


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        y = self.layer(x)
        return y if (y > -100).all() else -y


def test_a_model_that_cannot_be_captured_is_trained_as_it_is(monkeypatch):
    monkeypatch.setattr("chainrule.train.worth.START", -1.0)
    _, loss, _, loader = world()
    model = Branching()
    history = fit(model, loss, optim.SGD(model.parameters(), lr=0.1), loader, epochs=2)
    assert history.compiled.startswith("not compiled: compile: Python branched on a value")
    assert len(history) == 2
    with pytest.raises(cr.CaptureError, match="branched"):
        fit(model, loss, optim.SGD(model.parameters(), lr=0.1), loader, epochs=1, compile=True)


def test_a_loss_that_is_not_finite_ends_the_training_before_the_step():
    model, loss, _, loader = world()
    optimizer = optim.SGD(model.parameters(), lr=3e38)
    with pytest.raises(NonFiniteError, match="epoch 1, batch"):
        fit(model, loss, optimizer, loader, epochs=2, compile=True)
    assert all(np.isfinite(value).all() for value in model.state_dict().values())


def test_a_resumed_run_goes_on_to_the_bit(tmp_path):
    whole, _ = train(True, epochs=4, dropout=0.3)
    model, loss, optimizer, loader = world(dropout=0.3)
    fit(model, loss, optimizer, loader, epochs=2, compile=True)
    save(tmp_path / "half", model, optimizer=optimizer, loader=loader)
    model, loss, optimizer, loader = world(dropout=0.3)
    cr.seed(7)
    load(tmp_path / "half", model, optimizer=optimizer, loader=loader)
    fit(model, loss, optimizer, loader, epochs=2, compile=True)
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], value, err_msg=name)


def test_a_wrong_setting_is_said():
    with pytest.raises(ValueError, match="compile must be True, False or 'auto', got 'always'"):
        train("always")
