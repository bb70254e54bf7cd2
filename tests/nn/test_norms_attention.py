"""Batch and group normalisation and attention modules against PyTorch's."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(0)


def both(torch, ours, theirs, x):
    """Run a module and PyTorch's, in float64, with the same parameters; hold outputs and gradients together."""
    theirs.double()
    named = dict(theirs.named_parameters())
    for name, p in ours.double().named_parameters():
        p.data = RNG.standard_normal(p.shape)
        named[name].data = torch.tensor(p.numpy().copy())
    mine, reference = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(mine), theirs(reference)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-11)
    (y**3).sum().backward()
    (expected**3).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-9)
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), named[name].grad.numpy(), atol=1e-9)


@walked(("name", "shape"), [("BatchNorm1d", (6, 3)), ("BatchNorm1d", (4, 3, 5)), ("BatchNorm2d", (4, 3, 2, 5))])
@walked("affine", [True, False])
def test_batch_normalisation_is_torchs_in_both_modes(torch, name, shape, affine):
    ours, theirs = (getattr(module, name)(3, momentum=0.3, affine=affine) for module in (nn, torch.nn))
    for _ in range(2):
        both(torch, ours, theirs, RNG.standard_normal(shape) * 3 + 1)
        np.testing.assert_allclose(ours.running_mean, theirs.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy(), rtol=1e-12)
        for p in ours.parameters():
            p.grad = None
        theirs.zero_grad()
    before = ours.state_dict()
    both(torch, ours.eval(), theirs.eval(), RNG.standard_normal(shape))
    np.testing.assert_array_equal(ours.running_mean, before["running_mean"])


@walked("groups", [1, 2, 4])
def test_group_normalisation_is_torchs(torch, groups):
    for shape in ((3, 4), (3, 4, 5), (2, 4, 3, 2)):
        if np.prod(shape[2:]) * 4 / groups > 1:
            both(torch, nn.GroupNorm(groups, 4), torch.nn.GroupNorm(groups, 4), RNG.standard_normal(shape))


def test_running_moments_follow_inside_a_transform_and_are_saved():
    layer = nn.BatchNorm1d(3)
    x = RNG.standard_normal((8, 3)) + 5
    cr.grad(lambda m: (m(x) ** 2).sum())(layer)
    np.testing.assert_allclose(layer.running_mean, 0.1 * x.mean(axis=0), rtol=1e-5)
    other = nn.BatchNorm1d(3)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other.running_var, layer.running_var)
    assert layer(x).dtype == np.float32
    assert layer.double().eval()(x).dtype == np.float64


@pytest.mark.parametrize("causal", [False, True])
def test_multihead_attention_is_torchs(torch, causal):
    ours = nn.MultiheadAttention(8, 2, dtype=np.float64)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    projections = [ours.query, ours.key, ours.value]
    for part in (*projections, ours.output):
        part.bias.data = RNG.standard_normal(8)
    theirs.in_proj_weight.data = torch.tensor(np.concatenate([p.weight.numpy().T for p in projections]))
    theirs.in_proj_bias.data = torch.tensor(np.concatenate([p.bias.numpy() for p in projections]))
    theirs.out_proj.weight.data = torch.tensor(ours.output.weight.numpy().T.copy())
    theirs.out_proj.bias.data = torch.tensor(ours.output.bias.numpy().copy())
    x, memory = RNG.standard_normal((3, 5, 8)), RNG.standard_normal((3, 5, 8))
    mine, reference = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = ours(mine, memory, causal=causal)
    hidden = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    expected, _ = theirs(reference, torch.tensor(memory), torch.tensor(memory), attn_mask=hidden)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-12)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-11)
    grads = np.concatenate([p.weight.grad.numpy().T for p in projections])
    np.testing.assert_allclose(grads, theirs.in_proj_weight.grad.numpy(), atol=1e-11)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_is_torchs_encoder_layer(torch, norm_first):
    ours = nn.TransformerBlock(8, 2, hidden=16, norm_first=norm_first, dtype=np.float64)
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    attention = [ours.attention.query, ours.attention.key, ours.attention.value]
    state = {
        "self_attn.in_proj_weight": np.concatenate([part.weight.numpy().T for part in attention]),
        "self_attn.in_proj_bias": np.concatenate([part.bias.numpy() for part in attention]),
    }
    pairs = {"self_attn.out_proj": ours.attention.output, "linear1": ours.mlp[0], "linear2": ours.mlp[2]}
    pairs |= {"norm1": ours.norm1, "norm2": ours.norm2}
    for name, part in pairs.items():
        part.weight.data = RNG.standard_normal(part.weight.shape)
        state |= {f"{name}.weight": part.weight.numpy().T.copy(), f"{name}.bias": part.bias.numpy().copy()}
    theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    x = RNG.standard_normal((3, 5, 8))
    mine, reference = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(mine), theirs(reference)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), atol=1e-11)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), reference.grad.numpy(), atol=1e-9)


def test_a_causal_block_does_not_see_what_comes_later():
    block = nn.TransformerBlock(8, 2, hidden=16, dropout=0.3).eval()
    x = RNG.standard_normal((5, 8))
    changed = x.copy()
    changed[3:] += 1
    before, after = block(x, causal=True).numpy(), block(changed, causal=True).numpy()
    np.testing.assert_allclose(before[:3], after[:3], atol=1e-6)
    assert (before[3:] != after[3:]).any()
    np.testing.assert_allclose(block(x, mask=np.tri(5, dtype=bool)).numpy(), before, atol=1e-6)
    added = np.where(np.tri(5, dtype=bool), 0.0, -np.inf)
    np.testing.assert_allclose(block(x, mask=added).numpy(), before, atol=1e-6)
    assert block(x).dtype == np.float32


def test_dropout_in_a_block_is_for_training_only():
    block = nn.TransformerBlock(8, 2, dropout=0.3, generator=np.random.default_rng(0))
    x = RNG.standard_normal((2, 5, 8))
    assert (block(x).numpy() != block(x).numpy()).any()
    block(x).sum().backward()
    assert all(p.grad is not None and np.isfinite(p.grad.numpy()).all() for p in block.parameters())
    block.eval()
    np.testing.assert_array_equal(block(x).numpy(), block(x).numpy())


WRONG = {
    r"BatchNorm1d\(3\): expected \[batch, 3, …\] with 2 or 3 axes, got \[2, 4\]": lambda: nn.BatchNorm1d(3)(
        np.ones((2, 4))
    ),
    "BatchNorm2d.* with 4 axes": lambda: nn.BatchNorm2d(3)(np.ones((2, 3))),
    "more than one value in each channel": lambda: nn.BatchNorm1d(3)(np.ones((1, 3))),
    "BatchNorm1d: momentum": lambda: nn.BatchNorm1d(3, momentum=2.0),
    "GroupNorm: expected groups that divide 4": lambda: nn.GroupNorm(3, 4),
    r"GroupNorm\(4\): expected \[batch, 4, …\], got \[4\]": lambda: nn.GroupNorm(2, 4)(np.ones(4)),
    "expected heads that divide 8": lambda: nn.MultiheadAttention(8, 3),
    r"MultiheadAttention\(8\): expected \[\.\.\., 8\], got \[5, 4\]": lambda: nn.MultiheadAttention(8, 2)(
        np.ones((5, 4))
    ),
    r"MultiheadAttention: expected \[\.\.\., N, 8\], got \[8\]": lambda: nn.MultiheadAttention(8, 2)(np.ones(8)),
    "MultiheadAttention: dropout: p": lambda: nn.MultiheadAttention(8, 2, dropout=-1.0),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
