"""Functions that only move elements: each against NumPy's, and against the laws of a linear map and its adjoint."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from tests.named import walked

import chainrule as cr
from chainrule.core.tree import flatten, unflatten
from chainrule.rules.arrays import arrange, concatenator, gather, join, shape


def drawn(shapes, dtype=np.float64):
    generator = np.random.default_rng(5)
    return [generator.normal(size=s).astype(dtype) for s in shapes]


def dot(a, b):
    return sum(float(np.vdot(p, q)) for p, q in zip(flatten(a)[0], flatten(b)[0], strict=True))


def assert_same(got, expected):
    got, expected = flatten(got)[0], flatten(expected)[0]
    assert len(got) == len(expected)
    for g, e in zip(got, expected, strict=True):
        assert np.shape(g) == np.shape(e)
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-12)


def numpy_of(tree):
    return [leaf.numpy() if isinstance(leaf, cr.Tensor) else np.asarray(leaf) for leaf in flatten(tree)[0]]


def half_square(f):
    return lambda *xs: sum((0.5 * (y * y)).sum() for y in flatten(f(*xs))[0])


def assert_moves(f, reference, *shapes):
    """Hold `f` to a NumPy function that is affine, in value, both modes, second order, and in single precision."""
    xs, dots = drawn(shapes), drawn(shapes)[::-1] if len({*shapes}) == 1 else drawn([*shapes, ()])[:-1]
    dots = [2 * d + 1 for d in dots]
    y = reference(*xs)
    assert_same(f(*xs), y)
    assert_same(numpy_of(f(*map(cr.tensor, xs))), numpy_of(y))

    value, y_dot = cr.jvp(f, xs, dots)
    assert_same(value, y)
    moved = reference(*(x + d for x, d in zip(xs, dots, strict=True)))
    difference = [a - b for a, b in zip(flatten(moved)[0], flatten(y)[0], strict=True)]
    assert_same(flatten(y_dot)[0], difference)

    # A cotangent of which J makes nothing must come back as nothing: it is drawn, not taken from J's image.
    leaves, structure = flatten(value)
    y_bar = unflatten(structure, drawn([np.shape(leaf) for leaf in leaves]))
    _, pullback = cr.vjp(f, *xs)
    x_bars = pullback(y_bar)
    assert [b.shape for b in x_bars] == [x.shape for x in xs]
    assert dot(y_bar, y_dot) == pytest.approx(dot(list(x_bars), dots), rel=1e-10, abs=1e-10)

    # The Hessian of |f|²/2 is JᵀJ.
    products = cr.hvp(half_square(f), xs, dots)
    assert_same(products if len(xs) > 1 else (products,), pullback(y_dot))

    singles = drawn(shapes, np.float32)
    value, pullback = cr.vjp(f, *singles)
    assert [leaf.dtype for leaf in flatten(value)[0]] == [leaf.dtype for leaf in flatten(reference(*singles))[0]]
    assert {bar.dtype for bar in pullback(value)} == {np.dtype(np.float32)}


ONE = {
    "reshape": (lambda m, x: m.reshape(x, (3, -1)), (2, 3, 2)),
    "reshape-empty": (lambda m, x: m.reshape(x, (3, 0)), (0, 2)),
    "reshape-scalar": (lambda m, x: m.reshape(x, (1, 1)), ()),
    "ravel": (lambda m, x: m.ravel(x), (2, 3)),
    "transpose": (lambda m, x: m.transpose(x), (2, 3, 4)),
    "transpose-axes": (lambda m, x: m.transpose(x, (1, -1, 0)), (2, 3, 4)),
    "matrix_transpose": (lambda m, x: m.matrix_transpose(x), (2, 3, 4)),
    "swapaxes": (lambda m, x: m.swapaxes(x, 0, -1), (2, 3, 4)),
    "moveaxis": (lambda m, x: m.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4)),
    "rollaxis": (lambda m, x: m.rollaxis(x, 2), (2, 3, 4)),
    "rollaxis-end": (lambda m, x: m.rollaxis(x, 0, 3), (2, 3, 4)),
    "expand_dims": (lambda m, x: m.expand_dims(x, (0, -2)), (2, 3)),
    "squeeze": (lambda m, x: m.squeeze(x), (1, 2, 1)),
    "squeeze-axis": (lambda m, x: m.squeeze(x, -1), (1, 2, 1)),
    "atleast_1d": (lambda m, x: m.atleast_1d(x), ()),
    "atleast_2d": (lambda m, x: m.atleast_2d(x), (3,)),
    "atleast_2d-scalar": (lambda m, x: m.atleast_2d(x), ()),
    "atleast_3d-0": (lambda m, x: m.atleast_3d(x), ()),
    "atleast_3d-1": (lambda m, x: m.atleast_3d(x), (3,)),
    "atleast_3d-2": (lambda m, x: m.atleast_3d(x), (3, 2)),
    "atleast_3d-4": (lambda m, x: m.atleast_3d(x), (1, 2, 3, 2)),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (4, 2, 3)), (2, 1)),
    "broadcast_to-empty": (lambda m, x: m.broadcast_to(x, (0, 2)), (2,)),
    "copy": (lambda m, x: m.copy(x), (2, 3)),
    "flip": (lambda m, x: m.flip(x), (2, 3)),
    "flip-axes": (lambda m, x: m.flip(x, (0, -1)), (2, 3, 2)),
    "fliplr": (lambda m, x: m.fliplr(x), (2, 3)),
    "flipud": (lambda m, x: m.flipud(x), (2, 3)),
    **{f"rot90-{k}": (lambda m, x, k=k: m.rot90(x, k, (1, 0)), (2, 3, 2)) for k in range(-1, 4)},
    "roll": (lambda m, x: m.roll(x, 2), (2, 3)),
    "roll-axes": (lambda m, x: m.roll(x, (1, -2), (0, 1)), (2, 3)),
    "roll-one-axis-twice": (lambda m, x: m.roll(x, 1, (1, 1)), (2, 3)),
    "roll-empty": (lambda m, x: m.roll(x, 1, 0), (0, 3)),
    "tile": (lambda m, x: m.tile(x, (2, 1, 3)), (2, 3)),
    "tile-few": (lambda m, x: m.tile(x, 2), (2, 3)),
    "tile-none": (lambda m, x: m.tile(x, 0), (2, 3)),
    "repeat": (lambda m, x: m.repeat(x, 2), (2, 3)),
    "repeat-each": (lambda m, x: m.repeat(x, [0, 3, 1], axis=1), (2, 3)),
    "tril": (lambda m, x: m.tril(x), (3, 3)),
    "tril-k": (lambda m, x: m.tril(x, -1), (2, 3, 4)),
    "triu": (lambda m, x: m.triu(x), (3, 3)),
    "triu-k": (lambda m, x: m.triu(x, 2), (2, 3, 4)),
    "pad": (lambda m, x: m.pad(x, ((1, 0), (2, 3))), (2, 3)),
    "pad-number": (lambda m, x: m.pad(x, 1), (2, 3)),
    "pad-values": (lambda m, x: m.pad(x, (1, 2), constant_values=(5, -7)), (2, 3)),
    "pad-0d": (lambda m, x: m.pad(x, 2), ()),
    **{
        f"pad-{mode}": (lambda m, x, mode=mode: m.pad(x, ((4, 3), (0, 5)), mode=mode), (2, 3))
        for mode in ("edge", "reflect", "symmetric", "wrap")
    },
    "diagonal": (lambda m, x: m.diagonal(x), (3, 4)),
    "diagonal-axes": (lambda m, x: m.diagonal(x, -1, 2, 0), (3, 2, 4)),
    "diagonal-outside": (lambda m, x: m.diagonal(x, 7), (3, 4)),
    "trace": (lambda m, x: m.trace(x, 1), (3, 4, 2)),
    "diag-vector": (lambda m, x: m.diag(x, -2), (3,)),
    "diag-matrix": (lambda m, x: m.diag(x, 1), (3, 2)),
    "diagflat": (lambda m, x: m.diagflat(x, 1), (2, 2)),
    "split": (lambda m, x: m.split(x, 2, axis=1), (3, 4)),
    "split-places": (lambda m, x: m.split(x, [1, 1, 7]), (3, 4)),
    "array_split": (lambda m, x: m.array_split(x, 3), (5, 2)),
    "array_split-too-many": (lambda m, x: m.array_split(x, 4, -1), (1, 2)),
    "hsplit": (lambda m, x: m.hsplit(x, 2), (4,)),
    "hsplit-matrix": (lambda m, x: m.hsplit(x, 2), (3, 4)),
    "vsplit": (lambda m, x: m.vsplit(x, [1]), (3, 4)),
    "dsplit": (lambda m, x: m.dsplit(x, 2), (2, 3, 2)),
    "unstack": (lambda m, x: getattr(m, "unstack", join.unstack)(x, axis=1), (2, 3)),
}
SEVERAL = {
    "broadcast_arrays": (lambda m, *xs: m.broadcast_arrays(*xs), [(3,), (2, 1), ()]),
    "atleast_2d": (lambda m, *xs: m.atleast_2d(*xs), [(3,), ()]),
    "meshgrid": (lambda m, *xs: m.meshgrid(*xs), [(3,), (2,), (4,)]),
    "meshgrid-ij": (lambda m, *xs: m.meshgrid(*xs, indexing="ij"), [(3,), (2,)]),
    "meshgrid-sparse": (lambda m, *xs: m.meshgrid(*xs, sparse=True), [(3,), ()]),
    "meshgrid-one": (lambda m, *xs: m.meshgrid(*xs), [(3,)]),
    "concatenate": (lambda m, *xs: m.concatenate(xs, axis=-1), [(2, 3), (2, 0), (2, 1)]),
    "concatenate-flat": (lambda m, *xs: m.concatenate(xs, axis=None), [(2, 3), ()]),
    "stack": (lambda m, *xs: m.stack(xs, axis=-1), [(2, 3), (2, 3)]),
    "stack-scalars": (lambda m, *xs: m.stack(xs), [(), (), ()]),
    "vstack": (lambda m, *xs: m.vstack(xs), [(3,), (2, 3)]),
    "hstack": (lambda m, *xs: m.hstack(xs), [(3,), (2,)]),
    "hstack-matrices": (lambda m, *xs: m.hstack(xs), [(2, 3), (2, 1)]),
    "dstack": (lambda m, *xs: m.dstack(xs), [(2, 3), (2, 3)]),
    "column_stack": (lambda m, *xs: m.column_stack(xs), [(2,), (2, 3), (2,)]),
    "append": (lambda m, *xs: m.append(*xs), [(2, 2), (3,)]),
    "append-axis": (lambda m, *xs: m.append(*xs, axis=1), [(2, 2), (2, 1)]),
    "block": (lambda m, a, b, c: m.block([[a, b], [c]]), [(2, 3), (2, 1), (1, 4)]),
    "block-row": (lambda m, *xs: m.block([*xs]), [(2, 3), (2, 1)]),
    "block-one": (lambda m, x: m.block(x), [(2, 3)]),
    "block-promotes": (lambda m, *xs: m.block([[x] for x in xs]), [(3,), (1, 3)]),
    "r_": (lambda m, a, b: m.r_[a, 1.0, b, 0:3], [(2,), ()]),
    "r_-matrices": (lambda m, *xs: m.r_[xs], [(2, 3), (1, 3)]),
    "r_-points": (lambda m, x: m.r_[x, 0:1:4j], [(2,)]),
    "c_": (lambda m, *xs: m.c_[xs], [(2,), (2, 3), (2,)]),
}


class Ours:
    """Every function under test by NumPy's name."""

    def __getattr__(self, name):
        return next(getattr(m, name) for m in (shape, join, arrange, gather, concatenator) if hasattr(m, name))


