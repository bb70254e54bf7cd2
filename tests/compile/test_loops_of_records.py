"""Every elementwise record stands in a generated loop, forward and backward, without an entry anywhere."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import REGISTRY

RECORDS = {
    name: op
    for name, op in sorted(REGISTRY.items())
    if issubclass(op, Elementwise) and op.__module__.startswith("chainrule.")
}
TURNS = "an angle of any size is reduced by as many digits of pi as it has"
SCIPY = "the values are SciPy's"
APART = {
    **dict.fromkeys(("sinc",), TURNS),
    **dict.fromkeys(("erfinv", "erfcinv", "ndtri", "log_ndtr", "expi", "expn", "spence", "lambertw", "zeta"), SCIPY),
    **dict.fromkeys(("gamma_function", "gammaln", "gammainc", "gammaincc", "polygamma"), SCIPY),
    **dict.fromkeys(("beta_function", "betaln", "betainc", "iv", "ive", "jv"), SCIPY),
    **dict.fromkeys(("erfcx", "erfi", "dawsn", "sine_integral", "cosine_integral", "rgamma", "poch", "binom"), SCIPY),
    **dict.fromkeys(("fresnel_sine", "fresnel_cosine", "hyp0f1", "hyp1f1", "hyp2f1"), SCIPY),
    **dict.fromkeys(
        ("airy_ai", "airy_ai_slope", "airy_bi", "airy_bi_slope", "kv", "kve", "yv", "exprel", "owens_t"), SCIPY
    ),
    **dict.fromkeys(("betainc_slope", "betaincinv", "gammainc_slope", "gammaincinv", "gammainccinv"), SCIPY),
    **dict.fromkeys(("ellipe", "ellipeinc", "ellipk", "ellipkinc", "wofz", "wrightomega", "sph_legendre_p"), SCIPY),
    **dict.fromkeys(("eval_chebyt", "eval_gegenbauer", "eval_genlaguerre", "eval_jacobi"), SCIPY),
    **dict.fromkeys(("eval_hermite", "eval_hermitenorm"), SCIPY),
    "angle": "it is of complex numbers; of a real one it is 0 or pi",
    "power": "by an array of exponents it takes more digits of a logarithm; by a number it is a loop",
}
"""The records that stay NumPy's, and why; a new one that does has to say so here."""


def _arguments(op: type[Elementwise], dtype: Any, seed: int) -> list[Any]:
    rng, found = np.random.default_rng(seed), []
    for argument in op.arguments:
        low, high = op.domain.get(argument, (-3.0, 3.0))
        edge = 0.05 * (high - low)
        found.append(rng.uniform(low + edge, high - edge, (3, 4)).astype(dtype))
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(RECORDS.keys() - APART))
def test_an_elementwise_record_is_a_loop(name: str, dtype: Any, machine_code: None) -> None:
    op = RECORDS[name]
    places = tuple(k for k, argument in enumerate(op.arguments) if argument in op.differentiable)

    def f(*xs: Any) -> Any:
        return op.apply(*xs)

    def gradient(*xs: Any) -> Any:
        found = cr.grad(lambda *xs: (op.apply(*xs) * 1.5).sum(), places)(*xs)
        return tuple(x_bar + 0 * x for x_bar, x in zip(found, xs, strict=False))  # a slope of 1 is no operation

    eps = np.finfo(dtype).eps
    for compiled, expected in ((cr.compile(f), op.primal), (cr.compile(gradient), gradient)):
        for seed in range(2):
            xs = _arguments(op, dtype, seed)
            made, wanted = compiled(*xs), expected(*xs)
            for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (made, wanted)), strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=100 * eps, atol=20 * eps)
        assert all(step.loop is not None for step in compiled.plan.steps), compiled.plan


@walked("name", APART)
def test_those_apart_are_what_they_are(name: str) -> None:
    op = RECORDS[name]
    xs = _arguments(op, np.float64, 0)
    compiled = cr.compile(lambda *xs: op.apply(*xs) * 2)
    compiled(*xs)
    np.testing.assert_allclose(compiled(*xs), 2 * op.primal(*xs), rtol=1e-13)
    assert any(step.loop is None for step in compiled.plan.steps)
