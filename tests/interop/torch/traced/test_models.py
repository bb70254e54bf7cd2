"""Whole models of plain PyTorch, converted by tracing: outputs, gradients and buffers; compiled and explained."""

import functools

import numpy as np
import pytest

import chainrule as cr
from chainrule.interop.torch import from_torch
from chainrule.interop.torch.traced import tracing

CLOSE = {"rtol": 1e-8, "atol": 1e-9}


@pytest.fixture(scope="module")
def made(torch):
    """The classes of the models, in plain torch.nn."""
    nn, functional = torch.nn, torch.nn.functional

    class Attention(nn.Module):
        def __init__(self, width, heads, causal=False):
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.heads, self.causal = heads, causal

        def forward(self, x, mask=None):
            batch, length, width = x.shape
            q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            if mask is None:
                y = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
            else:
                scores = q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5
                scores = scores.masked_fill(mask[:, None, None, :] == 0, torch.finfo(x.dtype).min)
                y = torch.softmax(scores, -1) @ v
            return self.out(y.transpose(1, 2).reshape(batch, length, width))

    class Block(nn.Module):
        def __init__(self, width, heads, causal=False):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = Attention(width, heads, causal)
            self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

        def forward(self, x, mask=None):
            x = x + self.attention(self.norm1(x), mask)
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(6, 8)
            self.blocks = nn.ModuleList(Block(8, 2, causal=True) for _ in range(2))
            self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 11, bias=False)
            self.head.weight = self.tokens.weight

        def forward(self, ids):
            x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x))

    class BERT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(11, 8, padding_idx=0)
            self.register_buffer("places", torch.randn(1, 6, 8), persistent=False)
            self.block, self.pool = Block(8, 2), nn.Linear(8, 8)

        def forward(self, ids, mask=None):
            x = self.block(self.tokens(ids) + self.places[:, : ids.shape[1]], mask)
            return {"hidden": x, "pooled": torch.tanh(self.pool(x[:, 0]))}

    class Llama(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.norm = nn.Embedding(11, 8), nn.RMSNorm(8, eps=1e-6)
            self.q, self.k, self.v = nn.Linear(8, 8, False), nn.Linear(8, 4, False), nn.Linear(8, 4, False)
            self.gate, self.up, self.down = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)

        def turned(self, x):
            length, width = x.shape[-2:]
            angles = torch.outer(torch.arange(length), 10000.0 ** (-torch.arange(0, width, 2) / width)).to(x)
            angles = torch.cat([angles, angles], -1)
            first, second = x.chunk(2, -1)
            return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

        def forward(self, ids):
            x = self.tokens(ids)
            y = self.norm(x)
            q, k, v = (p(y).unflatten(-1, (-1, 4)).transpose(1, 2) for p in (self.q, self.k, self.v))
            q, k = self.turned(q), self.turned(k)
            k, v = (t[:, :, None].expand(-1, -1, 2, -1, -1).reshape(q.shape) for t in (k, v))
            seen = torch.full((ids.shape[1],) * 2, -torch.inf, dtype=x.dtype).triu(1)
            y = functional.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(2)
            x = x + y
            return x + self.down(functional.silu(self.gate(x)) * self.up(x))

    class ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.first, self.places = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
            self.block, self.head = Block(8, 2), nn.Linear(8, 3)

        def forward(self, x):
            y = self.patches(x).flatten(2).transpose(1, 2)
            y = torch.cat([self.first.expand(y.shape[0], -1, -1), y], 1) + self.places
            return self.head(self.block(y)[:, 0])

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
            self.norm = nn.GroupNorm(2, 8)
            self.up, self.last = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 2, 3, padding=1)

        def forward(self, x):
            skip = functional.leaky_relu(self.down1(x), 0.2)
            y = self.up(torch.relu(self.norm(self.down2(functional.max_pool2d(skip, 2)))))
            y = self.last(torch.cat([y, skip], 1))
            return y + functional.interpolate(y[..., ::2, ::2], scale_factor=2, mode="bilinear")

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(9, 4, padding_idx=0)
            self.lstm = nn.LSTM(4, 3, num_layers=2, batch_first=True, bidirectional=True)
            self.gru, self.tags = nn.GRU(6, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, ids):
            y, (_, cell) = self.lstm(self.tokens(ids))
            return functional.log_softmax(self.tags(self.gru(y)[0]), -1), cell

    class Seq2Seq(nn.Module):
        def __init__(self):
            super().__init__()
            self.transformer = nn.Transformer(8, 2, 1, 1, 12, dropout=0.0, batch_first=True)

        def forward(self, source, target):
            mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1], dtype=source.dtype)
            return self.transformer(source, target, tgt_mask=mask)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
            self.squeeze, self.excite = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
            self.second, self.norm2, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(24, 3)

        def forward(self, x):
            y = functional.relu_(self.norm(self.conv(x)))
            scale = torch.sigmoid(self.excite(functional.hardswish(self.squeeze(functional.adaptive_avg_pool2d(y, 1)))))
            y = y + self.norm2(self.second(y * scale))
            return self.head(functional.adaptive_avg_pool2d(y, (3, 2)).flatten(1))

    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (3, 6))
    ids[1, 4:] = 0
    images = rng.normal(size=(3, 3, 8, 8))
    mask = (ids > 0).astype(np.int64)
    return {
        "GPT": (GPT, ids),
        "BERT": (BERT, {"ids": ids, "mask": mask}),
        "Llama": (Llama, ids),
        "ViT": (ViT, images),
        "UNet": (UNet, images[:, :2]),
        "tagger": (Tagger, ids),
        "Transformer": (Seq2Seq, (rng.normal(size=(3, 5, 8)), rng.normal(size=(3, 4, 8)))),
        "ResNet": (ResNet, images),
    }


