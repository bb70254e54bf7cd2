"""Modules: the same names, weights and results as PyTorch's."""

import copy
import io

import numpy as np
import pytest
from tests.named import named, walked

import chainrule as cr
import chainrule.torch as door

LAYERS = {
    "linear": (lambda t: t.nn.Linear(4, 3), (5, 4)),
    "conv1d": (lambda t: t.nn.Conv1d(4, 6, 3, padding=1, groups=2), (2, 4, 7)),
    "conv2d": (lambda t: t.nn.Conv2d(3, 4, 3, stride=2, padding="valid", dilation=2), (2, 3, 9, 9)),
    "circular": (lambda t: t.nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular"), (2, 3, 5, 5)),
    "conv_transpose2d": (lambda t: t.nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1), (2, 3, 4, 4)),
    "batch_norm": (lambda t: t.nn.BatchNorm2d(3), (4, 3, 2, 2)),
    "batch_norm_mean": (lambda t: t.nn.BatchNorm1d(3, momentum=None), (4, 3)),
    "instance_norm": (lambda t: t.nn.InstanceNorm1d(3, affine=True), (4, 3, 5)),
    "group_norm": (lambda t: t.nn.GroupNorm(2, 4), (4, 4, 5)),
    "layer_norm": (lambda t: t.nn.LayerNorm([3, 5]), (4, 3, 5)),
    "rms_norm": (lambda t: t.nn.RMSNorm(5), (4, 5)),
    "prelu": (lambda t: t.nn.PReLU(3), (4, 3)),
    "max_pool": (lambda t: t.nn.MaxPool2d(2, 1, ceil_mode=True), (2, 3, 5, 5)),
    "adaptive": (lambda t: t.nn.AdaptiveAvgPool2d((2, None)), (2, 3, 5, 5)),
    "shuffle": (lambda t: t.nn.PixelShuffle(2), (2, 8, 3, 3)),
    "upsample": (lambda t: t.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), (2, 3, 3, 3)),
    "rnn": (lambda t: t.nn.RNN(4, 5, 2, nonlinearity="relu"), (6, 2, 4)),
    "lstm": (lambda t: t.nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True), (2, 6, 4)),
    "gru": (lambda t: t.nn.GRU(4, 5), (6, 2, 4)),
    "lstm_cell": (lambda t: t.nn.LSTMCell(4, 5), (3, 4)),
    "gru_cell": (lambda t: t.nn.GRUCell(4, 5), (3, 4)),
    "encoder": (
        lambda t: t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2),
        (2, 5, 8),
    ),
    "pre_norm": (lambda t: t.nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", norm_first=True), (5, 2, 8)),
    "sequential": (
        lambda t: t.nn.Sequential(t.nn.Linear(4, 8), t.nn.GELU(), t.nn.Flatten(), t.nn.Linear(8, 2), t.nn.Softmax(1)),
        (3, 4),
    ),
}


def first(y):
    return y[0] if isinstance(y, tuple) else y


def loaded(torch, make):
    """Return the same model in both libraries."""
    theirs, ours = make(torch), make(door)
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    return ours, theirs


@pytest.mark.filterwarnings("ignore")
@walked("name", LAYERS)
def test_layers_compute_what_pytorchs_do(torch, name) -> None:
    make, shape = LAYERS[name]
    ours, theirs = loaded(torch, make)
    if name in ("linear", "conv1d", "conv2d", "shuffle", "lstm", "gru_cell"):
        assert str(ours) == str(theirs)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    a, b = door.tensor(x).requires_grad_(), torch.tensor(x).requires_grad_()
    y, z = first(ours(a)), first(theirs(b))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), 1e-4, 1e-5)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), 1e-3, 1e-4)
    for (path, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert path == other
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), 1e-3, 2e-4)
    y, z = first(ours.eval()(a)), first(theirs.eval()(b))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), 1e-4, 1e-5)


