"""`to_torch` and `from_torch`: equal outputs and gradients for every layer, both ways, and what is kept or refused."""

import copy
import pickle

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch.convert import from_torch, to_torch
from chainrule.interop.torch.pairs import PAIRS
from chainrule.interop.torch.state import load_state_dict, state_dict

SEQUENCE = (3, 5, 8)
LAYERS = {
    "Linear": (lambda: nn.Linear(8, 3), SEQUENCE),
    "Linear without bias": (lambda: nn.Linear(8, 3, bias=False), SEQUENCE),
    "Embedding": (lambda: nn.Embedding(7, 4), np.array([[1, 1, 6], [0, 2, 1]])),
    "Flatten": (lambda: nn.Flatten(), (2, 3, 4)),
    "Flatten axes": (lambda: nn.Flatten(0, 1), (2, 3, 4)),
    "Dropout": (lambda: nn.Dropout(0.5).eval(), SEQUENCE),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 11)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 5), padding="same", bias=False), (2, 4, 6, 5)),
    "LayerNorm": (lambda: nn.LayerNorm((5, 8), eps=1e-3), SEQUENCE),
    "LayerNorm without parameters": (lambda: nn.LayerNorm(8, elementwise_affine=False), SEQUENCE),
    "RMSNorm": (lambda: nn.RMSNorm(8, eps=1e-3), SEQUENCE),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, momentum=0.3), (6, 4)),
    "BatchNorm1d, evaluation": (lambda: nn.BatchNorm1d(4, affine=False).eval(), (6, 4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, eps=1e-3), (4, 3, 2, 5)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), SEQUENCE),
    "MultiheadAttention without bias": (lambda: nn.MultiheadAttention(8, 4, bias=False), (5, 8)),
    "TransformerBlock": (lambda: nn.TransformerBlock(8, 2, hidden=6), SEQUENCE),
    "TransformerBlock, post": (lambda: nn.TransformerBlock(8, 2, norm_first=False), SEQUENCE),
    "RNN": (lambda: nn.RNN(8, 3, nonlinearity="relu"), SEQUENCE),
    "LSTM": (lambda: nn.LSTM(8, 3, num_layers=2, bidirectional=True), SEQUENCE),
    "GRU": (lambda: nn.GRU(8, 3, batch_first=True, bias=False), SEQUENCE),
    "ReLU": (lambda: nn.ReLU(), SEQUENCE),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), SEQUENCE),
    "GELU": (lambda: nn.GELU(), SEQUENCE),
    "GELU, tanh": (lambda: nn.GELU(approximate="tanh"), SEQUENCE),
    "SiLU": (lambda: nn.SiLU(), SEQUENCE),
    "Tanh": (lambda: nn.Tanh(), SEQUENCE),
    "Sigmoid": (lambda: nn.Sigmoid(), SEQUENCE),
    "Softplus": (lambda: nn.Softplus(beta=2.0), 30.0 * np.linspace(-1, 1, 41)),
    "ELU": (lambda: nn.ELU(0.7), SEQUENCE),
    "Softmax": (lambda: nn.Softmax(), SEQUENCE),
    "Softmax axis": (lambda: nn.Softmax(dim=1), SEQUENCE),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), (2, 3, 9)),
    "MaxPool2d": (lambda: nn.MaxPool2d((2, 3), ceil_mode=True), (2, 3, 5, 7)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, padding=1, count_include_pad=False), (2, 3, 9)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, stride=(2, 1), divisor_override=3), (2, 3, 5, 7)),
    "Residual": (lambda: nn.Residual(nn.Sequential(nn.Linear(8, 8), nn.Tanh())), SEQUENCE),
    "Sequential": (
        lambda: nn.Sequential(
            {"first": nn.Linear(8, 4), "rest": nn.Sequential(nn.LayerNorm(4), nn.Residual(nn.MultiheadAttention(4, 2)))}
        ),
        SEQUENCE,
    ),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
        ),
        (3, 1, 6, 6),
    ),
}
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
layers = pytest.mark.parametrize("name", LAYERS)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def made(name, dtype):
    """A layer with all its numbers drawn, and an input."""
    make, given = LAYERS[name]
    rng = np.random.default_rng(0)
    model = make().to(dtype)
    for p in model.parameters():
        p.data = rng.normal(0.3, 0.5, p.shape)
    for buffer in model.buffers():
        buffer[...] = rng.uniform(0.5, 1.5, buffer.shape)
    x = rng.normal(size=given) if isinstance(given, tuple) else given
    return model, x.astype(dtype) if x.dtype.kind == "f" else x


