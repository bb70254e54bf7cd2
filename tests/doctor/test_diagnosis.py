"""The verdicts on networks that are sick in one way each, and that nothing of the user's is touched."""

import copy
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.core.random import default_generator
from chainrule.doctor import CODES, DEFAULTS, Diagnosis


def batches(samples=128, size=32, seed=0, k=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 12)).astype(np.float32)
    y = (x @ rng.normal(size=(12, k))).argmax(axis=1)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, samples, size)]


def mlp(depth, activation=nn.ReLU, init="kaiming", width=16, out=4):
    layers, features = [], 12
    for _ in range(depth):
        layers += [nn.Linear(features, width, init=init), activation()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, out, init="xavier"))


def asked(model, loss=None, given=None, lr=0.1, **settings) -> Diagnosis:
    settings = {"try_remedies": False, "steps": 20, **settings}
    optimizer = optim.SGD(model.parameters(), lr=lr) if lr else None
    return cr.doctor(model, loss or nn.CrossEntropyLoss(), given or batches(), optimizer, **settings)


def scaled(factor):
    return lambda shape, generator=None, dtype=None: (factor * nn.init.kaiming(shape, generator=generator)).astype(
        dtype
    )


def test_a_sound_network_is_healthy():
    found = asked(mlp(2))
    assert found.ok
    assert bool(found)
    assert found.codes == ["healthy"]
    assert found.winner is None
    assert 0.1 < found.layers[0].ratio < 10


def test_sigmoid_layers_vanish_and_both_factors_are_measured_apart():
    found = asked(mlp(10, nn.Sigmoid, "xavier"))
    worst = found.verdicts[0]
    assert (worst.code, worst.layer) == ("vanishing", "0")
    assert worst.threshold == DEFAULTS["vanishing"].value
    assert "Glorot" in worst.source
    inner = found.layers[1:-1]
    for row, after in zip(inner, found.layers[2:], strict=True):
        # errata: 0.25 counts the activation only; the product with the weights' factor is the ratio
        assert row.activation_factor <= 0.25 + 1e-6
        assert row.ratio == pytest.approx(row.activation_factor * after.weight_factor, rel=0.05)
        assert after.smallest <= after.weight_factor <= after.largest + 1e-6


@pytest.mark.parametrize(
    ("model", "code", "layer"),
    [
        (lambda: mlp(14, init=scaled(2.2)), "exploding", "0"),
        (lambda: mlp(3, init=scaled(0.0)), "bad-initialisation", "0"),
        (lambda: mlp(4, nn.Tanh, init=scaled(8.0)), "bad-initialisation", "0"),
        (lambda: nn.Sequential(*mlp(2), nn.Softmax()), "loss-mismatch", "5"),
        (lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4), nn.ReLU()), "loss-mismatch", "3"),
    ],
)
def test_what_is_wrong_is_named_with_its_layer(model, code, layer):
    worst = asked(model()).verdicts[0]
    assert (worst.code, worst.layer) == (code, layer)


def test_dead_units_are_counted_over_all_batches():
    model = mlp(2)
    model[0].bias.data = np.where(np.arange(16) < 12, -30.0, 0.0)
    found = asked(model)
    assert found.verdicts[0].code == "dead-units"
    assert found.layers[0].dead == pytest.approx(0.75)
    shifted = [(x, y) for x, y in batches()]
    shifted[-1][0][:, 0] += 100  # one batch that reaches units which are off in all others
    model[0].weight.data = np.where(np.arange(12)[:, None] == 0, 1.0, model[0].weight.numpy())
    assert asked(model, given=shifted).layers[0].dead == 0


@pytest.mark.slow
def test_a_unit_that_is_always_on_balances_one_that_is_always_off():
    deep = mlp(24, width=32)
    found = asked(deep, lr=0.01)
    assert max(row.dead for row in found.layers[:-1]) > 0.3
    assert "dead-units" not in found.codes


def test_saturation_by_bias():
    model = mlp(3, nn.Sigmoid, "xavier")
    model[2].bias.data = np.full(16, 9.0)
    worst = asked(model).verdicts[0]
    assert (worst.code, worst.layer) == ("saturated", "2")


@pytest.mark.parametrize("change", [lambda x: 255 * x, lambda x: x * 10.0 ** np.arange(-2, 10, 1), lambda x: x + 500])
def test_inputs_of_a_wrong_scale(change):
    given = [(change(x).astype(np.float32), y) for x, y in batches()]
    assert asked(mlp(2), given=given, lr=0.01).verdicts[0].code == "bad-input-scale"
    normalised = nn.Sequential(nn.BatchNorm1d(12), *mlp(2))
    assert "bad-input-scale" not in asked(normalised, given=given).codes


@pytest.mark.slow
def test_the_learning_rate():
    assert asked(mlp(2), lr=20.0).codes == ["learning-rate-too-high"]
    assert asked(mlp(2), lr=1e-6).codes == ["learning-rate-too-low"]
    assert asked(mlp(2), lr=None).ok  # without an optimiser there is no rate to judge


def test_a_sum_over_the_batch():
    found = asked(mlp(2), nn.CrossEntropyLoss(reduction="sum"), lr=0.3)
    assert found.verdicts[0].code == "loss-mismatch"


