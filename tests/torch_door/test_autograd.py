"""`torch.autograd` over chainrule's tape: second derivatives, functions, hooks, modes."""

import itertools

import numpy as np
import pytest
from tests.named import named, walked

import chainrule.torch as door


def close(ours, theirs) -> None:
    np.testing.assert_allclose(door.values_of(ours), theirs.detach().numpy(), 1e-5, 1e-6)


SECOND = {
    "power": lambda t, x: (x**3).sum(),
    "tanh": lambda t, x: (t.tanh(x @ x.T) * x[:, :1]).sum(),
    "softmax": lambda t, x: (t.softmax(x, 1) ** 2).sum(),
    "linear": lambda t, x: t.nn.functional.linear(x, x * 2, x[0, :2].repeat(2)[:3] * x[1, 0]).sum() ** 2,
    "layer_norm": lambda t, x: (t.nn.functional.layer_norm(x, (4,), x[0], x[1]) ** 3).sum(),
    "rms_norm": lambda t, x: (t.nn.functional.rms_norm(x, (4,), x[0]) ** 3).sum(),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 1, 2])) ** 2,
    "probabilities": lambda t, x: t.nn.functional.cross_entropy(x, t.softmax(x.detach(), 1)) ** 2,
    "attention": lambda t, x: (t.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None]) ** 2).sum(),
    "cat": lambda t, x: (t.cat([x, x * 2]) ** 3).sum(),
    "index": lambda t, x: (x[t.tensor([0, 0, 2])] ** 3).sum(),
    "split": lambda t, x: (x.chunk(2, 1)[0] ** 3 * x.chunk(2, 1)[1]).sum(),
    "conv": lambda t, x: (t.nn.functional.conv1d(x[None], (x[:, :2] ** 2)[None]) ** 2).sum(),
}


@walked("name", SECOND)
def test_gradients_of_gradients(torch, name) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    found = []
    for lib in (door, torch):
        leaf = lib.tensor(x).requires_grad_()
        y = SECOND[name](lib, leaf)
        (first,) = lib.autograd.grad(y, leaf, create_graph=True)
        (second,) = lib.autograd.grad((first**2).sum(), leaf)
        found.append((first, second))
    for ours, theirs in zip(*found, strict=True):
        close(ours, theirs)


