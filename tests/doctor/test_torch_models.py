"""What models of PyTorch do that looks like an illness and is none: masks, gates, layers that start at zero."""

import math

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def language(torch):
    """Makes a small causal language model of an attention `(q, k, v)`, each `[B, H, T, D]`, and its batches."""

    def make(attention, heads=2, keys=2):
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.tokens = torch.nn.Embedding(20, 16)
                self.norm = torch.nn.LayerNorm(16)
                self.query, self.key = torch.nn.Linear(16, 8 * heads), torch.nn.Linear(16, 8 * keys)
                self.value, self.out = torch.nn.Linear(16, 8 * keys), torch.nn.Linear(8 * heads, 16)
                self.head = torch.nn.Linear(16, 20)

            def forward(self, ids):
                x = self.tokens(ids)
                y = self.norm(x)
                q, k, v = (
                    layer(y).unflatten(-1, (count, 8)).transpose(1, 2)
                    for layer, count in ((self.query, heads), (self.key, keys), (self.value, keys))
                )
                x = x + self.out(attention(q, k, v).transpose(1, 2).flatten(2))
                return self.head(x).transpose(1, 2)

        torch.manual_seed(0)
        ids = [torch.from_numpy(RNG.integers(0, 20, (8, 6))) for _ in range(3)]
        return Model(), torch.nn.CrossEntropyLoss(), [(x, (x + 1) % 20) for x in ids]

    return make


def plainly(q, k, v):
    return (q @ k.transpose(-1, -2) / math.sqrt(8)).softmax(-1) @ v


def codes(case, **settings):
    diagnosis = cr.doctor(*case, try_remedies=False, steps=20, **settings)
    return [verdict.code for verdict in diagnosis.verdicts]


@pytest.mark.parametrize("low", ["smallest", -1e4, -100.0])
def test_scores_masked_by_a_large_number_are_masked(torch, language, low):
    def attention(q, k, v):
        number = torch.finfo(q.dtype).min if low == "smallest" else low
        mask = torch.triu(torch.full((6, 6), number), 1)
        return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(8) + mask, -1) @ v

    assert codes(language(attention)) == ["healthy"]


@pytest.mark.parametrize("size", [1e6, 30.0])
def test_large_scores_are_still_no_mask(torch, language, size):
    def attention(q, k, v):
        return torch.softmax(size * (q @ k.transpose(-1, -2)), -1) @ v

    assert "saturated" in codes(language(attention))


def test_grouped_queries(torch, language):
    def attention(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    assert codes(language(attention, heads=4, keys=2)) == ["healthy"]


def test_a_product_whose_arguments_are_named(torch, language):
    def attention(q, k, v):
        flat = [x.flatten(0, 1) for x in (q, k, v)]
        scores = torch.zeros(()).baddbmm(batch1=flat[0], batch2=flat[1].transpose(1, 2), beta=1.0, alpha=8**-0.5)
        return torch.bmm(torch.softmax(scores, -1), mat2=flat[2]).unflatten(0, q.shape[:2])

    assert codes(language(attention)) == ["healthy"]


@pytest.mark.slow
def test_a_head_of_zeros_is_judged_after_its_first_steps(torch, language):
    case = language(plainly)
    for parameter in case[0].head.parameters():
        torch.nn.init.zeros_(parameter)
    assert codes(case, budget=1e-3) == ["healthy"]


@pytest.mark.slow
def test_an_embedding_far_too_large_is_named(torch, language):
    case = language(plainly)
    with torch.no_grad():
        case[0].tokens.weight.mul_(1e4)
    case[0].norm = torch.nn.Identity()
    diagnosis = cr.doctor(*case, try_remedies=False, steps=20)
    assert (diagnosis.verdicts[0].code, diagnosis.verdicts[0].layer) == ("bad-initialisation", "tokens")


@pytest.mark.slow
@pytest.mark.parametrize("gated", [True, False])
def test_the_size_of_a_gate_s_weights_does_not_matter(torch, gated):
    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.norm = torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8)
            self.reduce, self.expand = torch.nn.Conv2d(8, 2, 1), torch.nn.Conv2d(2, 8, 1)
            self.head = torch.nn.Linear(8, 3)

        def forward(self, x):
            x = torch.nn.functional.silu(self.norm(self.stem(x)))
            y = self.expand(torch.nn.functional.silu(self.reduce(x.mean((2, 3), keepdim=True))))
            x = x * torch.sigmoid(y) if gated else x + y
            return self.head(x.mean((2, 3)))

    torch.manual_seed(0)
    model = Block()
    with torch.no_grad():
        model.reduce.weight.mul_(40)
        model.head.weight.mul_(6)
    x = [torch.from_numpy(RNG.normal(size=(8, 3, 6, 6)).astype(np.float32)) for _ in range(3)]
    batches = [(one, torch.from_numpy(RNG.integers(0, 3, 8))) for one in x]
    diagnosis = cr.doctor(model, torch.nn.CrossEntropyLoss(), batches, try_remedies=False, steps=5)
    assert next(row for row in diagnosis.layers if row.name == "reduce").gate is gated
    assert all(verdict.layer != "reduce" for verdict in diagnosis.verdicts) or not gated
