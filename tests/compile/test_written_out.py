"""What people write out by hand compiles to one call: contractions, normalisations, losses, running sums, norms."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr

from ..named import named

pytestmark = pytest.mark.usefixtures("machine_code")
RNG = np.random.default_rng(0)
X, W, WIDE = RNG.normal(size=(6, 5)), RNG.normal(size=(5, 7)), RNG.normal(size=(3, 80))
CLASSES = RNG.integers(0, 7, 6)
EINSUM = (
    "bi,eij->ebj",
    "ni,ihd->hnd",
    "bqhd,bhqk->bkhd",
    "hn,hd->hnd",
    "btd,bte->btde",
    "btd,btde->bte",
    "bhqk,bkhd->bqhd",
)


def log_softmax(z: Any) -> Any:
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def layer_norm(x: Any, eps: float = 1e-5) -> Any:
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + eps)


WRITTEN: dict[str, Any] = {
    "picked by two indices": lambda x, w: -log_softmax(x @ w)[np.arange(6), CLASSES].mean(),
    "taken along an axis": lambda x, w: -np.take_along_axis(log_softmax(x @ w), CLASSES[:, None], axis=-1).mean(),
    "one hot by comparison": lambda x, w: -((CLASSES[:, None] == np.arange(7)) * log_softmax(x @ w)).sum() / 6,
    "layer norm by variance": lambda x, w: (layer_norm(x @ w) ** 3).sum(),
    "unbiased variance over rows": lambda x, w: (x @ w / np.sqrt((x @ w).var(axis=0, ddof=1) + 0.1)).sum(),
    "lengths of rows": lambda x, w: (x @ w / np.linalg.norm(x @ w, axis=1, keepdims=True))[:, 0].sum(),
    "running sums": lambda x, w: (np.cumsum(x @ w, axis=0) ** 2).sum() + np.cumprod(w, axis=1).sum(),
    "running sums of attention": lambda x, w: np.cumsum(np.einsum("ni,nj->nij", x @ w, x), axis=0).max(axis=2).sum(),
    "a row and a column at once": lambda x, w: (np.tanh(x)[:, :, None] * (w * 2)).sum(axis=1).sum(),
    "extremes of long rows": lambda x, w: ((WIDE * x[0, 0]).max(axis=1) * w[0, :3]).sum(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_one_call(name: str) -> None:
    step = cr.value_and_grad(WRITTEN[name], (0, 1))
    compiled = cr.compile(step)
    for scale in (1.0, 0.7):
        value, grads = compiled(X * scale, W)
        expected, each = step(X * scale, W)
        np.testing.assert_allclose(value, expected, rtol=1e-10)
        for a, b in zip(grads, each, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert len(compiled.plan.calls) == 1


def contracted(subscripts: str, lengths: dict[str, int], orders: Any) -> Any:
    """Hold a contraction of arrays whose axes lie in some orders against NumPy; return what is compiled."""
    factors = []
    for some, order in zip(subscripts.partition("->")[0].split(","), orders, strict=True):
        x = RNG.normal(size=[lengths[letter] for letter in some])
        order = [k for k in order if k < x.ndim]
        factors.append(np.array(x.transpose(order), order="C").transpose(np.argsort(np.array(order, int))))
    compiled = cr.compile(lambda a, b: np.einsum(subscripts, a, b))
    for _ in range(2):
        np.testing.assert_allclose(compiled(*factors), np.einsum(subscripts, *factors), rtol=1e-9, atol=1e-12)
    return compiled


@pytest.mark.parametrize("order", [range(4), range(4)[::-1]])
def test_contractions_of_attention_and_experts_are_one_call(order: Any) -> None:
    for subscripts in EINSUM:
        with named(subscripts):
            compiled = contracted(
                subscripts, dict(zip("behqktdnij", (2, 3, 2, 4, 5, 3, 4, 5, 3, 2), strict=True)), [order] * 2
            )
            assert len(compiled.plan.calls) == 1


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_contraction_is_numpys(data: st.DataObject) -> None:
    letters = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True))
    where = {letter: data.draw(st.sampled_from(["ab", "ay", "by", "aby"])) for letter in letters}
    a, b, y = ("".join(data.draw(st.permutations([k for k in letters if side in where[k]]))) for side in "aby")
    lengths = {letter: data.draw(st.integers(1, 4)) for letter in letters}
    contracted(f"{a},{b}->{y}", lengths, [data.draw(st.permutations(range(5))) for _ in range(2)])
