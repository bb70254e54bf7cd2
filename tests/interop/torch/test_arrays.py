"""Tensors that share their memory, and what cannot be shared."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

import chainrule as cr
from chainrule.interop import jax as interop_jax
from chainrule.interop import torch as interop

DTYPES = ("float64", "float32", "float16", "int64", "int32", "uint8", "bool")


@walked("dtype", DTYPES)
def test_both_ways_share_the_memory(torch, dtype):
    t = torch.ones((2, 3), dtype=getattr(torch, dtype))
    x = interop.tensor_from_torch(t)
    assert (x.shape, x.dtype) == ((2, 3), dtype)
    t[1, 2] = 0
    assert x.numpy()[1, 2] == 0
    back = interop.tensor_to_torch(x)
    assert back.data_ptr() == t.data_ptr()
    back[0, 0] = 0
    assert not t[0, 0]


@given(data=st.data(), shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
def test_views_are_shared_as_they_are(torch, data, shape):
    t = torch.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    t = t.permute(data.draw(st.permutations(range(t.ndim))))
    if t.ndim and data.draw(st.booleans()):
        t = t[::2]
    x = interop.tensor_from_torch(t)
    np.testing.assert_array_equal(x.numpy(), t.numpy())
    again = interop.tensor_to_torch(x)
    assert torch.equal(again, t)
    assert again.data_ptr() == t.data_ptr()


def test_an_array_is_shared_as_well(torch):
    array = np.zeros((2, 2))
    interop.tensor_to_torch(array)[0, 1] = 3
    assert array[0, 1] == 3


def test_a_parameter_is_shared_detached(torch):
    x = cr.zeros(3, requires_grad=True)
    t = interop.tensor_to_torch(x.detach())
    loss = (x * x).sum()
    t.fill_(2)
    assert x.tolist() == [2, 2, 2]
    x.mark_changed()
    with pytest.raises(cr.InPlaceError):
        loss.backward()


def test_a_tensor_that_is_negative_lazily(torch):
    t = torch.complex(torch.ones(2), torch.ones(2)).conj().imag
    assert t.is_neg()
    assert interop.tensor_from_torch(t).tolist() == [-1, -1]


@walked(
    ("make", "error", "message"),
    [
        (lambda t: t.ones(2, requires_grad=True), cr.GradientError, r"requires a gradient, .* pass t\.detach\(\)"),
        (lambda t: t.ones(2, dtype=t.bfloat16), TypeError, r"bfloat16, which NumPy does not have; pass t\.float\(\)"),
        (lambda t: t.ones(2).to_sparse(), TypeError, r"layout torch.sparse_coo, expected a dense one"),
        (lambda t: t.ones(2, device="meta"), ValueError, r"a tensor on meta; .* pass t\.cpu\(\)"),
        (lambda t: [1.0], TypeError, r"expected a torch\.Tensor, got list"),
    ],
)
def test_what_numpy_cannot_see(torch, make, error, message):
    with pytest.raises(error, match=f"tensor_from_torch: .*{message}"):
        interop.tensor_from_torch(make(torch))


def read_only():
    x = np.ones(2)
    x.flags.writeable = False
    return x


@walked(
    ("make", "error", "message"),
    [
        (lambda: cr.ones(2, requires_grad=True), cr.GradientError, r"requires a gradient, .* pass x\.detach\(\)"),
        (lambda: np.ones(3)[::-1], ValueError, r"the strides \(-8,\) are negative"),
        (read_only, ValueError, "this array is read-only"),
        (lambda: np.ones(2, ">f8"), TypeError, "got dtype >f8, which PyTorch does not have"),
        (lambda: np.ones(2, np.longdouble), TypeError, "longdouble|float128"),
        (lambda: np.array(["a"]), TypeError, "got dtype <U1"),
        (lambda: np.float64(1), TypeError, "got float64, which has no memory of its own"),
        (lambda: [1.0], TypeError, "expected a tensor of chainrule or an array, got list"),
    ],
)
def test_what_torch_cannot_share(torch, make, error, message):
    with pytest.raises(error, match=f"tensor_to_torch: .*{message}"):
        interop.tensor_to_torch(make())


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("torch", lambda: interop.tensor_to_torch(np.ones(2))),
        ("torch", lambda: interop.to_torch(None)),
        ("torch", lambda: interop.from_torch(None)),
        ("torch", lambda: interop.state_dict(None)),
        ("torch", lambda: interop.load_state_dict(None, {})),
        ("torch", lambda: interop.as_torch_function(np.sin)),
        ("torch", lambda: interop.from_torch_function(np.sin)),
        ("jax", lambda: interop_jax.as_jax_function(np.sin)),
        ("jax", lambda: interop_jax.from_jax_function(np.sin)),
    ],
)
def test_without_the_library_the_error_says_what_to_install(monkeypatch, library, call):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"run: python -m pip install 'chainrule\[{library}\]'"):
        call()
