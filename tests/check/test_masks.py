"""A mask in a backward pass: its bound is named, and a mask in a gradient's place is a finding."""

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)
"""For what is drawn on import only."""


def bounded(x, low):
    return np.where(x > low, x**2, 0)


def positive(x):
    return np.where(x > 0, x**2, 0)


def bound_is_one(g, x):
    return g * 2 * x * (x > 1)


def compared_with_another(g, x, low):
    return g * 2 * x * (x > g), 0 * low


@pytest.mark.parametrize(
    ("forward", "backward", "arguments", "wanted"),
    [
        (positive, bound_is_one, (RNG.uniform(0.1, 0.9, (3, 4)),), "x > 0"),
        (bounded, compared_with_another, (RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))), "x > low"),
    ],
    ids=["number", "variable"],
)
def test_the_bound_of_a_mask_is_named(forward, backward, arguments, wanted):
    finding = cr.check(forward, *arguments, backward=backward).findings[0]
    assert finding.code == "mask"
    assert wanted in finding.detail["wanted"]


@pytest.mark.parametrize("kind", [bool, int])
def test_a_mask_for_a_gradient_is_a_finding_and_no_exception(kind):
    report = cr.check(
        lambda x: np.maximum(x, 0),
        np.random.default_rng(0).standard_normal((5, 4)),
        backward=lambda g, x: (x > 0).astype(kind),
    )
    assert [f.verdict for f in report.findings] == ["dtype", "wrong"]
