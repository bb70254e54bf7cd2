"""Modules of convolution, pooling and losses against PyTorch's; how they are made, printed and trained."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim

RNG = np.random.default_rng(0)
X1, X2 = RNG.standard_normal((2, 4, 9)), RNG.standard_normal((2, 4, 6, 7))
A, B, C = RNG.standard_normal((3, 5, 4))
POSITIVE = np.abs(C)
SIGNS = np.array([1, -1, 1, 1, -1])
CLASSES = np.array([0, 3, 1, 1, 2])

CONVOLUTIONS = [
    ("Conv1d", X1, (4, 6, 3), {}),
    ("Conv1d", X1, (4, 6, 4), {"padding": "same", "bias": False}),
    ("Conv1d", X1, (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    ("Conv2d", X2, (4, 6, 3), {}),
    ("Conv2d", X2[0], (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0)}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch's, of an even kernel
@walked(("name", "x", "sizes", "settings"), CONVOLUTIONS)
def test_convolutions_are_torchs(torch, name, x, sizes, settings):
    ours = getattr(nn, name)(*sizes, **settings, dtype=np.float64)
    theirs = getattr(torch.nn, name)(*sizes, **settings, dtype=torch.float64)
    assert ours.weight.shape == tuple(theirs.weight.shape)
    theirs.load_state_dict({key: torch.tensor(np.array(value)) for key, value in ours.state_dict().items()})
    y, expected = ours(x), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-12)
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    for key, parameter in ours.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), theirs.get_parameter(key).grad.numpy(), atol=1e-11)


FUNCTIONS = [
    ("MaxPool1d", (X1,), {"kernel_size": 3, "padding": 1}),
    ("MaxPool2d", (X2,), {"kernel_size": (3, 2), "stride": 1, "ceil_mode": True}),
    ("AvgPool1d", (X1,), {"kernel_size": 2, "ceil_mode": True}),
    ("AvgPool2d", (X2,), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ("BCELoss", (POSITIVE / 4, np.round(POSITIVE / 4)), {}),
    ("SmoothL1Loss", (A, B), {"beta": 0.5}),
    ("GaussianNLLLoss", (A, B, POSITIVE), {"full": True}),
    ("PoissonNLLLoss", (A, np.round(POSITIVE)), {"full": True}),
    ("SoftMarginLoss", (A[:, 0], SIGNS), {}),
    ("MultiMarginLoss", (A, CLASSES), {"p": 2, "margin": 0.5}),
    ("HingeEmbeddingLoss", (POSITIVE[:, 0], SIGNS), {"margin": 2.0}),
    ("MarginRankingLoss", (A[:, 0], B[:, 0], SIGNS), {"margin": 0.5}),
    ("TripletMarginLoss", (A, B, C), {"margin": 2.0, "swap": True}),
    ("CosineEmbeddingLoss", (A, B, SIGNS), {"margin": 0.1}),
]


@walked(("name", "inputs", "settings"), FUNCTIONS)
def test_pools_and_losses_are_torchs(torch, name, inputs, settings):
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    np.testing.assert_allclose(ours(*inputs), theirs(*map(torch.tensor, inputs)).numpy(), rtol=1e-12)


@walked("name", [name for name, *_ in FUNCTIONS if name.endswith("Loss")])
def test_every_loss_can_be_summed_and_refuses_other_reductions(name):
    inputs = next(inputs for other, inputs, _ in FUNCTIONS if other == name)
    losses = getattr(nn, name)(reduction="none")(*inputs)
    np.testing.assert_allclose(getattr(nn, name)(reduction="sum")(*inputs), losses.sum())
    np.testing.assert_allclose(getattr(nn, name)()(*inputs), losses.mean())
    with pytest.raises(ValueError, match=f"{name}: reduction: expected one of"):
        getattr(nn, name)(reduction="average")


def test_a_convolution_begins_with_weights_that_keep_the_variance():
    layer = nn.Conv2d(64, 128, 3, generator=np.random.default_rng(0))
    assert layer.weight.dtype == np.float32
    assert abs(layer.weight.numpy().std() / np.sqrt(2 / (64 * 9)) - 1) < 0.02
    assert not layer.bias.numpy().any()


def test_a_convolution_shows_what_it_is():
    layer = nn.Conv1d(4, 8, 3, stride=2, padding="valid", groups=4, bias=False, dtype=np.float64)
    shown = "Conv1d(4, 8, kernel_size=(3,), stride=(2,), padding=valid, groups=4, bias=False, dtype=float64)"
    assert str(layer) == shown


def test_a_network_of_convolutions_learns_where_an_edge_lies():
    rng = np.random.default_rng(0)
    cr.seed(0)
    images = rng.standard_normal((64, 1, 8, 8)).astype(np.float32)
    classes = rng.integers(0, 2, 64)
    images[classes == 1, :, :, 4:] += 2  # an upright edge
    images[classes == 0, :, 4:, :] += 2  # a level one
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AvgPool2d(2)
    )
    model = nn.Sequential(*model, nn.Flatten(), nn.Linear(4, 2))
    optimizer, loss = optim.Adam(model.parameters(), lr=0.02), nn.CrossEntropyLoss()
    for _ in range(60):
        optimizer.zero_grad()
        loss(model(images), classes).backward()
        optimizer.step()
    assert (model(images).numpy().argmax(axis=1) == classes).mean() > 0.95


WRONG = {
    "Conv2d: groups: expected a divisor": lambda: nn.Conv2d(3, 4, 3, groups=2),
    "Conv1d: kernel_size: expected 1 or more": lambda: nn.Conv1d(3, 4, 0),
    "Conv2d: kernel_size: expected an integer or 2 of them": lambda: nn.Conv2d(3, 4, (1, 2, 3)),
    "Conv2d: padding: expected numbers": lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"),
    "Conv1d: padding: expected numbers": lambda: nn.Conv1d(3, 4, 3, padding="full"),
    "Conv1d: in_channels: expected at least 1": lambda: nn.Conv1d(0, 4, 3),
    r"Conv1d: init: expected an array of shape \[4, 3, 2\]": lambda: nn.Conv1d(3, 4, 2, init=lambda s, **_: np.ones(3)),
    r"Conv2d\(4 → 6\): expected \[batch, 4, H, W\], got \[2, 3, 6, 7\]": lambda: nn.Conv2d(4, 6, 3)(X2[:, :3]),
    r"Conv1d\(4 → 6\): expected \[batch, 4, L\]": lambda: nn.Conv1d(4, 6, 3)(X2),
    "TripletMarginLoss: expected 3 inputs, got 2": lambda: nn.TripletMarginLoss()(A, B),
    "MaxPool2d: .*kernel_size": lambda: nn.MaxPool2d(size=2),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