def test_state_dicts_go_both_ways(torch) -> None:
    make = LAYERS["batch_norm"][0]
    ours, theirs = make(door), make(torch)
    ours.running_mean.add_(1)
    theirs.load_state_dict({name: torch.tensor(x.numpy()) for name, x in ours.state_dict().items()})
    assert theirs.running_mean.tolist() == [1, 1, 1]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with pytest.raises(RuntimeError, match=r"Missing.*weight"):
        ours.load_state_dict({"bias": door.zeros(3)})
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        ours.load_state_dict({"weight": door.zeros(4)}, strict=False)
    assert ours.load_state_dict({}, strict=False).missing_keys == list(ours.state_dict())


def test_files_are_safetensors(torch, tmp_path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    model = door.nn.Linear(2, 3)
    optimizer = door.optim.Adam(model.parameters())
    model(door.ones(1, 2)).sum().backward()
    optimizer.step()
    door.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "c.pt")
    found = door.load(tmp_path / "c.pt")
    assert found["epoch"] == 3
    door.nn.Linear(2, 3).load_state_dict(found["model"])
    door.optim.Adam(model.parameters()).load_state_dict(found["optimizer"])
    assert safetensors.load_file(tmp_path / "c.pt")["model.weight"].shape == (3, 2)
    safetensors.save_file({"w": torch.arange(3)}, tmp_path / "t.safetensors")
    assert door.load(tmp_path / "t.safetensors")["w"].tolist() == [0, 1, 2]
    torch.save({"w": torch.ones(1)}, tmp_path / "pickle.pt")
    with pytest.raises(ValueError, match="pickle"):
        door.load(tmp_path / "pickle.pt")
    with pytest.raises(TypeError, match="state_dict"):
        door.save(optimizer, io.BytesIO())
    with pytest.raises(ValueError, match="safetensors"):
        door.load(io.BytesIO(b"nothing of the kind"))