@walked("name", ONE)
def test_a_function_of_one_array_is_numpys_and_has_its_adjoint(name):
    function, one_shape = ONE[name]
    assert_moves(lambda x: function(Ours(), x), lambda x: function(np, x), one_shape)


@walked("name", SEVERAL)
def test_a_function_of_several_arrays_is_numpys_and_has_its_adjoint(name):
    function, shapes = SEVERAL[name]
    assert_moves(lambda *xs: function(Ours(), *xs), lambda *xs: function(np, *xs), *shapes)


@walked("name", ONE)
def test_numpys_own_function_takes_tensors(name):
    function, one_shape = ONE[name]
    (x,) = drawn([one_shape])
    got = flatten(function(np, cr.tensor(x)))[0]
    assert all(isinstance(part, cr.Tensor) for part in got)
    assert_same(numpy_of(got), numpy_of(function(np, x)))


# Random shapes


@given(nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), st.randoms(use_true_random=False))
def test_transposing_twice_is_the_identity_and_so_is_its_gradient(s, rnd):
    axes = list(range(len(s)))
    rnd.shuffle(axes)
    x = np.arange(math.prod(s), dtype=float).reshape(s)
    y, pullback = cr.vjp(lambda x: shape.transpose(x, axes), x)
    np.testing.assert_array_equal(y, x.transpose(axes))
    np.testing.assert_array_equal(pullback(y)[0], x)