def flat(y):
    return [part for item in y for part in flat(item)] if isinstance(y, tuple) else [y]


def ours(model, x, bars=None):
    """Outputs and gradients here: all outputs, weighed, backwards."""
    x = cr.tensor(x, requires_grad=x.dtype.kind == "f")
    outputs = flat(model(x))
    bars = [np.random.default_rng(1).normal(size=y.shape) for y in outputs]
    sum((y * bar.astype(y.dtype)).sum() for y, bar in zip(outputs, bars, strict=True)).backward()
    grads = {name: None if p.grad is None else p for name, p in model.named_parameters()}
    return [y.numpy() for y in outputs], bars, x.grad, grads


def theirs(torch, module, x, bars):
    x = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    outputs = flat(module(x))
    sum((y * torch.tensor(bar).to(y)).sum() for y, bar in zip(outputs, bars, strict=True)).backward()
    return [y.detach().numpy() for y in outputs], x.grad


def assert_same(torch, model, module, x, dtype):
    """Outputs, gradients and buffers are equal to rounding."""
    found, bars, x_bar, _ = ours(model, x)
    expected, their_x_bar = theirs(torch, module, x, bars)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for y, y_torch in zip(found, expected, strict=True):
        assert y.dtype == y_torch.dtype == dtype
        np.testing.assert_allclose(y, y_torch, **close)
    if x_bar is not None:
        np.testing.assert_allclose(x_bar.numpy(), their_x_bar.numpy(), **close)
    for p in model.parameters():
        p.data = p.grad.numpy()
    gradients = {name: p.grad for name, p in module.named_parameters()}
    for name, gradient in state_dict(model).items():
        if name in gradients:
            scale = max(1.0, float(np.abs(gradient.numpy()).max()))
            np.testing.assert_allclose(gradient.numpy() / scale, gradients[name].numpy() / scale, **close)
        elif not name.endswith("num_batches_tracked"):
            np.testing.assert_allclose(gradient.numpy(), module.get_buffer(name).numpy(), **close)


def test_every_pair_is_tested():
    tested = {type(module).__name__ for make, _ in LAYERS.values() for module in make().modules()}
    assert not set(PAIRS) - tested


@layers
@dtypes
def test_a_layer_and_its_torch_module_are_equal(torch, name, dtype):
    model, x = made(name, dtype)
    module = to_torch(model)
    assert {m.training for m in module.modules()} == {model.training}
    assert_same(torch, model, module, x, dtype)


@layers
@dtypes
def test_a_torch_module_and_its_layer_are_equal(torch, name, dtype):
    model, x = made(name, dtype)
    module = to_torch(model)
    again = from_torch(module)
    assert again.training is model.training
    assert {n: type(m) for n, m in again.named_modules()} == {n: type(m) for n, m in model.named_modules()}
    assert_same(torch, again, module, x, dtype)


@layers
def test_a_torch_module_can_be_copied_and_pickled(torch, name):
    model, x = made(name, "float64")
    module = to_torch(model.eval())
    with torch.no_grad():
        wanted = flat(module(torch.tensor(x)))
        for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
            assert all(map(torch.equal, flat(again(torch.tensor(x))), wanted))


# PyTorch's own modules, as users write them


