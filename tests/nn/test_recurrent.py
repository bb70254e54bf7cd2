"""RNN, LSTM and GRU against PyTorch's, truncated backpropagation through time, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.check import check_parameters

RNG = np.random.default_rng(0)
LAYERS = [(nn.RNN, {}), (nn.RNN, {"nonlinearity": "relu"}), (nn.LSTM, {}), (nn.GRU, {})]
FORMS = [
    {},
    {"num_layers": 2, "bias": False},
    {"num_layers": 2, "bidirectional": True},
    {"bidirectional": True, "batch_first": True},
]


def torchs(torch, ours):
    """The same layer of PyTorch, with the same weights."""
    settings = {name: getattr(ours, name) for name in ("num_layers", "bias", "batch_first", "bidirectional")}
    if isinstance(ours, nn.RNN):
        settings["nonlinearity"] = ours.nonlinearity
    theirs = getattr(torch.nn, type(ours).__name__)(ours.input_size, ours.hidden_size, **settings).double()
    theirs.load_state_dict({name: torch.tensor(array.T.copy()) for name, array in ours.state_dict().items()})
    return theirs


def parts(state):
    return state if isinstance(state, tuple) else (state,)


@walked("form", FORMS, ids=str)
@walked(("layer", "own"), LAYERS)
@walked("given_state", [False, True])
def test_outputs_states_and_gradients_are_torchs(torch, layer, own, form, given_state):
    ours = layer(3, 4, dtype=np.float64, **own, **form)
    theirs = torchs(torch, ours)
    x = RNG.standard_normal((5, 2, 3))
    count = ours.num_layers * (1 + ours.bidirectional)
    batch = 5 if ours.batch_first else 2
    begin = [RNG.standard_normal((count, batch, 4)) for _ in range(ours.states)] if given_state else None
    mine, reference = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    if begin is None:
        (y, last), (expected, expected_last) = ours(mine), theirs(reference)
    else:
        as_torch = tuple(map(torch.tensor, begin))
        y, last = ours(mine, begin[0] if ours.states == 1 else tuple(begin))
        expected, expected_last = theirs(reference, as_torch[0] if ours.states == 1 else as_torch)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-13)
    for part, expected_part in zip(parts(last), parts(expected_last), strict=True):
        np.testing.assert_allclose(part.numpy(), expected_part.detach().numpy(), atol=1e-13)
    ((y**2).sum() + sum((part**3).sum() for part in parts(last))).backward()
    ((expected**2).sum() + sum((part**3).sum() for part in parts(expected_last))).backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-12)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(getattr(ours, name).grad.numpy().T, parameter.grad.numpy(), atol=1e-11)


@walked(("layer", "own"), LAYERS)
def test_one_sequence_is_a_batch_of_one(layer, own):
    ours = layer(3, 4, bidirectional=True, **own)
    x = RNG.standard_normal((5, 3))
    (y, last), (batch_y, batch_last) = ours(x), ours(x[:, None])
    np.testing.assert_array_equal(y.numpy(), batch_y.numpy()[:, 0])
    for part, batch_part in zip(parts(last), parts(batch_last), strict=True):
        np.testing.assert_array_equal(part.numpy(), batch_part.numpy()[:, 0])
    again, _ = ours(x, last)
    assert again.shape == y.shape
    assert (again.numpy() != y.numpy()).any()


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(LAYERS))
def test_a_sequence_may_come_in_two_pieces(first, second, kind):
    layer, own = kind
    ours = layer(2, 3, num_layers=2, dtype=np.float64, **own)
    x = np.random.default_rng(first).standard_normal((first + second, 2, 2))
    whole, whole_last = ours(x)
    start, state = ours(x[:first])
    rest, last = ours(x[first:], state)
    np.testing.assert_allclose(np.concatenate([start.numpy(), rest.numpy()]), whole.numpy(), atol=1e-14)
    for part, whole_part in zip(parts(last), parts(whole_last), strict=True):
        np.testing.assert_allclose(part.numpy(), whole_part.numpy(), atol=1e-14)


@walked(("layer", "own"), LAYERS)
def test_a_cut_state_truncates_the_gradient_and_keeps_the_values(layer, own):
    ours = layer(2, 3, dtype=np.float64, **own)
    early, late = (cr.tensor(RNG.standard_normal((4, 1, 2)), requires_grad=True) for _ in range(2))
    _, state = ours(early)
    y, _ = ours(late, state)
    cut, _ = ours(late, cr.stop_gradient(state))
    np.testing.assert_array_equal(y.numpy(), cut.numpy())
    cut.sum().backward()
    assert early.grad is None
    assert (late.grad.numpy() != 0).any()
    y.sum().backward()
    assert (early.grad.numpy() != 0).any()


def test_truncated_training_learns_to_echo_a_bit():
    """The output is the input of two steps ago, over one endless sequence cut into pieces of ten steps."""
    cr.seed(0)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (402, 8, 1)).astype(float)
    layer, head = nn.GRU(1, 16), nn.Linear(16, 1)
    optimizer = optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    loss, state = nn.BCEWithLogitsLoss(), None
    for start in range(2, 402, 10):
        state = None if state is None else cr.stop_gradient(state)
        y, state = layer(bits[start : start + 10], state)
        value = loss(head(y), bits[start - 2 : start + 8])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert value.item() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "own"), LAYERS)
def test_the_gradients_are_those_of_numerical_differentiation(layer, own):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer(2, 3, bidirectional=True, **own)

        def forward(self, x):
            y, _ = self.layer(x)
            return y[-1]

    cr.seed(1)
    x, target = RNG.standard_normal((4, 5, 2)), RNG.standard_normal((5, 6))
    assert check_parameters(Last(), nn.MSELoss(), x, target).ok


def test_dropout_lies_between_layers_in_training_only():
    x = RNG.standard_normal((5, 2, 3))
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5, generator=np.random.default_rng(0))
    assert (layer(x)[0].numpy() != layer(x)[0].numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())
    alone = nn.LSTM(3, 4, dropout=0.5)
    np.testing.assert_array_equal(alone(x)[0].numpy(), alone(x)[0].numpy())


def test_it_reads_as_it_was_made():
    assert repr(nn.GRU(3, 4)) == "GRU(3, 4)"
    assert repr(nn.LSTM(3, 4, 2, bidirectional=True)) == "LSTM(3, 4, num_layers=2, bidirectional=True)"
    assert nn.LSTM(3, 4)(np.zeros((2, 1, 3)))[0].dtype == np.float32


WRONG = {
    r"LSTM\(3 → 4\): expected \[T, B, 3\] or \[T, 3\], got \[5, 2, 7\]": lambda: nn.LSTM(3, 4)(np.ones((5, 2, 7))),
    r"expected \[B, T, 3\].* got \[3\]": lambda: nn.GRU(3, 4, batch_first=True)(np.ones(3)),
    r"GRU\(3 → 4\): expected at least one step": lambda: nn.GRU(3, 4)(np.ones((0, 2, 3))),
    r"state: expected 1 of shape \[1, 2, 4\], got \[1, 3, 4\]": lambda: nn.GRU(3, 4)(
        np.ones((5, 2, 3)), np.ones((1, 3, 4))
    ),
    r"state: expected 2 of shape \[1, 2, 4\], got \[1, 2, 4\]$": lambda: nn.LSTM(3, 4)(
        np.ones((5, 2, 3)), (np.ones((1, 2, 4)),)
    ),
    "RNN: nonlinearity": lambda: nn.RNN(3, 4, nonlinearity="sine"),
    "LSTM: hidden_size: expected at least 1": lambda: nn.LSTM(3, 0),
    "GRU: dropout: p": lambda: nn.GRU(3, 4, dropout=2.0),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises(ValueError, match=message):
        call()
