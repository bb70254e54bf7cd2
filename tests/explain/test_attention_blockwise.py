"""Attention in blocks is explained as what it computes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def explained(method, **given):
    Q, K, V = np.random.default_rng(0).standard_normal((3, 5, 2))

    def attention(Q, K, V):
        cr.seed(0)
        return (nn.functional.scaled_dot_product_attention(Q, K, V, method=method, **given) ** 2).sum()

    return cr.explain(attention, Q, K, V, level="proof")


@pytest.mark.parametrize("causal", [False, True])
def test_both_methods_have_the_same_derivation(causal):
    plain, blockwise = (explained(method, causal=causal) for method in ("plain", "blockwise"))
    assert blockwise.ok
    assert blockwise.equations() == blockwise.equations_verified() == plain.equations()
    assert [step.formula for step in blockwise.backward] == [step.formula for step in plain.backward]


def test_dropout_in_blocks_is_shown_without_a_claim():
    assert explained("blockwise", dropout=0.3).equations() > 0
