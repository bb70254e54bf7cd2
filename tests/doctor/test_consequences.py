"""A verdict is a cause, its sentence has every figure, and the work has a bound."""

import math
import re

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.doctor.examine.measure import effective_rank
from chainrule.doctor.report import words
from chainrule.present.chart import line_chart

RNG = np.random.default_rng(0)
X = RNG.standard_normal((64, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
BATCHES = [(X[k : k + 16], Y[k : k + 16]) for k in range(0, 64, 16)]
LOSS = nn.CrossEntropyLoss()


def dead(depth=4):
    cr.seed(0)
    layers = []
    for k in range(depth):
        layers += [nn.Linear(6 if k == 0 else 12, 12), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(12, 2))
    model[2].bias.data = np.full(12, -50.0, np.float32)
    return model


def examined(model, **options):
    return cr.doctor(model, LOSS, BATCHES, optim.SGD(model.parameters(), lr=0.1), **{"try_remedies": False, **options})


def test_a_consequence_is_no_verdict():
    found = examined(dead())
    assert "dead-units" in found.codes
    assert "vanishing" not in found.codes


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_no_sentence_has_a_nan(lang):
    found = examined(dead())
    for verdict in found.verdicts:
        assert not re.search(r"\bnan\b", verdict.text(lang))
    expected = {"en": "not measured", "ko": "측정 안 됨"}[lang]
    values = {"ratio": 0.0, "last": "4", "step": 0.0, "activation": math.nan, "weight": 1.0, "largest": 2.0}
    assert expected in words.said("vanishing", lang, values)


def test_a_gradient_of_zero_lies_on_the_floor_of_the_chart():
    drawn = line_chart("flow", ["a", "b", "c"], [("norm", [0.0, 1e-3, 1.0])], "en", log_y=True)
    assert drawn.count('class="zero"') == 1
    assert drawn.count("<circle") == 3
    assert 'class="zero"' in examined(dead()).to_html()


@pytest.mark.slow
def test_remedies_stand_in_the_order_of_their_effect():
    cr.seed(0)
    layers = [m for k in range(8) for m in (nn.Linear(6 if k == 0 else 12, 12, init="xavier"), nn.Sigmoid())]
    found = examined(nn.Sequential(*layers, nn.Linear(12, 2)), try_remedies=True, steps=15)
    for verdict in found.verdicts:
        gains = [r.measured_before.loss - r.measured_after.loss for r in verdict.remedies if r.helped]
        assert gains == sorted(gains, reverse=True)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_budget_bounds_the_work_and_says_what_was_left_out(lang):
    cr.seed(0)
    layers = [m for k in range(8) for m in (nn.Linear(6 if k == 0 else 12, 12, init="xavier"), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(12, 2))
    found = examined(model, try_remedies=True, budget=0.05)
    assert found.left_out(lang)
    assert found.left_out(lang)[-1] in found.to_text(lang)
    assert not examined(model, try_remedies=False).left_out()
    with pytest.raises(ValueError, match="budget: expected a number of seconds above 0, got 0"):
        examined(model, budget=0)


@walked("shape", [(40, 12), (12, 40), (300, 30)])
@walked("rank", [1, 3, 12])
def test_the_rank_from_a_gram_matrix_is_that_of_the_singular_values(shape, rank):
    value = RNG.standard_normal((shape[0], rank)) @ RNG.standard_normal((rank, shape[1]))
    rows = value[:: max(1, len(value) // 256)][:256]
    sizes = np.linalg.svd(rows, compute_uv=False)
    shares = sizes[sizes > 1e-9 * sizes[0]] / sizes[sizes > 1e-9 * sizes[0]].sum()
    assert effective_rank(value) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


class Block(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.fc, self.norm = nn.Linear(12, 12), nn.LayerNorm(12)
        for _, p in self.norm.named_parameters():
            p.data = np.full(p.shape, start if p.name.endswith(("weight", "gamma")) else 0.0, np.float32)

    def forward(self, x):
        return x + self.norm(np.tanh(self.fc(x)))


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_residual_branch_may_begin_as_nothing(start):
    cr.seed(0)
    model = nn.Sequential(nn.Linear(6, 12), Block(start), Block(start), nn.Linear(12, 2))
    assert "normalisation-misplaced" not in examined(model).codes


def test_a_head_that_starts_at_zero_is_no_lack_of_flow():
    cr.seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 2))
    model[4].weight.data = np.zeros_like(model[4].weight.data)
    diagnosis = examined(model)
    assert diagnosis.codes == ["healthy"]
    assert "layer 4 starts at zero" in str(diagnosis)
    assert "flow 0)" not in str(diagnosis)
    assert "4 층의 가중치가 0에서" in diagnosis.to_text("ko")


class Words(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.table, self.hidden, self.head = nn.Embedding(20, 16), nn.Linear(16, 16), nn.Linear(16, 5)
        self.table.weight.data = self.table.weight.data * size

    def forward(self, ids):
        return self.head(np.tanh(self.hidden(self.table(ids)).mean(axis=1)))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "found"), [(1e4, True), (1.0, False)])
def test_an_embedding_that_is_too_large_is_blamed_itself(size, found):
    cr.seed(0)
    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, 20, (32, 6)), rng.integers(0, 5, 32)) for _ in range(2)]
    model = Words(size)
    diagnosis = cr.doctor(model, LOSS, batches, optim.SGD(model.parameters(), lr=0.1), try_remedies=found, steps=20)
    first = diagnosis.verdicts[0]
    assert (first.code == "bad-initialisation" and first.layer == "table") == found
    if found:
        assert len(diagnosis.verdicts) == 1  # that little flows back is what follows
        remedy = next(r for r in first.remedies if r.key == "table")
        assert remedy.helped
        assert "divide the embedding table by" in remedy.change
