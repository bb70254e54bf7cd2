"""Cosine and sine transforms, and convolutions by transforms: SciPy's values, and right gradients."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.rules.fft import cosine, signal

TRANSFORMS = ["dct", "idct", "dst", "idst"]
X = np.random.default_rng(0).normal(size=(3, 5))


@pytest.fixture(scope="module")
def scipy():
    module = pytest.importorskip("scipy", reason="SciPy's functions: pip install '.[scipy]'")
    pytest.importorskip("scipy.fft")
    pytest.importorskip("scipy.signal")
    return module


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_cosine_and_sine_transforms(name, kind, scipy):
    ours, theirs = getattr(cosine, name), getattr(scipy.fft, name)
    for norm in (None, "ortho", "forward"):
        for n in (None, 4, 7):
            for x in (X, X[:, :4] * (1 + 2j), X.astype(np.float32)):
                # SciPy overlooks the setting for complex numbers.
                for orthogonalize in (None,) if np.iscomplexobj(x) else (None, False, True):
                    y = ours(cr.tensor(x), kind, n, -1, norm, orthogonalize=orthogonalize)
                    expected = theirs(x, kind, n, -1, norm, orthogonalize=orthogonalize)
                    assert y.dtype == expected.dtype
                    tolerance = 1e-12 if y.dtype.itemsize > 4 else 1e-5
                    np.testing.assert_allclose(y.numpy(), expected, rtol=tolerance, atol=tolerance)
    several = getattr(cosine, f"{name}n")(cr.tensor(X), kind, s=(4, 6), axes=(1, 0), norm="ortho").numpy()
    np.testing.assert_allclose(several, getattr(scipy.fft, f"{name}n")(X, kind, (4, 6), (1, 0), "ortho"), atol=1e-12)
    jacobian = cr.jacobian(lambda x: ours(x, kind, axis=0))(X[:, 0])
    np.testing.assert_allclose(jacobian, theirs(np.eye(3), kind, axis=0), atol=1e-13)


SHAPES = [((7,), (3,)), ((3,), (7,)), ((4, 5), (2, 3)), ((4, 5), (3, 1))]


@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve", "convolve", "correlate"])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolutions(name, mode, scipy):
    rng = np.random.default_rng(0)
    ours, theirs = getattr(signal, name), getattr(scipy.signal, name)
    for shapes in SHAPES:
        for factor in (1.0, 1 + 0.5j):
            a, b = (rng.normal(size=shape) * factor for shape in shapes)
            np.testing.assert_allclose(ours(cr.tensor(a), b, mode).numpy(), theirs(a, b, mode), rtol=1e-9, atol=1e-12)
            assert cr.check(lambda a, b: ours(a, b, mode), a, b).ok
    if name in ("fftconvolve", "oaconvolve"):
        a, b = rng.normal(size=(3, 6)), rng.normal(size=(1, 4))
        np.testing.assert_allclose(ours(a, b, mode, axes=1), theirs(a, b, mode, axes=1), atol=1e-12)


def test_fast_lengths(scipy):
    assert [signal.fast_length(n) for n in range(1, 300)] == [
        scipy.fft.next_fast_len(n, real=True) for n in range(1, 300)
    ]


@walked(
    ("call", "message"),
    [
        (lambda: cosine.dct(X, 5), "dct: got type=5, expected 1, 2, 3 or 4"),
        (lambda: cosine.dct(X[:, :1], 1), "dct: got 1 points, expected 2 or more for type 1"),
        (lambda: cosine.idst(X, norm="no"), "idst: got norm='no'"),
        (lambda: cosine.dctn(X, s=(1,)), r"dctn: got 1 lengths s=\(1,\)"),
        (lambda: signal.fftconvolve(X, X[0]), r"fftconvolve: got shapes \(3, 5\) and \(5,\)"),
        (lambda: signal.convolve(X, X, "most"), "convolve: got mode='most'"),
        (lambda: signal.convolve(X, X.T, "valid"), "in mode 'valid' one must hold the other"),
        (lambda: signal.correlate(X, X, method="slow"), "correlate: got method='slow'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_door(scipy):
    from chainrule.scipy import fft
    from chainrule.scipy import signal as door

    z = X * (1 - 2j)
    for name in fft.__all__:
        theirs = getattr(scipy.fft, name)
        if name in ("fftfreq", "rfftfreq", "next_fast_len"):
            continue
        x = X if name.lstrip("i")[0] == "d" or name in ("rfft", "ihfft", "rfft2", "rfftn") else z
        np.testing.assert_allclose(getattr(fft, name)(cr.tensor(x)).numpy(), theirs(x), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(fft.fftn(z, 4, 1, "ortho", True, workers=2), scipy.fft.fftn(z, 4, 1, "ortho"))
    np.testing.assert_allclose(fft.hfft(z, 6, 0), scipy.fft.hfft(z, 6, 0))
    assert door.__all__ == [
        *("convolve", "convolve2d", "correlate", "correlate2d", "csd", "detrend"),
        *("fftconvolve", "istft", "oaconvolve", "periodogram", "stft", "welch"),
    ]