FUSED = {
    "linear": (lambda f, x, w, b: f.linear(x, w, b), [(2, 3, 4), (5, 4), (5,)]),
    "layer_norm": (lambda f, x, w, b: f.layer_norm(x, (4,), w, b), [(2, 3, 4), (4,), (4,)]),
    "rms_norm": (lambda f, x, w: f.rms_norm(x, (4,), w), [(2, 3, 4), (4,)]),
    "batch_norm": (lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True), [(5, 3, 4), (3,), (3,)]),
    "cross_entropy": (lambda f, z, t: f.cross_entropy(z, t.softmax(-1), reduction="none"), [(5, 4), (5, 4)]),
    "attention": (lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v), [(2, 3, 4), (2, 5, 4), (2, 5, 4)]),
    "max_pool1d": (lambda f, x: f.max_pool1d(x, 3, 2, 1), [(2, 3, 8)]),
    "max_pool2d": (lambda f, x: f.max_pool2d(x.sin(), 2), [(2, 3, 5, 4)]),
    "max_pool3d": (lambda f, x: f.max_pool3d(x, 2, ceil_mode=True), [(1, 2, 3, 4, 5)]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_gradients_of_what_is_fused_whatever_is_frozen(torch, dtype) -> None:
    """A fused operation keeps only what the arguments that require a gradient need: any of them may be constants."""
    rng = np.random.default_rng(0)
    for name, (f, shapes) in FUSED.items():
        values = [rng.normal(size=shape).astype(dtype) for shape in shapes]
        for trained in itertools.product([True, False], repeat=len(values)):
            if not any(trained):
                continue
            found = []
            for lib in (door, torch):
                args = [lib.tensor(v, requires_grad=needs) for v, needs in zip(values, trained, strict=True)]
                leaves = [arg for arg in args if arg.requires_grad]
                y = f(lib.nn.functional, *args)
                first = lib.autograd.grad((y * y.sin()).sum(), leaves, create_graph=True)
                second = lib.autograd.grad(sum((g**3).sum() for g in first), leaves)
                found.append((*first, *second))
            for ours, theirs in zip(*found, strict=True):
                assert str(ours.dtype).rpartition(".")[2] == dtype, (name, trained)
                expected = theirs.detach().numpy()
                error = np.abs(ours.detach().numpy() - expected).max() / max(np.abs(expected).max(), 1e-3)
                assert error < (1e-9 if dtype == "float64" else 1e-4), (name, trained, error)


def test_gradients_of_gradients_in_a_compiled_function_are_never_cut_off() -> None:
    """A capture's values cannot be linked again: the function runs uncompiled, and says so."""
    x = door.tensor([[1.0, 2.0], [3.0, -1.0]])
    for layer in (door.nn.RMSNorm(2), door.nn.Linear(2, 2), door.nn.Sequential(door.nn.Linear(2, 2), door.nn.Tanh())):

        def penalty(x, layer=layer):
            x = x.clone().requires_grad_(True)
            (g,) = door.autograd.grad((layer(x) ** 3).sum(), x, create_graph=True)
            return (g**2).sum()

        with pytest.warns(UserWarning, match="runs uncompiled"):
            found = door.compile(penalty)(x)
        close(found, penalty(x).detach())


def test_a_gradient_penalty_trains(torch) -> None:
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    found = []
    for lib in (door, torch):
        weight, data = lib.tensor(w).requires_grad_(), lib.tensor(x).requires_grad_()
        out = lib.nn.functional.leaky_relu(data @ weight.T, 0.2).sum()
        (g,) = lib.autograd.grad(out, data, create_graph=True)
        ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
        found.append(weight.grad)
    close(*found)


def test_inputs_in_the_middle_unused_and_several() -> None:
    x, z = door.tensor(2.0, requires_grad=True), door.tensor(1.0, requires_grad=True)
    h = x * x
    y = h * 3
    assert door.autograd.grad(y, [x, h], retain_graph=True) == (door.tensor(12.0), door.tensor(3.0))
    assert door.autograd.grad(y, [z], retain_graph=True, allow_unused=True) == (None,)
    with pytest.raises(RuntimeError, match="not have been used"):
        door.autograd.grad(y, [z], retain_graph=True)
    y.backward(inputs=[z, x])
    assert (x.grad.item(), z.grad) == (12, None)
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


class Cube(door.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return factor * x**3, x.sum()

    @staticmethod
    def backward(ctx, grad, of_sum):
        (x,) = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, False)
        return grad * ctx.factor * 3 * x**2 + of_sum, None


def test_functions_of_ones_own() -> None:
    x = door.tensor([1.0, 2.0], requires_grad=True)
    y, total = Cube.apply(x, 2.0)
    (y.sum() + total).backward()
    assert x.grad.tolist() == [7, 25]
    (first,) = door.autograd.grad(Cube.apply(x, 1.0)[0].sum(), x, create_graph=True)
    assert door.autograd.grad(first.sum(), x)[0].tolist() == [6, 12]
    with door.no_grad():
        assert not Cube.apply(x, 1.0)[0].requires_grad


def test_hooks_see_and_replace_gradients() -> None:
    x = door.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    h = x * 2
    handle = h.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    x.register_hook(lambda g: g + 1)
    h.sum().backward()
    assert seen == [[1, 1]]
    assert x.grad.tolist() == [21, 21]
    handle.remove()
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 3]
    h = x * 2
    h.retain_grad()
    h.sum().backward()
    assert h.grad.tolist() == [1, 1]


