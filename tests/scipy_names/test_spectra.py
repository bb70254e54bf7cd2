"""Spectra of `chainrule.scipy.signal`: SciPy's values, derivatives, and what is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.scipy import signal as ours

theirs = pytest.importorskip("scipy.signal", reason="SciPy's functions: pip install '.[scipy]'")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 70))
C = X[0] + 1j * X[1]


def same(name: str, *args: Any, first: int = 0, **settings: Any) -> None:
    found, expected = (getattr(m, name)(*args, **settings)[first:] for m in (ours, theirs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


STFT: list[dict[str, Any]] = [
    *({"nperseg": 16}, {"nperseg": 15, "noverlap": 11}, {"nperseg": 16, "nfft": 32, "scaling": "psd"}),
    *({"nperseg": 16, "boundary": None}, {"nperseg": 16, "boundary": "even", "detrend": "linear"}),
    *({"nperseg": 16, "boundary": "odd"}, {"window": np.hamming(12), "nperseg": 12}),
    {"nperseg": 16, "boundary": "constant", "padded": False, "return_onesided": False},
    {"nperseg": 16, "window": ("gaussian", 3.0)},
]


@pytest.mark.filterwarnings("ignore:Input data is complex")
@walked("k", range(len(STFT)))
def test_stft(k: int) -> None:
    same("stft", X, 2.0, **STFT[k])
    same("stft", X.T, 2.0, axis=0, **STFT[k])
    same("stft", C, **STFT[k])


@walked("lengths", [(16, 8, 16), (15, 11, 15), (16, 12, 16), (17, 3, 17), (16, 8, 32)])
def test_istft(lengths: tuple[int, int, int]) -> None:
    settings = dict(zip(("nperseg", "noverlap", "nfft"), lengths, strict=True))
    z = theirs.stft(X, **settings)[2]
    same("istft", z[0], **settings)
    same("istft", z, first=1, **settings)  # SciPy's times have the length of the wrong axis
    same("istft", np.moveaxis(z, 0, -1), first=1, time_axis=1, freq_axis=0, **settings)
    same("istft", theirs.stft(C, return_onesided=False, **settings)[2], input_onesided=False, **settings)


WELCH: list[dict[str, Any]] = [
    *(
        {"nperseg": 16},
        {"nperseg": 15, "average": "median", "detrend": False},
        {"nperseg": 16, "return_onesided": False},
    ),
    {"nperseg": 16, "nfft": 40, "scaling": "spectrum", "detrend": "linear"},
]


@pytest.mark.filterwarnings("ignore:Input data is complex")
@walked("k", range(len(WELCH)))
def test_welch(k: int) -> None:
    same("welch", X, 2.0, **WELCH[k])
    same("welch", X.T, axis=0, **WELCH[k])
    same("welch", C, **WELCH[k])
    same("csd", X, X[::-1].copy(), **WELCH[k])


def test_one_piece() -> None:
    for settings in ({}, {"window": "hann", "nfft": 128, "scaling": "spectrum"}, {"detrend": False}):
        same("periodogram", X, 3.0, **settings)


def test_derivatives() -> None:
    calls = (
        (lambda x: np.abs(ours.stft(x, nperseg=16)[2]), X[0, :40]),
        (lambda x: ours.istft(ours.stft(x, nperseg=8)[2] * 2, nperseg=8)[1], X[0, :24]),
        (lambda x: ours.welch(x, nperseg=15, average="median")[1], X[0, :40]),
        (lambda w: ours.welch(X, window=w)[1], np.hamming(12)),
    )
    for f, at in calls:
        assert cr.check(f, at).ok


def test_mistakes_are_named() -> None:
    x = X[0]
    mistakes = {
        lambda: ours.stft(x, nperseg=16, noverlap=16): "got noverlap=16, expected 0 or more, and less than nperseg, 16",
        lambda: ours.stft(x, nperseg=16, nfft=8): "got nfft=8, expected nperseg, 16, or more",
        lambda: ours.stft(x, nperseg=16, boundary="wrap"): "got boundary='wrap', expected None or one of zeros",
        lambda: ours.stft(x, nperseg=16, scaling="density"): "got scaling='density', expected 'psd' or 'spectrum'",
        lambda: ours.stft(x, window=np.ones((2, 2))): "got a window of shape (2, 2), expected a vector",
        lambda: ours.stft(x, window=np.ones(9), nperseg=8): "got a window of 9 for nperseg=8 and 70 samples",
        lambda: ours.istft(np.ones((5, 3)), time_axis=0, freq_axis=-2): "expected two axes",
        lambda: ours.welch(x, average="mode"): "got average='mode', expected 'mean' or 'median'",
        lambda: ours.periodogram(x, axis=2): "axis 2 is out of bounds",
        lambda: ours.csd(x, x[:-1]): "got signals of 70 and 69 samples, expected one length",
    }
    for call, said in mistakes.items():
        with pytest.raises(ValueError, match=re.escape(said)):
            call()


def test_a_piece_longer_than_the_signal_is_a_warning_at_the_callers_line() -> None:
    said = "nperseg=100 is more than the 70 samples; using 70"
    for call in (
        lambda x: ours.welch(x, nperseg=100).__getitem__(1),
        lambda x: ours.csd(x, x, nperseg=100).__getitem__(1),
        lambda x: ours.stft(x, nperseg=100).__getitem__(2),
    ):
        for run in (call, cr.grad(lambda x, call=call: np.abs(call(x)).sum())):
            with pytest.warns(UserWarning, match=said) as seen:
                run(X[0])
            assert {Path(one.filename).name for one in seen} == {"test_spectra.py"}