def test_a_model_written_in_torch(torch):
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(inplace=True), torch.nn.Identity(), torch.nn.Flatten()
    ).double()
    x = np.random.default_rng(0).normal(size=(2, 1, 5, 5))
    assert_same(torch, from_torch(module), module, x, "float64")


@pytest.mark.parametrize("activation", ["relu", "gelu", "module"])
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_torch_encoder_layer(torch, activation, norm_first):
    settings = {"activation": torch.nn.SiLU() if activation == "module" else activation, "norm_first": norm_first}
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64, **settings)
    block = from_torch(layer)
    assert [block.attention.dropout, block.drop.p, block.mlp.dropout.p] == [0.1] * 3
    x = np.random.default_rng(0).normal(size=SEQUENCE)
    with pytest.raises(AssertionError):  # dropout draws
        assert_same(torch, from_torch(layer), to_torch(block), x, "float64")
    assert_same(torch, block.eval(), layer.eval(), x, "float64")
    back = to_torch(from_torch(layer))
    assert type(back) is torch.nn.TransformerEncoderLayer
    assert [back.dropout.p, back.dropout1.p, back.dropout2.p, back.self_attn.dropout] == [0.1] * 4
    x = torch.tensor(x)
    torch.testing.assert_close(back(x), layer(x))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    torch.testing.assert_close(
        torch.tensor(from_torch(layer)(x.numpy(), causal=True).numpy()), layer(x, src_mask=mask, is_causal=True)
    )


@walked("causal", [False, True])
@walked("kind", ["none", "boolean", "float"])
def test_attention_takes_the_same_masks(torch, kind, causal):
    model = nn.MultiheadAttention(8, 2, dtype=np.float64)
    module = to_torch(model)
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 5, 8)), rng.normal(size=(3, 6, 8)), rng.normal(size=(3, 6, 8))
    masks = {"none": None, "boolean": rng.random((3, 1, 5, 6)) < 0.7, "float": rng.normal(size=(5, 6))}
    mask = masks[kind]
    if kind == "boolean":
        mask[..., 0] = True  # each row attends to something
    expected = model(q, k, v, mask=mask, causal=causal).numpy()
    given = [None if x is None else torch.tensor(x) for x in (q, k, v, mask)]
    np.testing.assert_allclose(module(*given, causal=causal).detach().numpy(), expected, atol=1e-12)


def test_a_recurrent_layer_takes_the_same_state(torch):
    model = nn.LSTM(3, 4, dtype=np.float64)
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(5, 2, 3)), rng.normal(size=(1, 2, 4)), rng.normal(size=(1, 2, 4))
    y, (h_n, c_n) = model(x, (h, c))
    theirs, (h_torch, c_torch) = to_torch(model)(torch.tensor(x), (torch.tensor(h), torch.tensor(c)))
    for a, b in ((y, theirs), (h_n, h_torch), (c_n, c_torch)):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), atol=1e-12)


# What is kept


def test_the_mode_of_each_module_is_kept(torch):
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.1)))
    model[1].eval()
    module = to_torch(model)
    assert [m.training for m in module.modules()] == [True, True, False, False, False]
    assert [m.training for m in from_torch(module).modules()] == [True, True, False, False, False]


def test_dropout_is_kept_in_a_layer_of_one_level(torch):
    module = to_torch(nn.GRU(3, 4, dropout=0.2))
    assert module.dropout == 0.2
    assert from_torch(module).dropout == 0.2


def test_frozen_parameters_stay_frozen(torch):
    model = nn.Sequential(nn.Linear(3, 3), nn.MultiheadAttention(3, 1))
    model[0].requires_grad_(False)
    module = to_torch(model)
    wanted = [False] * 2 + [True] * 4
    assert [p.requires_grad for p in module.parameters()] == wanted
    assert [p.requires_grad for p in from_torch(module)[0].parameters()] == [False] * 2
    model[1].query.weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"1\.query\.weight, 1\.key\.weight, .* are one parameter in PyTorch"):
        to_torch(model)


