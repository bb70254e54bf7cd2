"""What is kept beside a training: event files for TensorBoard, and the flow over the steps for the report."""

import math
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.data import DataLoader
from chainrule.doctor import GradientBoard, GradientWatch


def patient(depth=10, activation=nn.Sigmoid):
    cr.seed(0)
    layers = [m for _ in range(depth) for m in (nn.Linear(8, 8, init="xavier"), activation())]
    model = nn.Sequential(*layers, nn.Linear(8, 2, init="xavier"))
    x = np.random.default_rng(0).normal(size=(64, 8))
    loader = DataLoader((x, (x[:, 0] > 0).astype(int)), batch_size=16, shuffle=True, seed=3)
    return model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.3), loader


def trained(callbacks, epochs=4, given=None, **settings):
    model, loss, optimizer, loader = given or patient()
    train.fit(model, loss, optimizer, loader, epochs=epochs, callbacks=callbacks, **settings)
    return model


def read(folder):
    name = "tensorboard.backend.event_processing.event_accumulator"
    module = pytest.importorskip(name, reason="reads the files back: pip install tensorboard")
    found = module.EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    found.Reload()
    return found


@pytest.mark.slow
def test_measurements_over_a_training_are_read_back_by_tensorboard(tmp_path):
    board = GradientBoard(tmp_path, every=4, batches=4)
    watched = trained([board])
    found = read(tmp_path)
    tags = found.Tags()
    assert {"gradient/0", "gradient/20", "ratio/0", "flat/4", "noise/0", "doctor/flow"} <= set(tags["scalars"])
    assert {"values/0", "gradients/0", "weight values/20"} <= set(tags["histograms"])
    assert [e.step for e in found.Scalars("gradient/0")] == [1, 4, 8, 12, 16]
    histogram = found.Histograms("values/0")[0].histogram_value
    assert histogram.num == 16 * 8
    assert 0 <= histogram.min <= histogram.max <= 1
    plain = trained([])
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(value, watched.state_dict()[name])


def test_the_numbers_are_those_of_a_diagnosis(tmp_path):
    model, loss, optimizer, loader = patient()
    batches = list(loader)
    diagnosis = cr.doctor(model, loss, batches, optimizer, steps=10, try_remedies=False)
    path = diagnosis.to_tensorboard(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    found = read(tmp_path)
    for row in diagnosis.layers:
        (event,) = found.Scalars(f"gradient/{row.name}")
        assert event.value == pytest.approx(row.gradient, rel=1e-6)
        assert found.Histograms(f"values/{row.name}")[0].histogram_value.num == sum(row.histogram[0])
    steps = [e.step for e in found.Scalars("trial gradient/0")]
    assert steps == [step for step, _, _ in diagnosis.history]
    assert [e.value for e in found.Scalars("trial/loss")] == pytest.approx([x for _, x, _ in diagnosis.history])
    (text,) = found.Tensors("doctor/diagnosis")
    assert b"VANISHING [0]" in text.tensor_proto.string_val[0]


def test_the_board_says_what_is_wrong_with_its_arguments(tmp_path):
    with pytest.raises(ValueError, match="every: expected at least 1"):
        GradientBoard(tmp_path, every=0)
    with pytest.raises(ValueError, match="batches: expected at least 1"):
        GradientBoard(tmp_path, batches=0)


def test_the_watch_keeps_the_flow_over_the_steps():
    watch = GradientWatch(after=3, steps=5, every=5, warn=False)
    trained([watch])
    assert watch.names == tuple(str(2 * k) for k in range(11))
    assert [step for step, _, _ in watch.history] == [1, 5, 10, 15]
    assert all(0 < norms[0] < 1e-3 * norms[-1] for _, _, norms in watch.history)
    assert watch.asked == 3
    assert not watch.ok
    ((title, evidence, limit), *_) = watch.verdicts("ko")
    assert title == "기울기 소실(vanishing) [0]"
    assert "마지막 층" in evidence
    assert limit.startswith("기준 0.001; 출처: Glorot")


@pytest.mark.slow
def test_the_watch_goes_on_counting_where_an_earlier_run_ended():
    given, history = patient(), train.History()
    for expected in ([1, 4, 8], [9, 12, 16]):
        watch = GradientWatch(after=2, steps=3, every=4, warn=False)
        trained([watch], epochs=2, given=given, history=history)
        assert [step for step, _, _ in watch.history] == expected
        assert watch.asked == expected[0] + 1


def test_a_loader_that_can_be_read_only_once_is_refused():
    model, loss, optimizer, loader = patient()
    for callback in (GradientWatch(), GradientBoard("runs")):
        with pytest.raises(ValueError, match="can be read only once"):
            train.fit(model, loss, optimizer, iter(list(loader)), epochs=1, callbacks=[callback])


def test_taking_batches_aside_draws_from_nobodys_generator():
    class Drawing:
        """A loader that draws its order from NumPy's global generator."""

        def __init__(self, batches):
            self.batches = batches

        def __iter__(self):
            return (self.batches[k] for k in np.random.permutation(len(self.batches)))  # noqa: NPY002

    def weights(callbacks):
        np.random.seed(0)  # noqa: NPY002
        model, loss, optimizer, loader = patient(2, nn.Tanh)
        given = model, loss, optimizer, Drawing(list(loader))
        return trained(callbacks, 2, given).state_dict()

    plain = weights([])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watched = weights([GradientWatch(after=2, steps=3, every=1)])
    for name, value in plain.items():
        np.testing.assert_array_equal(value, watched[name])


def test_a_layer_without_a_gradient_leaves_a_gap():
    watch = GradientWatch()
    watch._rows = [(1, 0.5, {"a": 1.0}), (2, 0.4, {"a": 1.0, "b": 2.0})]
    assert watch.names == ("a", "b")
    assert math.isnan(watch.history[0][2][1])


@pytest.mark.parametrize(("epochs", "asked"), [(2, False), (80, True)])
def test_whether_a_loss_stays_at_chance_is_asked_only_where_the_training_is_as_long(epochs, asked):
    """To say it, a copy takes hundreds of steps: more than a short training has."""
    cr.seed(0)
    x = np.random.default_rng(0).normal(size=(64, 8))
    y = np.random.default_rng(1).integers(0, 2, 64)  # nothing to learn, and a network too small to learn it by heart
    model = nn.Linear(8, 2)
    watch = GradientWatch(after=2, steps=3, warn=False)
    loader = DataLoader((x, y), batch_size=16)
    given = model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=1e-3), loader
    trained([watch], epochs, given)
    assert (watch.diagnosis.chance > 0) == asked
