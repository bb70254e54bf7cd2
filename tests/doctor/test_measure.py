"""The measures themselves, against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.doctor.engines.numpy.engine import OwnEngine
from chainrule.doctor.examine import case as cases
from chainrule.doctor.examine.case import Case, untouched
from chainrule.doctor.examine.chance import chance_level, is_summed
from chainrule.doctor.examine.exam import examine
from chainrule.doctor.examine.measure import Noise, effective_rank, norm


@given(st.integers(1, 12), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_effective_rank_lies_between_one_and_the_rank(rank, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(40, rank)) @ rng.normal(size=(rank, 16))
    assert 1 - 1e-9 <= effective_rank(x) <= rank + 1e-6
    q = np.linalg.qr(rng.normal(size=(40, rank)))[0]
    assert effective_rank(q) == pytest.approx(rank)


@given(st.floats(0.1, 3.0), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_the_noise_scale_of_gaussian_gradients(sigma, seed):
    rng, size, dimension = np.random.default_rng(seed), 8, 400
    mean, noise = rng.normal(size=dimension), Noise()
    for _ in range(60):
        noise.add({"w": mean + sigma / np.sqrt(size) * rng.normal(size=dimension)}, size)
    assert noise.scale() == pytest.approx(dimension * sigma**2 / (mean @ mean), rel=0.2)
    assert noise.batch == size


def test_no_noise_scale_from_two_batches():
    noise = Noise()
    for _ in range(2):
        noise.add({"w": np.ones(3)}, 4)
    assert np.isnan(noise.scale())


def collected(batches):
    return cases.collected(batches, OwnEngine().plain)


def outputs(shape, y):
    return [(np.zeros(shape, np.float32), y)]


def test_chance_is_the_entropy_of_the_labels_and_the_variance_of_numbers():
    y = np.array([0, 0, 0, 1])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert chance_level(nn.CrossEntropyLoss(), outputs((4, 2), y)) == pytest.approx(entropy, rel=1e-4)
    z = np.array([[1.0], [3.0], [5.0], [7.0]], np.float32)
    assert chance_level(nn.MSELoss(), outputs((4, 1), z)) == pytest.approx(5.0)
    b = np.array([[1.0], [1.0], [1.0], [0.0]], np.float32)
    assert chance_level(nn.BCEWithLogitsLoss(), outputs((4, 1), b)) == pytest.approx(entropy, rel=1e-4)


def test_a_sum_is_told_from_a_mean():
    y = np.array([0, 1, 1])
    assert is_summed(nn.CrossEntropyLoss(reduction="sum"), outputs((3, 2), y))
    assert not is_summed(nn.CrossEntropyLoss(), outputs((3, 2), y))


@pytest.mark.parametrize("sizes", [(16, 16), (5, 27)])
def test_gradients_of_a_watched_pass_are_those_of_backward(sizes):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))
    given_batches = [(rng.normal(size=(n, 6)), rng.integers(0, 3, n)) for n in sizes]
    loss = nn.CrossEntropyLoss()
    with untouched(model, 0):
        exam = examine(Case(model, loss, collected(given_batches)), collected(given_batches))
    norms = dict.fromkeys(exam.gradients, 0.0)
    for x, y in given_batches:
        model.zero_grad()
        loss(model(x), y).backward()
        for name, p in model.named_parameters():
            norms[name] += float(np.linalg.norm(p.grad.numpy()))
    assert exam.gradients == pytest.approx(norms, rel=1e-5)


def test_functions_and_plain_products_are_read_like_modules():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.W1 = nn.Parameter(nn.init.kaiming((6, 8)))
            self.W2 = nn.Parameter(nn.init.kaiming((3, 8)))

        def forward(self, x):
            return np.maximum(x @ self.W1, 0.0) @ self.W2.T

    model, given_batches = Plain(), [(np.random.default_rng(0).normal(size=(9, 6)), np.zeros(9, int))]
    with untouched(model, 0):
        exam = examine(Case(model, nn.CrossEntropyLoss(), collected(given_batches)), collected(given_batches))
    assert [(row.name, row.function) for row in exam.layers] == [("W1", "maximum"), ("W2", "")]
    assert exam.layers[0].largest == pytest.approx(np.linalg.norm(model.W1.numpy(), 2))
    assert 0 <= exam.layers[0].dead < 1
    assert cr.doctor(model, nn.CrossEntropyLoss(), given_batches, try_remedies=False, steps=2).layers


def test_units_are_compared_along_the_right_axis_where_a_weight_is_stored_as_out_in():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            rows = np.tile(np.arange(1.0, 7.0) / 10, (6, 1))  # all units equal: the rows of [out, in]
            self.W = nn.Parameter(rows)
            self.out = nn.Linear(6, 2, init=lambda shape, **_: np.tile([0.1, -0.3], (6, 1)))

        def forward(self, x):
            return self.out(np.tanh(x @ self.W.T))

    rng = np.random.default_rng(0)
    given_batches = [(rng.normal(size=(8, 6)), rng.integers(0, 2, 8))]
    found = cr.doctor(Turned(), nn.CrossEntropyLoss(), given_batches, try_remedies=False, steps=2)
    assert found.layers[0].symmetric < 1e-6
    assert found.verdicts[0].code == "bad-initialisation"


def test_a_nan_behind_a_split_into_unequal_parts_is_traced():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(6, 5)

        def forward(self, x):
            a, b = np.split(self.first(x), [3], axis=1)
            return np.concatenate([np.log(a), b], axis=1)

    given_batches = [(np.random.default_rng(0).normal(size=(8, 6)), np.arange(8) % 5)]
    found = cr.doctor(Parts(), nn.CrossEntropyLoss(), given_batches, try_remedies=False, steps=2)
    assert found.verdicts[0].code == "not-finite"
    assert "log" in found.verdicts[0].evidence


def test_a_norm_of_a_large_array_is_that_of_all_its_parts():
    array = np.full((3, 1 << 19), 2.0, np.float32)
    assert norm(array) == 2.0 * np.sqrt(array.size)
    assert norm(np.zeros(0)) == 0.0


def test_batches_are_left_out_where_they_would_take_the_budget():
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(8, 4)), rng.integers(0, 2, 8)) for _ in range(6)]
    found = cr.doctor(nn.Sequential(nn.Linear(4, 2)), nn.CrossEntropyLoss(), batches, try_remedies=False, budget=1e-9)
    assert "3 batches were examined in place of 6: the budget of 1e-09 s had no time for more" in str(found)
    assert "배치 6개 대신 3개만 살폈습니다" in found.to_text("ko")
    whole = cr.doctor(nn.Sequential(nn.Linear(4, 2)), nn.CrossEntropyLoss(), batches, try_remedies=False)
    assert "were examined in place of" not in str(whole)