@given(nps.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3))
def test_the_gradient_of_a_broadcast_counts_the_copies(shapes):
    s, target = shapes.input_shapes[0], shapes.result_shape
    y, pullback = cr.vjp(lambda x: shape.broadcast_to(x, target), np.ones(s))
    assert y.shape == target
    (x_bar,) = pullback(np.ones(target))
    np.testing.assert_array_equal(x_bar, np.full(s, math.prod(target) / math.prod(s) if math.prod(s) else 0.0))


@given(nps.array_shapes(min_dims=1, max_dims=3, max_side=4), st.data())
def test_splitting_and_joining_is_the_identity(s, data):
    axis = data.draw(st.integers(-len(s), len(s) - 1))
    parts = data.draw(st.integers(1, 5))
    x = np.random.default_rng(0).normal(size=s)
    y, pullback = cr.vjp(lambda x: join.concatenate(join.array_split(x, parts, axis), axis), x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(pullback(x)[0], x)


@given(
    nps.array_shapes(min_dims=1, max_dims=3, max_side=4),
    st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    st.data(),
)
def test_padding_is_numpys_for_any_widths(s, mode, data):
    widths = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=len(s), max_size=len(s)))
    x = np.arange(math.prod(s), dtype=float).reshape(s) + 1
    y, pullback = cr.vjp(lambda x: arrange.pad(x, widths, mode), x)
    np.testing.assert_array_equal(y, np.pad(x, widths, mode))
    # Each element's gradient is how often the result shows it.
    counts = np.bincount(y.astype(int).ravel(), minlength=x.size + 1)[1:]
    np.testing.assert_array_equal(pullback(np.ones(y.shape))[0].ravel(), counts)