def test_masks_and_packed_sequences(torch) -> None:
    x = np.random.default_rng(0).normal(size=(3, 5, 8)).astype(np.float32)
    ours, theirs = loaded(torch, lambda t: t.nn.MultiheadAttention(8, 2, batch_first=True))
    padding = np.arange(5) >= np.array([[5], [3], [4]])
    found = []
    for lib, layer in ((door, ours), (torch, theirs)):
        q = lib.tensor(x)
        mask = lib.nn.Transformer.generate_square_subsequent_mask(5)
        y, w = layer(q, q, q, key_padding_mask=lib.tensor(padding), attn_mask=mask.isinf())
        found.append((y.detach().numpy(), w.detach().numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)
    ours, theirs = loaded(torch, lambda t: t.nn.GRU(8, 4, batch_first=True, bidirectional=True))
    found = []
    for lib, layer in ((door, ours), (torch, theirs)):
        rnn = lib.nn.utils.rnn
        packed = rnn.pack_padded_sequence(lib.tensor(x), lib.tensor([5, 2, 4]), True, enforce_sorted=False)
        y, h = layer(packed)
        padded, lengths = rnn.pad_packed_sequence(y, batch_first=True)
        found.append((padded.detach().numpy(), h.detach().numpy(), lengths.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)


class Net(door.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = door.nn.ModuleList([door.nn.Linear(2, 2) for _ in range(2)])
        self.scale = door.nn.Parameter(door.ones(1))
        self.register_buffer("count", door.zeros(1))
        self.register_buffer("seen", door.zeros(1), persistent=False)
        self.tied = self.layers[0]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x * self.scale


def test_modules_register_and_list_their_parts() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
    ]  # fmt: skip
    assert "count" in net.state_dict()
    assert "seen" not in net.state_dict()
    assert "tied.weight" in net.state_dict()
    net.count = door.ones(1)
    assert net.count.item() == 1
    with pytest.raises(TypeError, match="cannot assign"):
        net.scale = door.ones(1)
    twin = copy.deepcopy(net)
    twin.scale.data.fill_(5)
    assert net.scale.item() == 1
    assert twin.tied is twin.layers[0]
    shapes = []
    handle = net.layers[0].register_forward_hook(lambda m, args, y: shapes.append(tuple(y.shape)))
    grads = []
    net.layers[1].register_full_backward_hook(lambda m, gi, go: grads.append((gi[0].shape, go[0].shape)))
    net(door.ones(3, 2)).sum().backward()
    handle.remove()
    net(door.ones(3, 2))
    assert shapes == [(3, 2)]
    assert grads == [((3, 2), (3, 2))]
    net.apply(lambda m: [door.nn.init.zeros_(p) for p in m.parameters(recurse=False)])
    assert net(door.ones(1, 2)).sum().item() == 0
    assert net.double().scale.dtype is door.float64
    assert sum(p.numel() for p in net.parameters()) == 13


@pytest.mark.slow
def test_chainrules_tools_take_modules() -> None:
    door.manual_seed(0)
    net = door.nn.Sequential(door.nn.Linear(2, 3), door.nn.Tanh(), door.nn.Linear(3, 1))
    x, y = door.randn(4, 2), door.randn(4, 1)
    assert cr.check(net, x).ok
    assert cr.explain(net, x, loss=door.nn.MSELoss(), target=y, level="brief").ok
    assert repr(cr.graph(door.nn.functional.mse_loss(net(x), y))) == "<Graph of 9 operations and 4 parameters>"
    optimizer = door.optim.SGD(net.parameters(), lr=0.1)
    diagnosis = cr.doctor(net, door.nn.MSELoss(), [(x, y)] * 2, optimizer, try_remedies=False, steps=3)
    assert diagnosis.verdicts
    assert net[0].weight.grad is None


def test_functional_calls_and_clipping() -> None:
    net = door.nn.Linear(2, 1, bias=False)
    x = door.ones(1, 2)
    y = door.func.functional_call(net, {"weight": door.tensor([[2.0, 3.0]])}, (x,))
    assert y.item() == 5
    gradient = door.func.grad(lambda p: door.func.functional_call(net, p, x).sum())(dict(net.named_parameters()))
    assert gradient["weight"].tolist() == [[1, 1]]
    (net(x) * 30).sum().backward()
    total = door.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    assert total.item() == pytest.approx(30 * 2**0.5, 1e-5)
    assert net.weight.grad.norm().item() == pytest.approx(1, 1e-4)
    vector = door.nn.utils.parameters_to_vector(net.parameters())
    door.nn.utils.vector_to_parameters(vector * 0 + 7, net.parameters())
    assert net.weight.tolist() == [[7, 7]]


def test_attention_with_dropout_shares_the_heads_of_keys_and_values_too(torch) -> None:
    q, k = (np.random.default_rng(0).normal(size=(2, heads, 5, 3)) for heads in (4, 2))
    attention = door.nn.functional.scaled_dot_product_attention
    few = [door.tensor(x) for x in (q, k, k)]
    many = [door.tensor(x) for x in (q, k.repeat(2, 1), k.repeat(2, 1))]
    found = []
    for inputs, settings in ((few, {"enable_gqa": True}), (many, {})):
        door.manual_seed(0)
        found.append(door.values_of(attention(*inputs, dropout_p=0.5, is_causal=True, **settings)))
    np.testing.assert_allclose(*found)
    theirs = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, k)), enable_gqa=True)
    np.testing.assert_allclose(
        door.values_of(attention(*few, dropout_p=1e-12, enable_gqa=True)), theirs.numpy(), atol=1e-9
    )
    with pytest.raises(RuntimeError, match="G a divisor of H"):
        attention(few[0], few[0][:, :3], few[0][:, :3], dropout_p=0.5, enable_gqa=True)


def test_loaded_buffers_are_copies_and_converted_with_the_module(torch) -> None:
    for source in (torch.nn.BatchNorm1d(2), door.nn.BatchNorm1d(2)):
        layer = door.nn.BatchNorm1d(2)
        layer.load_state_dict(source.state_dict())
        source.running_mean.add_(5.0)
        assert layer.running_mean.tolist() == [0.0, 0.0]
    for converted in (layer.double(), layer.half(), layer.to(door.float64), layer.type(door.float32)):
        assert converted.running_mean.dtype == converted.weight.dtype
        assert converted.num_batches_tracked.dtype == door.int64


