"""Activations, losses and functions against PyTorch's; `dim` for `axis`; wrong calls."""

import inspect

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.standard_normal((6, 5)) * 3, np.zeros((1, 5))])

ACTIVATIONS = [
    ("ReLU", {}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("SiLU", {}),
    ("Tanh", {}),
    ("Sigmoid", {}),
    ("Softplus", {"beta": 2.0}),
    ("ELU", {"alpha": 0.5}),
    ("Softmax", {"dim": 1}),
    ("Softmax", {"dim": 0}),
]


def held_against(torch, ours, theirs, *inputs):
    """Hold a function's value and its gradient by the first input against PyTorch's."""
    mine, reference = cr.tensor(inputs[0], requires_grad=True), torch.tensor(inputs[0], requires_grad=True)
    y, expected = ours(mine, *inputs[1:]), theirs(reference, *map(torch.tensor, inputs[1:]))
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-9)
    weights = np.random.default_rng(1).standard_normal(y.shape)
    (y * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-9)


@walked(("name", "settings"), ACTIVATIONS)
def test_activations_are_torchs(torch, name, settings):
    held_against(torch, getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings), X)


POSITIVE = RNG.random((7, 5))
PROBABILITIES = POSITIVE / POSITIVE.sum(axis=1, keepdims=True)
CLASSES = RNG.integers(0, 5, 7)
LOSSES = [
    ("CrossEntropyLoss", X, CLASSES),
    ("CrossEntropyLoss", X, PROBABILITIES),
    ("MSELoss", X, POSITIVE),
    ("BCEWithLogitsLoss", X, POSITIVE),
    ("L1Loss", X, POSITIVE),
    ("HuberLoss", X, POSITIVE),
    ("NLLLoss", np.log(PROBABILITIES), CLASSES),
    ("KLDivLoss", np.log(PROBABILITIES), PROBABILITIES[::-1].copy()),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's, of its own KLDivLoss
@walked("reduction", ["mean", "sum", "none"])
@walked(("name", "prediction", "target"), LOSSES)
def test_losses_are_torchs(torch, name, prediction, target, reduction):
    ours, theirs = (getattr(module, name)(reduction=reduction) for module in (nn, torch.nn))
    held_against(torch, ours, theirs, prediction, target)


def test_mean_is_the_default_of_every_loss():
    for name, prediction, target in LOSSES:
        default, mean = getattr(nn, name)()(prediction, target), getattr(nn, name)(reduction="mean")(prediction, target)
        assert default == mean


def test_settings_of_losses(torch):
    weight = np.arange(1.0, 6.0)
    ours = nn.CrossEntropyLoss(weight=weight, ignore_index=int(CLASSES[0]), label_smoothing=0.1)
    theirs = torch.nn.CrossEntropyLoss(torch.tensor(weight), ignore_index=int(CLASSES[0]), label_smoothing=0.1)
    held_against(torch, ours, theirs, X, CLASSES)
    held_against(torch, nn.HuberLoss(delta=0.3), torch.nn.HuberLoss(delta=0.3), X, POSITIVE)
    held_against(torch, nn.KLDivLoss("batchmean"), torch.nn.KLDivLoss(reduction="batchmean"), *LOSSES[-1][1:])


@walked(("name", "prediction", "target"), LOSSES)
def test_losses_compute_in_the_dtype_of_the_prediction(name, prediction, target):
    p = cr.tensor(prediction, dtype=np.float32, requires_grad=True)
    loss = getattr(nn, name)()(p, target)
    assert loss.dtype == np.float32
    loss.backward()
    assert p.grad.dtype == np.float32
    assert getattr(nn, name)()(p, cr.tensor(target)).dtype == np.float32


def test_integer_targets_of_a_regression_are_numbers():
    assert float(F.mse_loss(np.array([1.5], np.float32), [1])) == 0.25
    assert F.mse_loss(np.array([1.5], np.float32), [1]).dtype == np.float32


@walked("function", [F.softmax, F.log_softmax, F.logsumexp, F.glu])
def test_dim_is_axis(function):
    x = X[:6, :4]
    np.testing.assert_array_equal(function(x, dim=0), function(x, axis=0))
    np.testing.assert_array_equal(function(x, 0), function(x, axis=0))
    with pytest.raises(TypeError, match="both"):
        function(x, axis=0, dim=0)


def test_functions_of_norms_and_rows(torch):
    weight, bias = RNG.standard_normal((2, 5))
    theirs = torch.nn.functional
    held_against(
        torch,
        lambda x: F.layer_norm(x, 5, weight, bias),
        lambda x: theirs.layer_norm(x, (5,), torch.tensor(weight), torch.tensor(bias)),
        X + 1,
    )
    held_against(
        torch,
        lambda x: F.rms_norm(x, (5,), weight),
        lambda x: theirs.rms_norm(x, (5,), torch.tensor(weight)),
        X + 1,
    )
    held_against(torch, lambda w: F.embedding(CLASSES, w), lambda w: theirs.embedding(torch.tensor(CLASSES), w), X)


@walked("settings", [{}, {"causal": True}, {"scale": 0.3}, {"mask": np.tri(6, dtype=bool)}])
def test_attention_is_torchs(torch, settings):
    q, k, v = RNG.standard_normal((3, 2, 6, 4))
    theirs = {"causal": "is_causal", "scale": "scale", "mask": "attn_mask"}
    named = {theirs[key]: torch.tensor(x) if key == "mask" else x for key, x in settings.items()}
    held_against(
        torch,
        lambda *args: F.scaled_dot_product_attention(*args, **settings),
        lambda *args: torch.nn.functional.scaled_dot_product_attention(*args, **named),
        q,
        k,
        v,
    )


@pytest.mark.slow
def test_attention_drops_weights_and_keeps_the_mean():
    q, k, v = (cr.tensor(RNG.standard_normal((6, 4)), requires_grad=True) for _ in range(3))
    expected = F.scaled_dot_product_attention(q, k, v, causal=True).numpy()
    generator = np.random.default_rng(0)
    draws = [
        F.scaled_dot_product_attention(q, k, v, causal=True, dropout=0.4, generator=generator) for _ in range(3000)
    ]
    np.testing.assert_allclose(np.mean([y.numpy() for y in draws], axis=0), expected, atol=0.1)
    draws[0].sum().backward()
    assert all(np.isfinite(t.grad.numpy()).all() for t in (q, k, v))


def test_every_function_can_be_asked_what_it_takes():
    for name in F.__all__:
        assert inspect.signature(getattr(F, name)).parameters


WRONG = {
    r"ReLU: .*\(its settings are none\)": lambda: nn.ReLU(0.1),
    r"LeakyReLU: .*'slope' \(its settings are negative_slope\)": lambda: nn.LeakyReLU(slope=0.1),
    "Softmax: got both 'axis'": lambda: nn.Softmax(axis=1, dim=1),
    "MSELoss: expected 2 inputs, got 1": lambda: nn.MSELoss()(X),
    "ReLU: expected 1 inputs, got 2": lambda: nn.ReLU()(X, X),
    "MSELoss: reduction: expected one of 'mean', 'sum', 'none', got 'average'": lambda: nn.MSELoss("average"),
    "mse_loss: expected prediction and target of one shape": lambda: nn.MSELoss()(X, X[:, :1]),
    "class": lambda: nn.CrossEntropyLoss()(X, np.full(7, 5)),
    "huber_loss: expected delta": lambda: nn.HuberLoss(delta=0.0)(X, X),
    "mse_loss: target: expected real numbers": lambda: nn.MSELoss()(X, X.astype(complex)),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError, IndexError), match=message):
        call()
