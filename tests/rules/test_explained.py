"""Every operation of the registry is explained with every equation verified, in every case of its record."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import REGISTRY

from .calls import Call, cases_of

UNEXPLAINED = {
    "blockwise_attention": "the weights that dropout keeps are drawn block by block, so no formula has them",
    **dict.fromkeys(("fft", "ifft", "rfft", "with_parts"), "its results are complex"),
    **dict.fromkeys(("eig", "roots"), "its results are complex unless all of them happen to be real"),
    **dict.fromkeys(("imag", "angle", "irfft"), "even of real numbers, its rule is stated in complex ones"),
}
RECORDS = [op for op in REGISTRY.values() if op.kind != "constant"]
FAST = 2
"""The cases of a record that are explained in every run."""


def explained(op, one):
    call = Call.drawn(op, one, np.random.default_rng(0))
    if not call.moving or any(np.size(x) == 0 for x in call.args if isinstance(x, np.ndarray)):
        return None
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(np.shape(part)) for part in call.outputs()]

    def loss(*inputs):
        return sum((part * w).sum() for part, w in zip(call(*inputs), weights, strict=True))

    return cr.explain(loss, *call.inputs)


def check(op, cases):
    for one in cases:
        try:
            derivation = explained(op, one)
        except TypeError as error:
            if op.name not in UNEXPLAINED or "expected real numbers throughout" not in str(error):
                raise
            continue
        if derivation is None:
            continue
        wrong = [(step.formula, step.error, step.reason) for step in derivation.unverified]
        if op.name in UNEXPLAINED:
            assert not wrong or one.settings.get("dropout", True)
        else:
            assert derivation.ok, (one, wrong, [row for row in derivation.confirmations if not row.ok])


@pytest.mark.parametrize("op", RECORDS, ids=lambda op: op.name)
def test_its_first_cases(op):
    check(op, cases_of(op)[:FAST])


@pytest.mark.slow
@pytest.mark.parametrize("op", [op for op in RECORDS if len(cases_of(op)) > FAST], ids=lambda op: op.name)
def test_its_other_cases(op):
    check(op, cases_of(op)[FAST:])


def test_complex_numbers_are_refused_with_the_way_on():
    with pytest.raises(TypeError, match=r"got complex ones in the result of fft; cr.check\(f, …\) tests"):
        cr.explain(lambda x: np.abs(np.fft.fft(x)).sum(), np.arange(4.0))