def test_modes_as_blocks_decorators_and_switches() -> None:
    w = door.ones(1, requires_grad=True)

    @door.no_grad()
    def without():
        with door.enable_grad():
            inner = (w * 2).requires_grad
        return (w * 2).requires_grad, inner

    assert without() == (False, True)
    with door.set_grad_enabled(False):
        assert not door.is_grad_enabled()
    door.set_grad_enabled(False)
    assert not (w * 2).requires_grad
    door.set_grad_enabled(True)
    with door.inference_mode():
        assert not (w * 2).requires_grad
    assert door.inference_mode()(lambda: (w * 2).requires_grad)() is False
    assert (w * 2).requires_grad


def test_complex_gradients_have_pytorchs_sign(torch) -> None:
    found = []
    for lib in (door, torch):
        z = lib.tensor([1 + 2j, 3 - 1j], requires_grad=True)
        ((z * (2 - 1j)).abs() ** 2).sum().backward()
        found.append(z.grad)
    close(*found)


def test_checkpoints_compute_again() -> None:
    layer = door.nn.Linear(3, 3)
    x = door.randn(2, 3, requires_grad=True)
    calls = []

    def block(x):
        calls.append(1)
        return layer(x).tanh()

    door.utils.checkpoint.checkpoint(block, x).sum().backward()
    got = x.grad.clone(), layer.weight.grad.clone()
    x.grad = layer.weight.grad = None
    block(x).sum().backward()
    assert len(calls) == 3
    assert door.allclose(got[0], x.grad)
    assert door.allclose(got[1], layer.weight.grad)


@pytest.mark.parametrize("name", ["door", "torch"])
def test_gradcheck_is_pytorchs(torch, name) -> None:
    lib = {"door": door, "torch": torch}[name]
    check = lib.autograd.gradcheck
    x = lib.tensor([[0.5, 2.0], [-1.0, 3.0]], dtype=lib.float64, requires_grad=True)
    w = lib.tensor([1.0, 4.0], dtype=lib.float64, requires_grad=True)
    assert check(lambda x, w: (x @ w, lib.sin(x)), (x, w)) is True
    assert check(lambda x, n: x[0] * n, [x, 3], fast_mode=True) is True
    assert check(lambda x: x.sum(), x, check_undefined_grad=False) is True

    class Wrong(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        check(Wrong.apply, (x,))
    assert check(Wrong.apply, (x,), raise_exception=False) is False
    with pytest.raises(ValueError, match="at least one"):
        check(lib.sin, (x.detach(),))


def test_gradcheck_refuses_what_it_cannot_check() -> None:
    x = door.tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match="expected float64"):
        door.autograd.gradcheck(door.sin, (x,))
    with pytest.raises(ValueError, match="check_batched_grad: passes are checked one at a time"):
        door.autograd.gradcheck(door.sin, (x.double(),), check_batched_grad=True)