def test_what_is_shared_stays_shared(torch):
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(3, 3))
    model[3].weight = layer.weight
    module = to_torch(model)
    assert module[0] is module[2]
    assert module[0].weight is module[3].weight
    again = from_torch(module)
    assert again[0] is again[2]
    assert again[0].weight is again[3].weight
    assert len(list(again.parameters())) == len(list(model.parameters())) == 3


def test_shared_in_two_layouts_is_refused(torch):
    module = torch.nn.Sequential(torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one parameter, .* in two layouts"):
        from_torch(module)


def tied(*pairs):
    model = nn.Sequential(nn.MultiheadAttention(4, 2, bias=False), nn.MultiheadAttention(4, 2, bias=False))
    for one, other in pairs:
        layer, part = divmod(other, 3)
        parts = ("query", "key", "value")
        getattr(model[layer], parts[part]).weight = getattr(model[one // 3], parts[one % 3]).weight
    return model


def test_attention_that_is_shared(torch):
    module = to_torch(tied((0, 3), (1, 4), (2, 5)))
    assert module[0].in_proj_weight is module[1].in_proj_weight
    again = from_torch(module)
    assert again[0].key.weight is again[1].key.weight


@walked("pairs", [[(0, 3)], [(2, 5)], [(0, 1)], [(0, 4), (1, 3), (2, 5)]])
def test_attention_that_is_shared_in_part_is_refused(torch, pairs):
    with pytest.raises(ValueError, match="share a part only; give each its own first"):
        to_torch(tied(*pairs))


@pytest.mark.slow
def test_activations_of_different_layers_stay_different(torch):
    kinds = ["relu", "gelu"] * 8
    layers = [torch.nn.TransformerEncoderLayer(4, 2, 4, activation=kind, batch_first=True) for kind in kinds]
    model = from_torch(torch.nn.Sequential(*layers))
    assert [type(block.mlp[1]).__name__.lower() for block in model] == kinds


def test_nothing_is_drawn(torch):
    model = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3), nn.Embedding(4, 4))
    before = torch.random.get_rng_state()
    module = to_torch(model)
    assert torch.equal(torch.random.get_rng_state(), before)
    cr.seed(0)
    wanted = cr.rand(2).numpy()
    cr.seed(0)
    from_torch(module)
    np.testing.assert_array_equal(cr.rand(2).numpy(), wanted)


def test_the_copies_are_independent(torch):
    model = nn.Linear(3, 3)
    module = to_torch(model)
    with torch.no_grad():
        module.weight.zero_()
    assert model.weight.numpy().any()
    again = from_torch(module)
    again.weight.data = np.ones((3, 3))
    assert not module.weight.detach().numpy().any()


def test_mixed_dtypes_are_kept(torch):
    model = nn.Sequential(nn.Linear(3, 3, dtype=np.float64), nn.Linear(3, 3), nn.Linear(3, 3, dtype=np.float16))
    module = to_torch(model)
    assert [layer.weight.dtype for layer in module] == [torch.float64, torch.float32, torch.float16]
    assert [layer.weight.dtype for layer in from_torch(module)] == [np.float64, np.float32, np.float16]


def test_a_subclass_of_sequential_is_a_sequential(torch):
    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2), nn.ReLU())

    assert type(to_torch(Net())) is torch.nn.Sequential


# What is refused


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        return 2 * self.inner(x)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda module, args, y: 2 * y)
    return layer


def other_mlp():
    block = nn.TransformerBlock(4, 2)
    block.mlp = nn.Sequential(nn.Linear(4, 4))
    return block