def test_what_is_replaced_keeps_its_place(torch):
    """`nn.Sequential(*list(resnet.children())[:-1])` relies on it, and so does an optimiser's saved state."""

    def names(lib):
        class Net(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.last = lib.nn.Linear(2, 2), lib.nn.Linear(2, 1)
                self.scale, self.shift = lib.nn.Parameter(lib.ones(1)), lib.nn.Parameter(lib.zeros(1))
                self.seen, self.mean = lib.nn.Buffer(lib.zeros(1)), lib.nn.Buffer(lib.zeros(1))
                self.first, self.scale, self.seen = (
                    lib.nn.ReLU(),
                    lib.nn.Parameter(lib.ones(2)),
                    lib.nn.Buffer(lib.ones(2)),
                )
                self.shift = None
                self.rows = lib.nn.ParameterList([lib.ones(1), lib.ones(1)])
                self.rows[0] = lib.nn.Parameter(lib.ones(3))

        net = Net()
        moved = lib.nn.Module()
        moved.a, moved.b = lib.nn.Linear(1, 1), lib.nn.ReLU()
        del moved.a
        moved.a = lib.nn.Tanh()
        return [
            [name for name, _ in net.named_children()],
            [f"{name} {tuple(p.shape)}" for name, p in net.named_parameters()],
            [name for name, _ in net.named_buffers()],
            [name for name, _ in moved.named_children()],
            list(net.state_dict()),
        ]

    assert names(door) == names(torch)


def test_lists_and_dicts_of_parameters_hold_each_other(torch):
    def told(lib):
        rows = lib.nn.ParameterList([lib.ones(1), lib.nn.ParameterList([lib.ones(2), lib.ones(3)]), 3.5])
        rows.append(lib.zeros(2))
        rows[0] = lib.ones(4)
        named = lib.nn.ParameterDict({"b": lib.ones(1), "a": lib.nn.ParameterDict({"x": lib.ones(2)})})
        named["c"], named["b"] = 5, lib.ones(3)
        assert named.pop("c") == 5
        both = lib.nn.Module()
        both.rows, both.named = rows, named
        return (
            list(both.state_dict()),
            [(name, tuple(p.shape)) for name, p in both.named_parameters()],
            *(len(rows), len(named), rows[2], len(rows[1:3]), tuple(rows[-1].shape), list(named)),
            [type(x).__name__ for x in (*rows, *named.values())],
        )

    assert told(door) == told(torch)


def test_the_version_is_that_of_the_names():
    assert tuple(map(int, door.__version__.split("+")[0].split("."))) >= (2, 0, 0)
    assert door.__version__.endswith(f"chainrule.{cr.__version__.replace('+', '.')}")
    assert door.version.__version__ == door.__version__


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:divide by zero")
def test_losses_of_an_empty_batch_are_pytorchs(torch) -> None:
    for name in ("cross_entropy", "nll_loss"):
        for shape, target in (((0, 3), (0,)), ((0, 3, 2), (0, 2)), ((2, 3, 0), (2, 0))):
            for reduction in ("mean", "sum", "none"):
                found = []
                for lib in (door, torch):
                    x = lib.ones(shape, requires_grad=True)
                    y = getattr(lib.nn.functional, name)(x, lib.zeros(target, dtype=lib.long), reduction=reduction)
                    y.sum().backward()
                    found.append((repr(y.tolist()), tuple(x.grad.shape)))
                with named(name, shape, reduction):
                    assert found[0] == found[1]


def test_an_ensemble_made_from_a_module_without_values() -> None:
    models = [door.nn.Linear(3, 2) for _ in range(4)]
    base = copy.deepcopy(models[0]).to("meta")
    params, buffers = door.func.stack_module_state(models)
    x = door.randn(5, 3)

    def call(params, buffers, x):
        return door.func.functional_call(base, (params, buffers), (x,))

    found = door.func.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
    assert door.allclose(found, door.stack([model(x) for model in models]))
    assert base.to(device="meta", dtype=door.float64).weight.dtype == door.float64