NAMES = ["GPT", "BERT", "Llama", "ViT", "UNet", "tagger", "Transformer", "ResNet"]


@pytest.fixture(scope="module")
def converted(torch, made):
    """Makes of a name the module of PyTorch in float64, the model traced from it, and its arguments; once for each."""

    @functools.cache
    def convert(name):
        cls, inputs = made[name]
        torch.manual_seed(0)
        module = cls().double().train(name == "ResNet")
        with pytest.MonkeyPatch.context() as patch:
            if name != "GPT":  # with no axis left open PyTorch takes a third of the time
                patch.setattr(tracing, "_free_axes", lambda *_: None)
            return module, from_torch(module, inputs, trace=True), inputs

    return convert


def called(model, inputs):
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def in_torch(torch, inputs):
    if isinstance(inputs, dict):
        return {name: torch.tensor(x) for name, x in inputs.items()}
    return tuple(map(torch.tensor, inputs)) if isinstance(inputs, tuple) else torch.tensor(inputs)


def outputs_of(y):
    if isinstance(y, dict):
        y = tuple(y.values())
    return list(y) if isinstance(y, tuple) else [y]


def weighed(outputs, convert=lambda bar: bar):
    bars = [convert(np.random.default_rng(k).normal(size=tuple(y.shape))) for k, y in enumerate(outputs)]
    return sum((y * bar).sum() for y, bar in zip(outputs, bars, strict=True))


def assert_same(torch, module, model, inputs):
    """Outputs, gradients of all parameters, and buffers afterwards are those of PyTorch."""
    module.zero_grad()
    model.zero_grad()
    expected = outputs_of(called(module, in_torch(torch, inputs)))
    found = outputs_of(called(model, inputs))
    for y, y_torch in zip(found, expected, strict=True):
        np.testing.assert_allclose(y.numpy(), y_torch.detach().numpy(), **CLOSE)
    weighed(expected, torch.tensor).backward()
    weighed(found).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert gradients.keys() == dict(module.named_parameters()).keys()
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(gradients[name].numpy(), parameter.grad.numpy(), err_msg=name, **CLOSE)
    for name, buffer in model.named_buffers():
        np.testing.assert_allclose(buffer, dict(module.named_buffers())[name].numpy(), err_msg=name, **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_pytorchs(torch, converted, name):
    assert_same(torch, *converted(name))


@pytest.mark.slow
def test_a_model_with_batch_norm_is_pytorchs_in_evaluation_too(torch, converted):
    module, model, inputs = converted("ResNet")
    try:
        assert_same(torch, module.eval(), model.eval(), inputs)
    finally:
        module.train()
        model.train()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_is_compiled(converted, name):
    _, model, inputs = converted(name)
    run = cr.compile(lambda: weighed(outputs_of(called(model, inputs))))
    expected = weighed(outputs_of(called(model, inputs)))
    for _ in range(3):
        np.testing.assert_allclose(run().item(), expected.item(), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GPT", "UNet", "tagger"])
def test_its_gradient_is_explained_and_drawn(converted, name):
    _, model, inputs = converted(name)

    def loss(model):
        return weighed(outputs_of(called(model, inputs)))

    names = list(dict(model.named_parameters()))
    assert names[-1] in str(cr.explain(loss, model))
    assert f"and {len(names)} parameters" in repr(cr.graph(loss, model))


@pytest.mark.slow
def test_another_batch_fits_and_another_length_does_not(torch, converted):
    module, model, ids = converted("GPT")
    more = np.concatenate([ids, ids])
    np.testing.assert_allclose(model(more).numpy(), module(torch.tensor(more)).detach().numpy(), **CLOSE)
    with pytest.raises(
        ValueError, match=r"ids: expected shape \[batch, 6\], with which the model was traced, got \[3, 5\]"
    ):
        model(ids[:, :5])


def test_tied_weights_are_one_parameter(converted):
    _, model, _ = converted("GPT")
    assert "head.weight" not in dict(model.named_parameters())
    holder = model._modules["head"]._parameters["weight"]
    assert holder is dict(model.named_parameters())["tokens.weight"]


@pytest.mark.slow
def test_a_buffer_that_is_not_saved_there_is_not_saved_here(converted):
    _, model, _ = converted("BERT")
    assert "places" in dict(model.named_buffers())
    assert "places" not in model.state_dict()
