"""Complex numbers and Fourier transforms in traced PyTorch models: outputs, gradients and state dicts."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.interop.torch import from_torch, load_state_dict, state_dict

CLOSE = {"rtol": 1e-8, "atol": 1e-9}


def same(torch, module, *inputs):
    """Convert a model and compare its outputs and the gradients of its parameters with PyTorch's."""
    model = from_torch(module.double().eval(), inputs, trace=True)
    theirs = torch.utils._pytree.tree_leaves(module(*inputs))
    ours = model(*(x.numpy() for x in inputs))
    ours = list(ours) if isinstance(ours, tuple) else [ours]
    total, own = 0, 0
    for k, (y, t) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(y.numpy(), t.detach().resolve_conj().resolve_neg().numpy(), **CLOSE)
        weights = np.random.default_rng(k).normal(size=y.shape)
        turned = torch.view_as_real(t.resolve_conj()).sum(-1) if t.is_complex() else t
        total = total + (turned * torch.from_numpy(weights)).sum()
        own = own + ((y.real + y.imag if np.iscomplexobj(y.numpy()) else y) * weights).sum()
    total.backward()
    own.backward()
    for name, parameter in module.named_parameters():
        grad = torch.view_as_real(parameter.grad) if parameter.is_complex() else parameter.grad
        np.testing.assert_allclose(dict(model.named_parameters())[name].grad.numpy(), grad.numpy(), **CLOSE)
    return model


@pytest.fixture
def x(torch):
    return torch.randn(2, 5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "transform",
    [
        lambda fft, x: fft.fft(fft.fft(x, dim=-1), dim=-2).real,
        lambda fft, x: fft.irfft2(fft.rfft2(x, dim=(1, 2), norm="ortho") ** 2, s=(5, 8), dim=(1, 2), norm="ortho"),
        lambda fft, x: fft.ifft(x, n=11, norm="forward").imag,
        lambda fft, x: fft.irfft(fft.rfft(x, n=6), n=7),
        lambda fft, x: fft.hfft(fft.ihfft(x), n=8),
        lambda fft, x: fft.fftshift(fft.fft(x)).abs(),
        lambda fft, x: fft.rfft(x),
    ],
)
def test_fourier_transforms(torch, x, transform):
    class Mixing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(8, 8)

        def forward(self, x):
            return transform(torch.fft, self.linear(x))

    same(torch, Mixing(), x)


@pytest.mark.slow
def test_complex_numbers_from_pairs_and_from_angles(torch, x):
    class Rotary(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(8, 8)
            self.register_buffer("angles", torch.linspace(0, 2, 20, dtype=torch.float64).reshape(5, 4))

        def forward(self, x):
            q = torch.view_as_complex(self.linear(x).reshape(2, 5, 4, 2))
            turned = torch.view_as_real(q * torch.polar(torch.ones_like(self.angles), self.angles)).flatten(-2)
            return turned, (q.conj() * q).real, q.abs(), q.angle(), torch.complex(turned, turned).imag, q.conj()

    same(torch, Rotary(), x)


@pytest.mark.slow
def test_a_short_time_transform_and_its_inverse(torch):
    class Filter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(32, 32)
            self.register_buffer("window", torch.hann_window(8))

        def forward(self, x):
            spectrum = torch.stft(self.linear(x), 8, 4, window=self.window, return_complex=True)
            return torch.istft(spectrum * 2, 8, 4, window=self.window)

    same(torch, Filter(), torch.randn(2, 32, dtype=torch.float64))


@pytest.mark.slow
def test_a_complex_parameter_is_a_real_one_of_pairs(torch):
    class Operator(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(3, 4, 4, dtype=torch.complex128))

        def forward(self, x):
            spectrum = torch.fft.rfft(x)
            kept = torch.einsum("bix,iox->box", spectrum[:, :, :4], self.weight)
            return torch.fft.irfft(torch.nn.functional.pad(kept, (0, 5)), n=x.size(-1))

    module, x = Operator(), torch.randn(2, 3, 16, dtype=torch.float64)
    model = same(torch, module, x)
    assert dict(model.named_parameters())["weight"].shape == (3, 4, 4, 2)
    state = state_dict(model)
    assert state["weight"].dtype == torch.complex128
    assert torch.equal(state["weight"], module.weight)
    other = Operator()
    load_state_dict(model, other.state_dict())
    np.testing.assert_allclose(model(x.numpy()).numpy(), other(x).detach().numpy(), **CLOSE)

    def loss(model, x):
        return (model(x) ** 2).mean()

    derivation = cr.explain(loss, model, x.numpy())
    assert derivation.ok, derivation.unverified
    compiled = cr.compile(loss)
    assert [float(compiled(model, x.numpy())) for _ in range(3)] == pytest.approx([float(loss(model, x.numpy()))] * 3)
    assert model.to(np.float32)(x.numpy().astype(np.float32)).dtype == np.float32
