"""Layers and containers: values and gradients against PyTorch or NumPy, dtypes, wrong calls."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 4))


def same_as_torch(torch, ours, theirs, x):
    """Hold the output and all gradients of a module against PyTorch's, in float64."""
    theirs.double()
    named = dict(theirs.named_parameters())

    def turned(name, array):
        return array.T if isinstance(theirs, torch.nn.Linear) and name == "weight" else array

    for name, p in ours.named_parameters():
        named[name].data = torch.tensor(turned(name, p.numpy()).copy())
    mine, reference = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(mine), theirs(reference)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-12)
    (y**3).sum().backward()
    (expected**3).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-11)
    assert set(named) == {name for name, _ in ours.named_parameters()}
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), turned(name, named[name].grad.numpy()), atol=1e-11)


def shaken(module):
    for p in module.double().parameters():
        p.data = RNG.standard_normal(p.shape)
    return module


@walked("shape", [(4,), (5, 4), (2, 5, 4)])
@walked("bias", [True, False])
def test_linear_is_torchs(torch, shape, bias):
    same_as_torch(torch, shaken(nn.Linear(4, 3, bias)), torch.nn.Linear(4, 3, bias), RNG.standard_normal(shape))


@pytest.mark.parametrize("shape", [4, (5, 4)])
def test_normalisations_are_torchs(torch, shape):
    x = RNG.standard_normal((2, 5, 4))
    same_as_torch(torch, shaken(nn.LayerNorm(shape)), torch.nn.LayerNorm(shape), x)
    same_as_torch(torch, shaken(nn.RMSNorm(shape)), torch.nn.RMSNorm(shape, eps=1e-5), x)
    plain = nn.LayerNorm(shape, elementwise_affine=False)
    assert list(plain.parameters()) == []
    same_as_torch(torch, plain, torch.nn.LayerNorm(shape, elementwise_affine=False), x)
    np.testing.assert_allclose(nn.RMSNorm(2, elementwise_affine=False)([3.0, -3.0]), [1.0, -1.0], rtol=1e-5)


def test_modules_compute_in_their_parameters_dtype():
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Residual(nn.Linear(8, 8)), nn.RMSNorm(8))
    for data in (X, X.tolist(), cr.tensor(X), X.astype(np.float16), (X * 3).astype(int)):
        assert model(data).dtype == np.float32
    x = cr.tensor(X, requires_grad=True)
    model(x).sum().backward()
    assert x.grad.dtype == np.float64
    assert model.double()(X.astype(np.float32)).dtype == np.float64
    assert nn.Linear(4, 3, dtype=np.float64).weight.dtype == np.float64
    loss = nn.MSELoss()(model.float()(X), np.zeros((5, 8)))
    assert loss.dtype == np.float32


def test_embedding_picks_rows_and_its_gradient_adds_up():
    layer = nn.Embedding(4, 2, dtype=np.float64)
    picked = layer(np.array([[1, 1], [3, 0]]))
    np.testing.assert_array_equal(picked.numpy(), layer.weight.numpy()[[[1, 1], [3, 0]]])
    picked.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[1, 1], [2, 2], [0, 0], [1, 1]])


def test_flatten():
    x = np.zeros((2, 3, 4, 5))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0)(x).shape == (120,)
    assert nn.Flatten(start_dim=1, end_dim=2)(x).shape == (2, 12, 5)
    assert nn.Flatten(start_axis=-2)(np.zeros((0, 3, 4))).shape == (0, 12)
    y = nn.Flatten()(cr.tensor(np.ones((2, 3, 4)), requires_grad=True))
    assert y.requires_grad


def test_containers():
    model = nn.Sequential({"hidden": nn.Linear(4, 3), "act": nn.Tanh()})
    assert [name for name, _ in model.named_parameters()] == ["hidden.weight", "hidden.bias"]
    assert model.hidden is model[0]
    assert len(model) == 2
    assert [type(m) for m in model] == [nn.Linear, nn.Tanh]
    assert isinstance(model[:1], nn.Sequential)
    np.testing.assert_array_equal(model[:1](X).numpy(), model.hidden(X).numpy())
    layers = nn.ModuleList([nn.ReLU()])
    layers.append(nn.Tanh())
    assert isinstance(layers[1:], nn.ModuleList)
    assert isinstance(layers[-1], nn.Tanh)


