"""A part of PyTorch's own samples of its operators (`benchmarks/opinfo.py` runs all of them)."""

import importlib
import itertools
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DIFFERENT = frozenset(
    [
        *("nn.functional.ctc_loss", "linalg.lstsq", "as_strided", "polygamma", "cov", "normal", "__rpow__", "sgn"),
        *("linalg.svd", "linalg.vander", "tensordot", "nn.functional.batch_norm", "special.polygamma"),
    ]
)
"""Operators of which some samples differ for a reason: an eps below zero, a gradient PyTorch defines otherwise, an
accuracy of SciPy's, complex or empty arrays."""


@pytest.fixture(scope="module")
def opinfo(torch):
    pytest.importorskip("expecttest", reason="PyTorch's samples need expecttest")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.syspath_prepend(BENCHMARKS)
        warnings.simplefilter("ignore")
        return importlib.import_module("opinfo")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_samples_of_operators_agree(torch, opinfo) -> None:
    offered = [
        op
        for op in opinfo.op_db
        if torch.float64 in op.supported_dtypes("cpu") and opinfo.offered(op.name) and op.name not in DIFFERENT
    ]
    assert len({op.name for op in offered}) > 400
    chosen = random.Random(0).sample(offered, 75)
    wrong, count = [], 0
    for op in chosen:
        torch.manual_seed(0)
        samples = op.sample_inputs("cpu", torch.float64, requires_grad=op.supports_autograd)
        for sample in itertools.islice(filter(opinfo.suitable, samples), 4):
            count += 1
            try:
                with np.errstate(all="ignore"):
                    found = opinfo.compare(op, sample)
            except Exception as error:
                found = repr(error)
            if found is not None:
                wrong.append((op.name, found))
    assert len(wrong) <= 0.03 * count, wrong