@walked(
    ("model", "error", "message"),
    [
        (lambda: nn.Sequential(nn.ReLU(), Scaled()), TypeError, r"to_torch: 1 \(Scaled\): PyTorch has no such layer"),
        (lambda: Doubled(2, 2), TypeError, r"to_torch: the model \(Doubled\): PyTorch has no such layer"),
        (lambda: nn.MSELoss(), TypeError, r"the model \(MSELoss\)"),
        (hooked, ValueError, r"the model \(Linear\): has hooks"),
        (other_mlp, ValueError, r"\(TransformerBlock\): mlp: expected Linear, an activation, Linear"),
        (lambda: np.tanh, TypeError, "expected a module of chainrule.nn, got ufunc"),
    ],
)
def test_what_torch_does_not_have_is_refused(torch, model, error, message):
    with pytest.raises(error, match=message):
        to_torch(model())


def normed(torch):
    with pytest.warns(FutureWarning):
        return torch.nn.utils.weight_norm(torch.nn.Linear(2, 2))


@walked(
    ("module", "error", "message"),
    [
        (lambda t: t.nn.Sequential(t.nn.ReLU(), t.nn.Bilinear(2, 2, 2)), TypeError, r"from_torch: 1 \(Bilinear\):"),
        (lambda t: t.nn.utils.parametrizations.weight_norm(t.nn.Linear(2, 2)), TypeError, r"\(ParametrizedLinear\)"),
        (normed, ValueError, "has hooks"),
        (lambda t: t.nn.Embedding(3, 2, padding_idx=0), ValueError, "padding_idx: expected None, .* got 0"),
        (lambda t: t.nn.Conv1d(3, 2, 1, padding_mode="circular"), ValueError, "padding_mode: expected 'zeros'"),
        (lambda t: t.nn.BatchNorm1d(3, momentum=None), ValueError, "momentum: got None"),
        (lambda t: t.nn.BatchNorm1d(3, track_running_stats=False), ValueError, "track_running_stats: expected True"),
        (lambda t: t.nn.MaxPool1d(3, return_indices=True), ValueError, "return_indices: expected False"),
        (lambda t: t.nn.Softmax(), ValueError, "dim: got None"),
        (lambda t: t.nn.Softplus(threshold=5), ValueError, "threshold: expected 20.0 or more, got 5"),
        (lambda t: t.nn.LSTM(3, 4, proj_size=2), ValueError, "proj_size: expected 0"),
        (lambda t: t.nn.MultiheadAttention(4, 2), ValueError, "batch_first: expected True"),
        (lambda t: t.nn.MultiheadAttention(4, 2, kdim=3, batch_first=True), ValueError, "_qkv_same_embed_dim"),
        (lambda t: t.nn.RMSNorm(4, elementwise_affine=False), ValueError, "eps: got None"),
        (lambda t: t.nn.Linear(2, 2, dtype=t.bfloat16), ValueError, "float16, got bfloat16; convert it first"),
        (lambda t: t.nn.TransformerEncoderLayer(4, 2, activation=t.tanh, batch_first=True), ValueError, "activation"),
        (lambda t: t.tanh, TypeError, "expected a torch.nn.Module, got builtin"),
        (lambda t: t.nn.DataParallel(t.nn.Linear(2, 2)), TypeError, r"this wraps a module; pass module\.module"),
    ],
)
def test_what_chainrule_does_not_have_is_refused(torch, module, error, message):
    with pytest.raises(error, match=message):
        from_torch(module(torch))


def test_rms_norm_without_eps_takes_that_of_its_dtype(torch):
    module = torch.nn.RMSNorm(4, dtype=torch.float64)
    assert from_torch(module).eps == np.finfo(np.float64).eps


def test_a_layer_norm_without_bias(torch):
    module = torch.nn.LayerNorm(4, bias=False, dtype=torch.float64)
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert_same(torch, from_torch(module), module, x, "float64")
    assert to_torch(from_torch(module)).bias is None


def test_load_state_dict_after_from_torch(torch):
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    model = from_torch(module)
    assert load_state_dict(model, module.state_dict()) == ([], [])
