"""The walk: what is known at each step, what an edit does, training, time, and the way back."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.explore.desk import Desk
from chainrule.explore.gallery import GALLERY
from chainrule.explore.numbers import exact
from chainrule.explore.panel import local_of, panel
from chainrule.explore.session import Session
from chainrule.explore.subject import Subject
from chainrule.explore.view import state

from .conftest import classifier, explored, neuron


def session_of(*args, **more):
    return cr.explore(*args, **more).session


@pytest.fixture
def walk():
    return session_of(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))


def by_name(session):
    return session.run.by_name


def test_the_boxes_have_the_names_of_the_derivation():
    names = [box.name for box in explored().session.run.boxes]
    assert {"W1", "b1", "W2", "b2", "x", "y", "z1", "a1", "z2", "L"} <= set(names)
    assert len(names) == len(set(names))


def test_values_and_gradients_are_those_of_grad(walk):
    w_bar, b_bar = cr.grad(neuron, argnums=(1, 2))(2.0, 0.5, 0.1, 1.0)
    assert by_name(walk)["w"].gradient == w_bar
    assert by_name(walk)["b"].gradient == b_bar
    assert by_name(walk)["x"].gradient is None
    assert walk.run.loss == neuron(2.0, 0.5, 0.1, 1.0)


def test_each_step_brings_one_operation_and_then_one_pull(walk):
    known = []
    while walk.position < walk.steps:
        before = [walk.state_of(box) for box in walk.run.boxes]
        (walk.forward if walk.position < walk.forward_steps else walk.backward)()
        after = [walk.state_of(box) for box in walk.run.boxes]
        known.append(sum(a != b for a, b in zip(before, after, strict=True)))
    assert known[: walk.forward_steps] == [1] * walk.forward_steps
    assert all(known)
    states = {box.name: walk.state_of(box) for box in walk.run.boxes}
    assert states["w"] == states["b"] == states["L"] == "backward"
    assert states["x"] == states["y"] == "forward"


def test_a_gradient_is_known_when_its_last_use_has_sent_its_part():
    walk = session_of(lambda w: (w * w + cr.sin(w)) * 2, 0.3)
    box = by_name(walk)["w"]
    walk.seek(walk.forward_steps + box.backward - 1)
    assert walk.state_of(box) == "forward"
    walk.backward()
    assert walk.state_of(box) == "backward"
    assert len(box.users) == 2


def test_backward_finishes_the_forward_pass_first(walk):
    walk.backward()
    assert walk.position == walk.forward_steps + 1
    walk.rewind()
    assert walk.position == 0


def test_the_ends_stay_where_they_are(walk):
    walk.seek(10**9)
    walk.forward()
    walk.backward()
    assert walk.position == walk.steps
    walk.seek(-3)
    assert walk.position == 0


def test_nothing_is_told_that_has_not_been_computed(walk):
    told = state(walk)
    assert told["loss"] is None
    assert {node["value"] for node in told["nodes"] if node["state"] == "waiting"} == {None}
    assert {node["gradient"] for node in told["nodes"]} == {None}
    walk.seek(walk.steps)
    told = {node["name"]: node for node in state(walk)["nodes"]}
    assert told["w"]["gradient"] == by_name(walk)["w"].gradient
    assert state(walk)["loss"] == walk.run.loss


# Changing a number


@settings(max_examples=30)
@given(st.floats(-3, 3), st.sampled_from(["w", "b", "x", "y"]))
def test_the_prediction_is_the_derivative_times_the_change(value, name):
    walk = session_of(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))
    args = dict(zip("xwby", (2.0, 0.5, 0.1, 1.0), strict=True))
    slope = cr.grad(neuron, argnums="xwby".index(name))(*args.values())
    walk.edit(name, (), value)
    assert walk.change.predicted == pytest.approx(slope * (value - args[name]), abs=1e-12)
    assert walk.change.after == neuron(**{**args, name: np.float64(value)})


@walked(("name", "index"), [("W1", (0, 2)), ("b2", (1,)), ("x", (4, 0))], ids=["weight", "bias", "input"])
def test_an_edit_is_what_the_model_computes_with_that_number(name, index):
    given_ = classifier()
    walk = explored(given_).session
    before = walk.run.loss
    value = float(by_name(walk)[name].value[index]) + 1e-5
    walk.edit(name, index, value)
    assert by_name(walk)[name].value[index] == value
    assert walk.change.predicted == pytest.approx(walk.run.loss - before, rel=1e-3)
    walk.undo()
    assert walk.run.loss == before


def test_a_class_can_be_changed_but_has_no_derivative():
    walk = explored().session
    walk.edit("y", (0,), 1)
    assert walk.change.predicted is None
    assert by_name(walk)["y"].value[0] == 1
    walk.edit("y", (1,), 0)
    assert by_name(walk)["y"].value[:2].tolist() == [1, 0]


def test_whole_numbers_among_the_arguments_can_be_changed():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Embedding(5, 3, generator=rng), nn.Linear(3, 2, generator=rng))
    walk = session_of(model, np.array([0, 3]), loss=nn.CrossEntropyLoss(), target=np.array([1, 0]))
    tokens = next(box for box in walk.run.boxes if box.slot == ("argument", 0))
    before = walk.run.loss
    walk.edit(tokens.name, (1,), 4)
    assert walk.run.loss != before
    walk.edit(next(box.name for box in walk.run.boxes if box.slot == ("argument", 0)), (1,), 3)
    assert walk.run.loss == before


def test_nothing_of_the_users_is_changed():
    given_ = classifier()
    model = given_["model_or_f"]
    before = {name: p.numpy().copy() for name, p in model.named_parameters()}
    x, y = given_["x"].copy(), given_["target"].copy()
    walk = explored(given_).session
    walk.edit("W1", (0, 0), 9.0)
    walk.edit("x", (0, 0), 9.0)
    walk.edit("y", (0,), 1)
    walk.train(3)
    assert all(np.array_equal(p.numpy(), before[name]) for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())
    assert np.array_equal(given_["x"], x)
    assert np.array_equal(given_["target"], y)


def test_what_the_user_changes_later_changes_nothing_here():
    x = np.ones(3)
    walk = session_of(lambda x: (x**2).sum(), x)
    x[:] = 7.0
    walk.edit("x", (0,), 2.0)
    assert walk.run.loss == 6.0


@walked(
    ("call", "said"),
    [
        (("nothing", (), 1.0), "expected the name of a box, such as"),
        (("z1", (0, 0), 1.0), "z1 is computed; expected an input"),
        (("W1", (0, 9), 1.0), r"within the shape \[3, 4\], got \[0, 9\]"),
        (("W1", (0,), 1.0), r"within the shape \[3, 4\], got \[0\]"),
        (("W1", (0, -1), 1.0), r"got \[0, -1\]"),
        (("W1", (0, 0), math.nan), r"W1\[0,0\]: expected a finite number"),
        (("y", (0,), 0.5), r"y\[0\]: expected a whole number"),
    ],
)
def test_a_wrong_edit_says_so_and_changes_nothing(call, said):
    walk = explored().session
    loss = walk.run.loss
    with pytest.raises(ValueError, match=said):
        walk.edit(*call)
    assert walk.run.loss == loss
    assert not walk.can_undo


def test_an_edit_that_the_function_refuses_changes_nothing():
    def picky(x):
        if float(np.asarray(cr.stop_gradient(x) * 1.0)) > 5:
            raise OverflowError("too large")
        return x * x

    desk = Desk(session_of(picky, 2.0))
    answer = desk.handle({"do": "edit", "node": "x", "index": [], "value": 9.0})
    assert answer["error"] == "OverflowError: too large"
    assert desk.session.run.loss == 4.0
    assert not desk.session.can_undo


def test_a_graph_that_an_edit_changes_is_drawn_anew():
    def branching(x):
        return cr.sin(x) * 2 if float(np.asarray(cr.stop_gradient(x) * 1.0)) > 0 else x * x

    walk = session_of(branching, 1.0)
    drawn, names = walk.drawn, set(by_name(walk))
    walk.edit("x", (), -1.0)
    assert walk.drawn > drawn
    assert set(by_name(walk)) != names
    assert walk.run.loss == 1.0


# Training and time


@walked(
    ("given_", "made"),
    [
        (None, lambda params: optim.SGD(params, lr=0.1)),
        ("adam", lambda params: optim.Adam(params, lr=0.01)),
        ("momentum", lambda params: optim.SGD(params, lr=0.1, momentum=0.9)),
        (lambda params: optim.RMSprop(params, lr=0.02), lambda params: optim.RMSprop(params, lr=0.02)),
    ],
)
def test_training_is_training(given_, made):
    network = classifier()
    walk = explored(network, optimizer=given_).session
    walk.train(4)
    walk.train(2)
    named = network["model_or_f"].named_parameters()
    parameters = {name: cr.tensor(p.numpy().astype(np.float64), requires_grad=True) for name, p in named}
    optimizer = made(list(parameters.values()))
    for _ in range(6):
        optimizer.zero_grad()
        h = cr.tanh(network["x"] @ parameters["0.weight"] + parameters["0.bias"])
        loss = network["loss"](h @ parameters["2.weight"] + parameters["2.bias"], network["target"])
        loss.backward()
        optimizer.step()
    for box in walk.run.trained():
        np.testing.assert_allclose(box.value, parameters[box.entry.name].numpy(), rtol=1e-10, atol=1e-12)


def test_an_optimiser_lends_its_kind_and_settings_and_is_left_alone():
    network = classifier()
    own = optim.SGD(network["model_or_f"].parameters(), lr=0.03, momentum=0.5)
    walk = explored(network, optimizer=own).session
    assert (walk.rule.name, walk.rule.lr) == ("SGD", 0.03)
    walk.train(2)
    assert own.state == {}


def test_time_goes_back_and_training_from_there_drops_what_came_later():
    walk = explored().session
    walk.train(5)
    losses = [moment.loss for moment in walk.moments]
    walk.time(2)
    assert walk.run.loss == losses[2]
    walk.train(1)
    assert [moment.loss for moment in walk.moments] == pytest.approx(losses[:4], rel=1e-12)
    walk.undo()
    assert [moment.loss for moment in walk.moments] == losses
    assert walk.index == 2
    walk.undo()
    assert (len(walk.moments), walk.can_undo) == (1, False)


def test_an_edit_in_the_middle_drops_what_came_later():
    walk = explored().session
    walk.train(3)
    walk.time(1)
    walk.edit("b1", (0,), 0.5)
    assert len(walk.moments) == 2
    assert walk.index == 1


def test_reset_returns_to_the_beginning_and_can_be_undone():
    walk = explored().session
    loss = walk.run.loss
    walk.edit("W1", (0, 0), 2.0)
    walk.train(2)
    last = walk.run.loss
    walk.reset()
    assert (walk.run.loss, len(walk.moments)) == (loss, 1)
    walk.undo()
    assert walk.run.loss == last


def test_training_stops_where_the_loss_is_no_longer_finite():
    walk = session_of(lambda w: (w**4).sum(), np.full(2, 9.0))
    walk.set_rule(lr=10.0)
    walk.train(200)
    assert len(walk.moments) < 50
    assert not math.isfinite(walk.moments[-1].loss)
    assert exact(np.float64("nan")) == "NaN"


def test_training_needs_something_to_train():
    walk = session_of(lambda w: (cr.stop_gradient(w) * 1.0 + 0 * w).sum(), np.ones(2))
    walk.train(1)
    assert walk.run.loss == 2.0
    with pytest.raises(ValueError, match="expected 1 to 1000 steps, got 0"):
        walk.train(0)


@walked(
    ("optimizer", "said"),
    [
        ("adamm", "expected one of SGD, Momentum"),
        (3, "expected an optimiser, a function of the parameters"),
        (lambda params: None, "expected an optimiser, a function"),
    ],
)
def test_a_wrong_optimiser_says_what_was_expected(optimizer, said):
    with pytest.raises((TypeError, ValueError), match=f"explore: optimizer: {said}"):
        explored(optimizer=optimizer)


# Predicting


def test_a_prediction_is_right_within_one_percent(walk):
    walk.predicting = True
    walk.forward()
    name, truth = walk.truth()
    assert (name, truth) == ("u", 1.0)
    assert walk.shows(walk.asked) == "waiting"
    assert state(walk)["nodes"][by_name(walk)["u"].number]["value"] is None
    assert walk.guess(1.009) == (True, 1.0)
    assert walk.shows(by_name(walk)["u"]) == "forward"
    walk.forward()
    assert walk.guess(2.0) == (False, 1.1)
    with pytest.raises(ValueError, match="nothing is to be predicted"):
        walk.truth()


def test_the_loss_is_not_given_away_while_it_is_to_be_predicted(walk):
    walk.predicting = True
    while walk.position < walk.forward_steps:
        walk.forward()
    assert walk.asked.name == "L"
    assert state(walk)["loss"] is None
    walk.show()
    assert state(walk)["loss"] == walk.run.loss


def test_backward_asks_for_a_gradient(walk):
    walk.predicting = True
    walk.seek(walk.forward_steps)
    walk.backward()
    name, truth = walk.truth()
    assert name.startswith("∂L/∂")
    assert truth == 0.5


# Panels


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("key", GALLERY)
def test_every_box_of_the_gallery_has_a_panel_with_mathematics(key, lang):
    run = GALLERY[key].session().run
    for box in run.boxes:
        found = panel(run, box, lang)
        assert found["value"] == exact(box.value)
        if box.op is not None and box.entry in run.units:
            assert "<math" in found["head"]
        if box.gradient is not None:
            assert "<math" in found["backward"]
            assert found["gradient"] == exact(box.gradient)


def test_incoming_times_local_is_outgoing():
    walk = explored().session
    seen = 0
    for box in walk.run.boxes:
        for user, k, outgoing in box.entry.arrived if box.entry is not None else ():
            found = local_of(user, k, outgoing)
            if found is not None:
                np.testing.assert_allclose(found[0] * found[1], outgoing, rtol=1e-12)
                seen += 1
    assert seen >= 2


def test_a_name_with_markup_stays_text():
    nasty = "<img src=x onerror=alert(1)>"
    w = cr.tensor([1.0, 2.0], requires_grad=True, name=nasty)
    run = cr.explore(lambda w: (w * w).sum(), w).session.run
    text = "".join(panel(run, box, "en")[part] for box in run.boxes for part in ("head", "forward", "backward"))
    assert "<img" not in text


# Blocks, and size


def test_repeated_blocks_fold_and_open():
    walk = GALLERY["deep_sigmoid"].session()
    assert len(walk.blocks) == 1
    closed = len(walk.scene.items)
    walk.open(walk.blocks[0].name, True)
    assert len(walk.scene.items) == len(walk.run.boxes) > closed
    walk.open("*", False)
    assert len(walk.scene.items) == closed
    with pytest.raises(ValueError, match="expected one of the blocks block1, got 'no'"):
        walk.open("no", True)


def test_an_explorer_of_a_tensor_says_what_to_pass():
    with pytest.raises(TypeError, match=r"pass the function that computes it: cr\.explore"):
        cr.explore(cr.tensor(1.0))
    with pytest.raises(ValueError, match=r"explore: .* expected a scalar loss"):
        cr.explore(lambda x: x * 2, np.ones(3))
    with pytest.raises(ValueError, match="lang: expected one of en, ko, got 'fr'"):
        cr.explore(neuron, 2.0, 0.5, 0.1, 1.0, lang="fr")


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match=r"explore: .* is complex, and only real numbers can be explored; cr\.graph"):
        cr.explore(lambda x: np.abs(np.fft.fft(x)).sum(), np.arange(4.0))


def test_a_session_of_a_subject_that_draws_at_random_is_repeatable():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8, generator=rng), nn.Dropout(0.5), nn.Linear(8, 1, generator=rng))
    subject = Subject(model, (rng.normal(size=(3, 4)),), nn.MSELoss(), np.zeros((3, 1)))
    first, second = Session(subject), Session(subject)
    assert first.run.loss == second.run.loss
