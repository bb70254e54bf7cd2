"""A language model's block, as it is usually written, compiled: against itself, and against PyTorch."""

import numpy as np
import pytest

import chainrule.torch as door

VOCABULARY, ROWS, HEADS, WIDTH = 11, 6, 2, 8


def model_of(lib, attention):
    """Embeddings, one head-splitting attention, and the loss of the next token."""

    class Model(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = lib.nn.Embedding(VOCABULARY, WIDTH), lib.nn.Embedding(ROWS, WIDTH)
            self.all, self.out = lib.nn.Linear(WIDTH, 3 * WIDTH), lib.nn.Linear(WIDTH, VOCABULARY)
            self.register_buffer("before", lib.tril(lib.ones(ROWS, ROWS)).view(1, 1, ROWS, ROWS))

        def forward(self, x, y):
            h = self.tokens(x) + self.places(lib.arange(x.size(1)))
            split = [z.view(*x.size(), HEADS, -1).transpose(1, 2) for z in self.all(h).split(WIDTH, dim=2)]
            h = attention(lib, self, *split).transpose(1, 2).contiguous().view(*x.size(), WIDTH)
            logits = self.out(h)
            return lib.nn.functional.cross_entropy(logits.view(-1, VOCABULARY), y.view(-1))

    return Model()


def by_function(lib, _, q, k, v):
    return lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def by_hand(lib, model, q, k, v):
    scores = (q @ k.transpose(-2, -1)) * k.size(-1) ** -0.5
    scores = scores.masked_fill(model.before == 0, float("-inf"))
    return lib.nn.functional.softmax(scores, dim=-1) @ v


@pytest.mark.parametrize("attention", [by_function, by_hand])
def test_it_trains_as_pytorchs(torch, attention) -> None:
    theirs, ours = model_of(torch, attention), model_of(door, attention)
    ours.load_state_dict({name: door.tensor(x.detach().numpy()) for name, x in theirs.state_dict().items()})
    compiled, rng = door.compile(ours), np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.integers(0, VOCABULARY, (2, 4, ROWS))
        losses = []
        for lib, model, parameters in ((torch, theirs, theirs), (door, compiled, ours)):
            parameters.zero_grad()
            loss = model(lib.tensor(x), lib.tensor(y))
            loss.backward()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        for (name, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
            np.testing.assert_allclose(q.grad.numpy(), p.grad.numpy(), atol=1e-6, err_msg=name)


def test_what_is_made_contiguous_is_a_copy_in_a_program_too() -> None:
    def f(x):
        y = x.t().contiguous()
        y.mul_(2.0)
        z = x.contiguous()
        return x.sum() + 0 * z.sum(), y, y.is_contiguous()

    x = door.tensor([[1.0, 2.0], [3.0, 4.0]])
    expected, compiled = f(x), door.compile(lambda x: f(x)[:2])
    for _ in range(2):
        for a, b in zip(compiled(x), expected, strict=False):
            assert a.tolist() == b.tolist()
    assert expected[2] is True