WRONG = {
    r"Linear\(4 → 3\): expected \[\.\.\., 4\], got \[2, 5\]": lambda: nn.Linear(4, 3)(np.zeros((2, 5))),
    r"Linear\(4 → 3\): expected \[\.\.\., 4\], got \[\]": lambda: nn.Linear(4, 3)(1.0),
    r"Linear\(4 → 3\): expected real numbers": lambda: nn.Linear(4, 3)(np.zeros((2, 4), complex)),
    "Linear: in_features: expected at least 1, got 0": lambda: nn.Linear(0, 3),
    "Linear: out_features: expected an integer, got float": lambda: nn.Linear(3, 2.0),
    "Linear: init: expected one of 'kaiming'": lambda: nn.Linear(3, 2, init="he"),
    "Linear: init: expected an array of shape": lambda: nn.Linear(3, 2, init=lambda shape, **_: np.ones(3)),
    "Linear: dtype: got dtype int64": lambda: nn.Linear(3, 2, dtype=np.int64),
    r"LayerNorm\(4\): expected \[\.\.\., 4\], got \[2, 5\]": lambda: nn.LayerNorm(4)(np.zeros((2, 5))),
    r"RMSNorm\(2, 3\): expected \[\.\.\., 2, 3\], got \[3\]": lambda: nn.RMSNorm((2, 3))(np.zeros(3)),
    "LayerNorm: eps": lambda: nn.LayerNorm(4, eps=-1.0),
    "LayerNorm: normalized_shape": lambda: nn.LayerNorm(()),
    r"embedding: indices\[1, 0\] is 9, expected 0 to 3": lambda: nn.Embedding(4, 2)([[0], [9]]),
    r"embedding: indices\[0\] is -1": lambda: nn.Embedding(4, 2)([-1]),
    "embedding: expected integers": lambda: nn.Embedding(4, 2)([0.5]),
    r"Flatten\(start_axis=1, end_axis=-1\)": lambda: nn.Flatten()(np.zeros(3)),
    "Flatten: got both 'start_axis'": lambda: nn.Flatten(start_dim=1, start_axis=1),
    "Sequential: 1: expected a module, got function": lambda: nn.Sequential(nn.ReLU(), lambda x: x),
    r"Sequential: 0: got the class ReLU, expected a module; write ReLU\(…\)": lambda: nn.Sequential(nn.ReLU),
    "cannot be called 'forward'": lambda: nn.Sequential({"forward": nn.ReLU()}),
    "Residual: expected the inner Linear to keep": lambda: nn.Residual(nn.Linear(4, 3))(X),
    "Dropout: p": lambda: nn.Dropout(1.5),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError, IndexError), match=message):
        call()


@walked("p", [0.0, 0.3, 1.0])
def test_dropout_keeps_the_mean_and_masks_the_gradient(p):
    x = cr.tensor(np.ones(20_000), requires_grad=True)
    layer = nn.Dropout(p, np.random.default_rng(0))
    y = layer(x)
    zero = y.numpy() == 0
    assert zero.mean() == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(y.numpy()[~zero], 1 / (1 - p) if p < 1 else 0)
    (y * y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[~zero], 2 / (1 - p) ** 2 if p < 1 else 0)
    assert (x.grad.numpy()[zero] == 0).all()
    assert layer.eval()(x) is x


def test_dropout_draws_from_the_default_generator():
    layer = nn.Dropout(0.5)
    cr.seed(3)
    first = layer(np.ones(50))
    again = layer(np.ones(50))
    cr.seed(3)
    np.testing.assert_array_equal(layer(np.ones(50)), first)
    assert (first != again).any()
    assert layer(np.ones(5, np.float32)).dtype == np.float32
    with cr.no_grad():
        assert not layer(cr.tensor(np.ones(3), requires_grad=True)).requires_grad


def test_the_everyday_loop_learns():
    cr.seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    criterion, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss.item() < 0.1
    assert (model(x).numpy().argmax(axis=1) == y).mean() > 0.95