def wrong_forward(lib) -> type:
    class Cubed(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x
            return x**3

        @staticmethod
        def jvp(ctx, x_dot):
            return 2 * ctx.x**2 * x_dot

        @staticmethod
        def backward(ctx, y_bar):
            return 3 * ctx.x**2 * y_bar

    return Cubed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # PyTorch's own
def test_gradcheck_of_the_forward_mode_is_pytorchs(torch) -> None:
    for lib in (door, torch):
        x, y = (lib.tensor(a, dtype=lib.float64, requires_grad=True) for a in ([0.5, 2.0], [[0.25, 1.5]]))
        settings = {"check_forward_ad": True, "check_undefined_grad": False, "check_batched_grad": False}
        assert lib.autograd.gradcheck(lambda x, y: (x * y, x.sin(), y.detach() * 2), (x, y), **settings)
        cubed = wrong_forward(lib).apply
        assert lib.autograd.gradcheck(cubed, (x,), check_undefined_grad=False)
        with pytest.raises(RuntimeError, match="Jacobian computed with forward mode mismatch for output 0"):
            lib.autograd.gradcheck(cubed, (x,), **settings)


def test_rows_of_a_jacobian_are_pulled_back_by_vmap_in_one_pass() -> None:
    x = door.tensor([0.5, -1.0, 2.0], requires_grad=True)
    y = door.stack([x.sin() * x[0], x**3])
    calls = []

    def row(y_bar):
        calls.append(1)
        return door.autograd.grad(y, x, y_bar)[0]

    basis = door.eye(6).reshape(6, 2, 3)
    found = door.vmap(row)(basis)
    assert len(calls) == 1
    assert not found.requires_grad
    expected = [door.autograd.grad(y, x, y_bar, retain_graph=True)[0] for y_bar in basis]
    door.testing.assert_close(found, door.stack(expected))


def test_a_gradient_at_tensors_leaves_what_is_beyond_them_alone() -> None:
    w = door.tensor([1.0, 2.0], requires_grad=True)
    fast, total = w * 2, 0.0
    for _ in range(3):  # as in MAML: steps on tensors that are results themselves, and a pass through all of them
        (gradient,) = door.autograd.grad((fast**3).sum(), fast)
        fast = fast - 0.01 * gradient
    total = (fast**2).sum()
    total.backward()
    assert w.grad is not None
    assert w.grad.tolist() == pytest.approx((4 * fast).tolist())


def test_a_gradient_at_tensors_computes_no_other() -> None:
    seen = []

    class Noted(door.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, y_bar):
            seen.append(1)
            return y_bar

    x, w = door.ones(3, requires_grad=True), door.ones(3, requires_grad=True)
    h = x * 2
    y = (Noted.apply(w) * h * Noted.apply(h)).sum()
    for create_graph in (False, True):
        seen.clear()
        (at_h,) = door.autograd.grad(y, h, retain_graph=True, create_graph=create_graph)
        assert at_h.tolist() == [4, 4, 4]
        assert len(seen) == 1  # of w nothing is asked
        at_x, at_h = door.autograd.grad(y, (x, h), retain_graph=True, create_graph=create_graph)
        assert (at_x.tolist(), at_h.tolist()) == ([8, 8, 8], [4, 4, 4])


def test_two_derivatives_through_a_fused_operation_at_one_input() -> None:
    x, w = door.linspace(-1, 1, 6).reshape(2, 3).requires_grad_(), door.ones(3, 3, requires_grad=True)
    y = door.nn.functional.layer_norm(x @ w * x, (3,)).exp()
    (first,) = door.autograd.grad(y.sum(), x, create_graph=True)
    (both,) = door.autograd.grad((first**2).sum(), w)
    z = door.nn.functional.layer_norm(x @ w * x, (3,)).exp()
    z.sum().backward(create_graph=True)
    (full,) = door.autograd.grad((x.grad**2).sum(), w)
    assert door.allclose(both, full)


def test_second_derivatives_through_normalisations_without_a_gradient_of_their_scales(torch) -> None:
    def found(library, f):
        given = library.linspace(-1, 1, 24, dtype=library.float64).reshape(2, 4, 3).requires_grad_()
        scale = 2 * library.ones(4, dtype=library.float64)
        (first,) = library.autograd.grad((f(library, given.exp(), scale) ** 3).sum(), given, create_graph=True)
        return library.autograd.grad((first * first).sum(), given)[0].numpy()

    cases = {
        "layer_norm": lambda t, x, _: t.nn.functional.layer_norm(x, (3,)),
        "layer_norm, scaled": lambda t, x, scale: t.nn.functional.layer_norm(x, (3,), scale[:3]),
        "group_norm": lambda t, x, scale: t.nn.functional.group_norm(x, 2, scale),
        "batch_norm": lambda t, x, scale: t.nn.functional.batch_norm(x, None, None, scale, scale, True),
        "instance_norm": lambda t, x, _: t.nn.functional.instance_norm(x),
    }
    for name, f in cases.items():
        with named(name):
            np.testing.assert_allclose(found(door, f), found(torch, f), rtol=1e-7, atol=1e-8)


def test_values_with_a_gradient_are_arrays_inside_no_grad(torch) -> None:
    for lib in (door, torch):
        y = lib.tensor([1.0, 2.0], requires_grad=True) * 2
        with pytest.raises(RuntimeError, match="detach"):
            y.numpy()
        with lib.no_grad():
            assert y.numpy().tolist() == np.asarray(y).tolist() == [2.0, 4.0]