# Methods


def test_methods_take_shapes_and_axes_in_both_forms():
    x = cr.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape([3, -1]).shape == (3, 2)
    assert x.reshape(-1).shape == x.flatten().shape == x.ravel().shape == (6,)
    assert (
        x.T.shape == x.mT.shape == x.transpose().shape == x.transpose(1, 0).shape == x.transpose((1, 0)).shape == (3, 2)
    )
    assert x.swapaxes(0, 1).shape == (3, 2)
    assert x.reshape(2, 1, 3).squeeze(1).shape == (2, 3)
    (x.T.reshape(6) * np.arange(6.0)).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 2, 4], [1, 3, 5]])


def test_non_contiguous_and_read_only_inputs():
    x = np.arange(24.0).reshape(4, 6)[::-1, ::2]
    x.flags.writeable = False
    y, pullback = cr.vjp(lambda x: arrange.flip(shape.reshape(x, (6, 2)), 0), x)
    np.testing.assert_array_equal(y, x.reshape(6, 2)[::-1])
    np.testing.assert_array_equal(pullback(y)[0], x)


def test_a_split_whose_parts_are_not_all_used():
    gradient = cr.grad(lambda x: (join.split(x, 3)[1] ** 2).sum())(np.arange(6.0))
    np.testing.assert_array_equal(gradient, [0, 0, 4, 6, 0, 0])


# dtypes


def test_astype_between_floats_is_differentiable_and_the_gradient_keeps_the_dtype():
    x = np.array([1.0, 2.0])
    y, pullback = cr.vjp(lambda x: x.astype(np.float32) * np.float32(3), x)
    assert y.dtype == np.float32
    (x_bar,) = pullback(np.ones(2, np.float32))
    assert x_bar.dtype == np.float64
    np.testing.assert_array_equal(x_bar, [3.0, 3.0])
    np.testing.assert_allclose(cr.hvp(lambda x: (x.astype(np.float32) ** 3).sum(), (x,), (x,)), 6 * x * x, rtol=1e-6)


def test_astype_to_integers_is_a_constant():
    x = cr.tensor([1.5, -2.5], requires_grad=True)
    y = x.astype(np.int64)
    assert not y.requires_grad
    assert y.dtype == np.int64
    assert y.tolist() == [1, -2]
    assert cr.tensor(np.arange(3)).astype(float).dtype == np.float64
    assert shape.astype(2, np.float32).dtype == np.float32