class Branches(nn.Module):
    def __init__(self, cut):
        super().__init__()
        self.main, self.branch, self.head = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(16, 4)
        self.cut = cut

    def forward(self, x):
        a, b = cr.relu(self.main(x[:, :6])), cr.relu(self.branch(x[:, 6:]))
        return self.head(np.concatenate([a, self.cut(b)], axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("cut", [lambda b: b.detach(), cr.stop_gradient, np.sign])
def test_a_cut_gradient_is_found_with_the_line_and_mended_on_trial(cut):
    found = asked(Branches(cut), try_remedies=True)
    worst = found.verdicts[0]
    assert (worst.code, worst.layer) == ("gradient-cut", "branch")
    assert "test_diagnosis.py" in worst.evidence
    assert worst.winner is not None
    assert asked(Branches(lambda b: b)).ok


def test_frozen_parameters_and_shared_ones_are_not_cut():
    model = mlp(2)
    model[0].requires_grad_(False)
    assert asked(model).ok

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(12, 6, init="xavier")

        def forward(self, x):
            return np.tanh(self.inner(x)) @ self.inner.weight.T

    given = [(x, x) for x, _ in batches()]
    found = asked(Tied(), nn.MSELoss(), given)
    assert found.ok
    assert [row.use for row in found.layers] == [0, 1]


def test_normalisation_of_one_value():
    model = nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    worst = asked(model, given=batches(4, 1), try_remedies=True).verdicts[0]
    assert (worst.code, worst.layer) == ("normalisation-misplaced", "1")
    assert worst.winner is not None
    single = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 1), nn.LayerNorm(1))
    given = [(x, x[:, :1]) for x, _ in batches()]
    assert asked(single, nn.MSELoss(), given).verdicts[0].code == "normalisation-misplaced"


def test_not_finite_values_are_traced_to_their_layer():
    given = batches()
    given[2][0][3, 1] = np.nan
    worst = asked(mlp(2), given=given).verdicts[0]
    assert (worst.code, worst.layer) == ("not-finite", "input")

    class Logarithm(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(12, 4)

        def forward(self, x):
            return np.log(self.first(x))

    worst = asked(Logarithm()).verdicts[0]
    assert worst.code == "not-finite"
    assert "log" in worst.evidence
    assert "test_diagnosis.py" in worst.evidence


def test_a_loss_at_chance():
    given = [(np.ones_like(x), y) for x, y in batches()]
    assert asked(mlp(2, nn.Tanh, "xavier"), given=given).verdicts[0].code == "loss-at-chance"


def test_attention_without_its_scale():
    class Attending(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.norm, self.qkv, self.out = nn.LayerNorm(12), nn.Linear(12, 192, init="lecun"), nn.Linear(64, 4)
            self.scale = scale

        def forward(self, x):
            q, k, v = np.split(self.qkv(self.norm(x)), 3, axis=-1)
            return self.out(nn.functional.scaled_dot_product_attention(q, k, v, scale=self.scale).mean(axis=1))

    rng = np.random.default_rng(0)
    given = [(rng.normal(size=(16, 10, 12)).astype(np.float32), rng.integers(0, 4, 16)) for _ in range(3)]
    assert asked(Attending(1.0), given=given).verdicts[0].code == "saturated"
    assert "saturated" not in asked(Attending(None), given=given).codes


def test_nothing_of_the_users_is_changed():
    model = nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.Sigmoid(), nn.Dropout(0.3), nn.Linear(16, 4))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 12)), rng.integers(0, 4, 96)
    loader = data.DataLoader((x, y), batch_size=32, shuffle=True, seed=1)
    nn.CrossEntropyLoss()(model(x), y).backward()
    optimizer.step()
    model[1].eval()

    def state():
        grads = [p.grad.numpy().copy() for p in model.parameters()]
        modes = [m.training for m in model.modules()]
        draws = default_generator().bit_generator.state, np.random.get_state()[1].copy()  # noqa: NPY002
        return copy.deepcopy((model.state_dict(), optimizer.state_dict(), loader.state_dict(), grads, modes, draws))

    before = state()
    cr.doctor(model, nn.CrossEntropyLoss(), loader, optimizer, steps=6)
    np.testing.assert_equal(state(), before)
    assert "forward" not in vars(model[0])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_diagnosis():
    first, second = (asked(mlp(3, nn.Sigmoid, scaled(1.0)), try_remedies=True) for _ in [cr.seed(3), cr.seed(3)])
    assert json.dumps(first.to_dict()) != ""
    models = []
    for _ in range(2):
        cr.seed(3)
        models.append(mlp(3, nn.Sigmoid))
    first, second = (asked(m, try_remedies=True) for m in models)
    assert first.to_dict() == second.to_dict()


def test_thresholds_can_be_changed():
    model = mlp(3)
    assert asked(model).ok
    found = asked(model, thresholds={"vanishing": 100.0})
    assert found.verdicts[0].code == "vanishing"
    assert found.verdicts[0].source == "set by the caller"
    with pytest.raises(ValueError, match="thresholds: got 'vanish'"):
        asked(model, thresholds={"vanish": 1.0})


def test_wrong_calls_say_what_was_expected():
    with pytest.raises(TypeError, match=r"expected a chainrule\.nn\.Module or a torch\.nn\.Module, got function"):
        cr.doctor(lambda x: x, nn.MSELoss(), batches())
    with pytest.raises(ValueError, match="got none"):
        cr.doctor(mlp(1), nn.MSELoss(), [])
    with pytest.raises(TypeError, match=r"expected tuples \(x, y\)"):
        cr.doctor(mlp(1), nn.MSELoss(), [np.ones((3, 12))])
    with pytest.raises(ValueError, match="steps"):
        cr.doctor(mlp(1), nn.MSELoss(), batches(), steps=0)


def test_an_error_of_the_model_comes_through():
    with pytest.raises(ValueError, match="Linear"):
        asked(nn.Sequential(nn.Linear(5, 4)))


def test_every_code_has_words_and_a_place():
    assert CODES[-1] == "healthy"
    assert len(set(CODES)) == 15
