"""Each fused record is its composite: in value, in both modes, and in second order."""

import numpy as np
import pytest
from tests.named import walked

import chainrule.rules
from chainrule.core.operation import REGISTRY
from chainrule.core.transforms.derivatives import grad, jvp, vjp

NAMES = (
    "linear",
    "layer_norm",
    "rms_norm",
    "scaled_dot_product_attention",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
)
CALLS = [
    pytest.param(REGISTRY[name], one, id=f"{name}-{k}") for name in NAMES for k, one in enumerate(REGISTRY[name].cases)
]


def is_shape(x):
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


class Call:
    """A record's case with numbers in it, as functions of its floating arguments."""

    def __init__(self, op, one, dtype=np.float64):
        rng = np.random.default_rng(0)
        self.op, self.settings = op, {**op.defaults, **one.settings}
        self.inputs = [rng.normal(size=x).astype(dtype) if is_shape(x) else x for x in one.inputs]
        self.moving = [k for k, x in enumerate(one.inputs) if is_shape(x)]
        self.primals = [self.inputs[k] for k in self.moving]
        self.tangents = [rng.normal(size=x.shape).astype(dtype) for x in self.primals]
        self.y_bar = rng.normal(size=np.shape(self.fast(*self.primals))).astype(dtype)

    def _filled(self, values):
        filled = list(self.inputs)
        for k, value in zip(self.moving, values, strict=True):
            filled[k] = value
        return filled

    def fast(self, *values):
        return self.op.apply(*self._filled(values), **self.settings)

    def composite(self, *values):
        return self.op.composite(*self._filled(values), **self.settings)

    def directional(self, f):
        """A scalar whose gradient is a second derivative of f: its gradient along the tangents."""

        def along(*values):
            gradients = vjp(f, *values)[1](self.y_bar)
            return sum((g * t).sum() for g, t in zip(gradients, self.tangents, strict=True))

        return along


def close(got, wanted, rtol=1e-10, atol=1e-12):
    for g, w in zip(got, wanted, strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(g, w, rtol=rtol, atol=atol)


@walked(("op", "one"), CALLS)
def test_value_and_both_modes_are_those_of_the_composite(op, one):
    call = Call(op, one)
    (y, pull), (z, composite_pull) = vjp(call.fast, *call.primals), vjp(call.composite, *call.primals)
    close([y], [z])
    close(pull(call.y_bar), composite_pull(call.y_bar))
    close(jvp(call.fast, call.primals, call.tangents), jvp(call.composite, call.primals, call.tangents))


@walked(("op", "one"), CALLS)
def test_the_reverse_rules_are_the_transpose_of_forward_mode(op, one):
    call = Call(op, one)
    gradients = vjp(call.fast, *call.primals)[1](call.y_bar)
    _, y_dot = jvp(call.fast, call.primals, call.tangents)
    pulled = sum(np.sum(g * t) for g, t in zip(gradients, call.tangents, strict=True))
    np.testing.assert_allclose(pulled, np.sum(call.y_bar * y_dot), rtol=1e-10, atol=1e-12)


@walked(("op", "one"), CALLS)
def test_second_derivatives_are_those_of_central_differences(op, one):
    call = Call(op, one)
    f = call.directional(call.fast)
    got = grad(f, argnums=tuple(range(len(call.primals))))(*call.primals)
    h = 1e-5
    ahead = f(*(x + h * t for x, t in zip(call.primals, call.tangents, strict=True)))
    behind = f(*(x - h * t for x, t in zip(call.primals, call.tangents, strict=True)))
    along = sum(np.sum(g * t) for g, t in zip(got, call.tangents, strict=True))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-6)
    close([jvp(f, call.primals, call.tangents)[1]], [along])


@walked(("op", "one"), CALLS)
def test_float32_stays_float32_and_inputs_may_be_read_only_views(op, one):
    call = Call(op, one, np.float32)
    views = []
    for x in call.primals:
        view = np.repeat(x, 2, axis=-1)[..., ::-2][..., ::-1]
        view.flags.writeable = False
        views.append(view)
    (y, pull), (z, wanted) = vjp(call.fast, *views), vjp(call.composite, *call.primals)
    assert y.dtype == np.float32
    gradients = pull(call.y_bar)
    assert {g.dtype for g in gradients} <= {np.dtype(np.float32)}
    close([y, *gradients], [z, *wanted(call.y_bar)], rtol=1e-3, atol=1e-4)


def test_linear_is_the_table_of_the_linear_layer():
    rng = np.random.default_rng(1)
    x, w, b, z_bar = (rng.normal(size=shape) for shape in [(32, 10), (10, 5), (5,), (32, 5)])
    z, pull = vjp(REGISTRY["linear"].apply, x, w, b)
    np.testing.assert_array_equal(z, x @ w + b)
    close(pull(z_bar), (z_bar @ w.T, x.T @ z_bar, z_bar.sum(axis=0)), rtol=1e-12)


@walked("shapes", [((2, 4), (3, 5), (5,)), ((2, 3), (3, 5), (4,)), ((2, 3), (3, 5), ()), ((), (3, 5), (5,))])
def test_linear_names_the_shapes_that_do_not_fit(shapes):
    with pytest.raises(
        ValueError, match=r"linear: expected x \[\.\.\., in\], w \[in, out\] and b \[out\], got the shapes"
    ):
        REGISTRY["linear"].apply(*map(np.zeros, shapes))


def test_linear_without_a_bias_is_the_matrix_product():
    x, w = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(chainrule.rules.network.linear.linear(x, w), x @ w)


@walked("record", [op for op in REGISTRY.values() if op.kind == "fused"], ids=lambda op: op.name)
def test_the_pullback_of_the_pullback_is_the_derivative(record):
    """With A = Jᵀ, the map of ȳ, the adjoint of A is J: ⟨u, J Jᵀ v⟩ = ⟨Jᵀ u, Jᵀ v⟩."""
    rng = np.random.default_rng(0)
    case = record.cases[0]
    args = [
        rng.uniform(*record.domain.get(name, (-3, 3)), size=x) if isinstance(x, tuple) else x
        for name, x in zip(record.arguments, case.inputs, strict=True)
    ]
    moving = [
        k
        for k, name in enumerate(record.arguments)
        if name in record.differentiable and np.asarray(args[k]).dtype.kind == "f"
    ]

    def f(*chosen):
        full = list(args)
        for k, x in zip(moving, chosen, strict=True):
            full[k] = x
        return record.apply(*full, **case.settings)

    y, pullback = vjp(f, *(args[k] for k in moving))
    u, v = rng.normal(size=y.shape), rng.normal(size=y.shape)
    (jjt_v,) = vjp(pullback, v)[1](pullback(v))
    expected = sum(float(np.sum(a * b)) for a, b in zip(pullback(u), pullback(v), strict=True))
    assert float(np.sum(u * jjt_v)) == pytest.approx(expected, rel=1e-10)