def test_astype_copies_and_a_gradient_flows_through_complex_numbers():
    x = cr.tensor([1.0, 2.0])
    y = x.astype(np.float64)
    assert not np.shares_memory(y.numpy(), x.numpy())
    np.testing.assert_array_equal(cr.grad(lambda x: (x.astype(complex) * (2 - 3j)).real.sum())(np.ones(2)), [2.0, 2.0])
    with pytest.warns(np.exceptions.ComplexWarning):  # NumPy's
        np.testing.assert_array_equal(cr.grad(lambda z: z.astype(float).sum())(np.ones(2) * 1j), [1.0, 1.0])


# Errors


@walked(
    ("call", "message"),
    [
        (lambda x: shape.reshape(x, (4, 2)), r"reshape: cannot reshape array of size 6 .*float64\[2, 3\]"),
        (lambda x: shape.reshape(x, 6, order="B"), r"reshape: got order='B', expected 'C', 'F' or 'A'"),
        (lambda x: shape.transpose(x, (0, 2)), r"transpose: axis 2 is out of bounds"),
        (lambda x: shape.swapaxes(x, 0, 2), r"swapaxes: axis 2 is out of bounds"),
        (lambda x: shape.moveaxis(x, (0, 1), 0), r"moveaxis: got 2 source axes and 1 destinations"),
        (lambda x: shape.expand_dims(x, 3), r"expand_dims: axis 3 is out of bounds"),
        (lambda x: shape.squeeze(x, 1), r"squeeze: axis 1 has length 3, expected 1"),
        (lambda x: shape.broadcast_to(x, (2, 4)), r"broadcast_to: .*float64\[2, 3\]"),
        (lambda x: shape.meshgrid(x, indexing="yx"), r"meshgrid: got indexing='yx'"),
        (lambda x: shape.matrix_transpose(x[0]), r"matrix_transpose: expected two axes or more, got shape \(3,\)"),
        (lambda x: join.concatenate([]), r"concatenate: got no arrays"),
        (lambda x: join.concatenate([x, x], axis=2), r"concatenate: axis 2 is out of bounds"),
        (lambda x: join.concatenate([x, x[0]]), r"concatenate: .*xs\[1\] float64\[3\]"),
        (lambda x: join.stack([]), r"stack: got no arrays"),
        (lambda x: join.stack([x, x[0]]), r"stack: .*same shape.*xs\[1\] float64\[3\]"),
        (lambda x: join.split(x, 2, axis=1), r"split: an axis of length 3 does not divide into 2 equal pieces"),
        (lambda x: join.array_split(x, 0), r"array_split: got 0 pieces, expected 1 or more"),
        (lambda x: join.dsplit(x, 1), r"dsplit: expected 3 axes or more, got shape \(2, 3\)"),
        (lambda x: join.block([[x], x]), r"block: got lists that are empty or of different depths"),
        (lambda x: join.block([]), r"block: got lists that are empty or of different depths"),
        (lambda x: arrange.flip(x, 2), r"flip: axis 2 is out of bounds"),
        (lambda x: arrange.roll(x, 1, 2), r"roll: axis 2 is out of bounds"),
        (lambda x: arrange.repeat(x, 2, 2), r"repeat: axis 2 is out of bounds"),
        (lambda x: arrange.pad(x, -1), r"pad: got pad_width=-1, expected no negative number"),
        (lambda x: arrange.pad(x, 1, mode="empty"), r"pad: got mode='empty', expected 'constant'"),
        (lambda x: gather.diagonal(x[0]), r"diagonal: expected two axes or more, got shape \(3,\)"),
        (lambda x: gather.diag(x[0, 0]), r"diag: expected a vector or a matrix, got shape \(\)"),
    ],
)
@walked("box", [np.asarray, cr.tensor])
def test_an_error_names_the_function_and_what_came(call, message, box):
    with pytest.raises(ValueError, match=message):
        call(box(np.zeros((2, 3))))


def test_padding_does_not_lose_the_gradient_of_its_values():
    with pytest.raises(cr.GradientError, match="its gradient would be lost"):
        arrange.pad(cr.tensor([1.0]), 1, constant_values=cr.tensor(2.0, requires_grad=True))


def test_r_says_that_it_knows_no_directives():
    with pytest.raises(TypeError, match="r_: got the directive 'r', which is not supported"):
        concatenator.r_["r", cr.tensor(np.ones(2))]
