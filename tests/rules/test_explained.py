"""Every operation of the registry is explained with every equation verified, in every case of its record."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import REGISTRY

from .calls import Call, cases_of
from .complex_laws import mixes, takes_complex

UNEXPLAINED = {
    "blockwise_attention": "the weights that dropout keeps are drawn block by block, so no formula has them",
    **dict.fromkeys(
        ("gru", "lstm", "rnn"), "each step is defined by the one before, so no formula gives all of them at once"
    ),
}
RECORDS = [op for op in REGISTRY.values() if op.kind != "constant"]
FAST = 2
"""The cases of a record that are explained in every run."""


def explained(call):
    rng = np.random.default_rng(1)
    parts = call.outputs()
    weights = [rng.standard_normal(np.shape(part)) + 1j * rng.standard_normal(np.shape(part)) for part in parts]
    weights = [w if np.iscomplexobj(part) else w.real for part, w in zip(parts, weights, strict=True)]

    def loss(*inputs):
        return sum((part * w).sum().real for part, w in zip(call(*inputs), weights, strict=True))

    return cr.explain(loss, *call.inputs)


def is_empty(call):
    return not call.moving or any(np.size(x) == 0 for x in call.args if isinstance(x, np.ndarray))


def is_free_in_phase(op, call):
    """Whether the loss above, which depends on the phases of eigenvectors, has no derivative to be measured."""
    return op.is_free_in_phase and any(map(np.iscomplexobj, (*call.args, *call.outputs())))


def check_call(op, call, **settings):
    derivation = explained(call)
    wrong = [(step.formula, step.error, step.reason) for step in derivation.unverified]
    if op.name in UNEXPLAINED:
        assert not wrong or settings.get("dropout", True)
    else:
        assert not wrong, (call.args, wrong)
        assert is_free_in_phase(op, call) or all(row.ok for row in derivation.confirmations), call.args


def check(op, cases):
    for one in cases:
        call = Call.drawn(op, one, np.random.default_rng(0))
        if not is_empty(call):
            check_call(op, call, **one.settings)


@pytest.mark.parametrize("op", RECORDS, ids=lambda op: op.name)
def test_its_first_cases(op):
    check(op, cases_of(op)[:FAST])


@pytest.mark.slow
@pytest.mark.parametrize("op", [op for op in RECORDS if len(cases_of(op)) > FAST], ids=lambda op: op.name)
def test_its_other_cases(op):
    check(op, cases_of(op)[FAST:])


def check_complex(op, cases):
    for one in cases:
        rng = np.random.default_rng(0)
        call = Call.drawn(op, one, rng)
        if not is_empty(call):
            for mixed in mixes(call, rng):
                check_call(op, mixed)


OF_COMPLEX = [op for op in RECORDS if takes_complex(op)]


@pytest.mark.parametrize("op", OF_COMPLEX, ids=lambda op: op.name)
def test_its_first_case_of_complex_numbers(op):
    check_complex(op, cases_of(op)[:1])


@pytest.mark.slow
@pytest.mark.parametrize("op", [op for op in OF_COMPLEX if len(cases_of(op)) > 1], ids=lambda op: op.name)
def test_its_other_cases_of_complex_numbers(op):
    check_complex(op, cases_of(op)[1:])
