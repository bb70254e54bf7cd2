"""A function of chainrule inside PyTorch and one of PyTorch inside chainrule: all modes and orders of derivatives."""

import pickle
import warnings

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch import (
    as_torch_function,
    from_torch,
    from_torch_function,
    load_state_dict,
    state_dict,
    to_torch,
)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # PyTorch of itself, in forward mode


@pytest.fixture
def tensors(torch):
    def make(*shapes, dtype="float64"):
        generator = torch.Generator().manual_seed(0)
        options = {"generator": generator, "dtype": getattr(torch, dtype), "requires_grad": True}
        return [torch.randn(shape, **options) for shape in shapes]

    return make


# Inside PyTorch

FUNCTIONS = {
    "elementwise": (lambda x: np.sin(x) * x, [(3, 2)]),
    "product": (lambda x, w: np.tanh(x @ w), [(3, 4), (4, 2)]),
    "several results": (lambda x, y: (x * y, {"s": (x * x).sum()}), [(3,), (3,)]),
    "softmax": (lambda x: cr.softmax(x, axis=-1), [(2, 3)]),
    "scalar": (lambda x: x**3, [()]),
    "module": (nn.Sequential(nn.Linear(3, 2, dtype=np.float64), nn.Tanh()).requires_grad_(False), [(2, 3)]),
}


def flat(y):
    if isinstance(y, dict):
        return flat(tuple(y.values()))
    return tuple(part for item in y for part in flat(item)) if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_torch_finds_the_derivatives_right(torch, tensors, name):
    f, shapes = FUNCTIONS[name]
    g = as_torch_function(f)

    def called(*xs):
        return flat(g(*xs))

    xs = tensors(*shapes)
    assert torch.autograd.gradcheck(called, xs, check_forward_ad=True, check_batched_grad=False)
    assert torch.autograd.gradgradcheck(called, xs, check_fwd_over_rev=True, check_batched_grad=False)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_dtypes_stay(torch, tensors, dtype):
    (x,) = tensors((3,), dtype=dtype)
    y = as_torch_function(lambda x: x * x)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == getattr(torch, dtype)


def test_torch_func(torch, tensors):
    (x,) = tensors((4,))
    x = x.detach()
    f = as_torch_function(lambda x: np.sin(x).sum())
    torch.testing.assert_close(torch.func.grad(f)(x), x.cos())
    torch.testing.assert_close(torch.func.hessian(f)(x), torch.diag(-x.sin()))
    torch.testing.assert_close(torch.func.jacrev(torch.func.grad(f))(x), torch.diag(-x.sin()))
    rows = torch.stack([x, 2 * x], dim=1)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(f), in_dims=1)(rows), rows.T.cos())
    torch.testing.assert_close(torch.func.grad(lambda x: torch.func.vmap(f)(x).sum())(rows), rows.cos())


def test_the_third_derivative(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = as_torch_function(lambda x: x**4)(x)
    for expected in (32.0, 48.0, 48.0):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == expected


def test_forward_runs_once_for_a_backward_pass(torch, tensors):
    runs = []

    def f(x):
        runs.append(type(x))
        return x * x

    (x,) = tensors((3,))
    y = as_torch_function(f)(x)
    for _ in range(2):
        y.sum().backward(retain_graph=True)
    assert len(runs) == 1
    torch.testing.assert_close(x.grad, 4 * x.detach())
    with torch.no_grad():
        as_torch_function(f)(x)
    assert runs[1] is np.ndarray  # nothing is recorded where nobody asks


def test_trees_settings_and_constants(torch):
    def f(tree, rows, power, *, scale):
        assert power == 2
        return {"y": scale * tree["a"][rows] ** power, "rows": rows, "n": 3}

    a = torch.tensor([1.0, 2.0], requires_grad=True)
    result = as_torch_function(f)({"a": a, "b": None}, torch.tensor([1, 1]), 2, scale=10.0)
    assert not result["rows"].requires_grad
    assert result["n"].item() == 3
    result["y"].sum().backward()
    assert a.grad.tolist() == [0, 80]


def test_forward_mode_with_whole_numbers_among_the_results(torch, tensors):
    f = as_torch_function(lambda x: (np.sin(x), np.argsort(x)))
    x = tensors((3,))[0].detach()
    with torch.autograd.forward_ad.dual_level():
        y, order = map(torch.autograd.forward_ad.unpack_dual, f(torch.autograd.forward_ad.make_dual(x, x)))
    torch.testing.assert_close(y.tangent, x * x.cos())
    assert order.tangent is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_torch_compile_goes_around_it(torch, tensors, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    f = as_torch_function(np.sin)
    (x,) = tensors((3,))
    torch.compile(lambda x: (f(2 * x) * 3).sum(), backend="eager")(x).backward()
    torch.testing.assert_close(x.grad, 6 * (2 * x.detach()).cos())


def test_inputs_are_shared_and_outputs_are_not(torch):
    seen = []
    t = torch.ones(3)

    def f(x):
        seen.append(x)
        return x

    y = as_torch_function(f)(t)
    assert seen[0].__array_interface__["data"][0] == t.data_ptr()
    assert not seen[0].flags.writeable
    y.zero_()
    assert t.tolist() == [1, 1, 1]


def test_a_change_in_place_is_noticed(torch, tensors):
    (x,) = tensors((3,))
    moved = x * 1
    y = as_torch_function(np.sin)(moved)
    with torch.no_grad():
        moved.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_an_output_may_be_changed_in_place(torch, tensors):
    (x,) = tensors((3,))
    y = as_torch_function(np.tanh)(x)
    y.mul_(2)
    y.sum().backward()
    torch.testing.assert_close(x.grad, 2 * (1 - torch.tanh(x.detach()) ** 2))


def test_parameters_that_the_function_refers_to_are_constant(torch, tensors):
    w = cr.ones(3, requires_grad=True)
    (x,) = tensors((3,))
    as_torch_function(lambda x: x * w)(x).sum().backward()
    assert w.grad is None
    assert x.grad.tolist() == [1, 1, 1]


@walked(
    ("make", "error", "message"),
    [
        (lambda t: t.ones(2, dtype=t.bfloat16), TypeError, "tensor 0: got bfloat16"),
        (lambda t: t.ones(2, dtype=t.complex64), TypeError, "complex64, expected real numbers"),
        (
            lambda t: t.ones(2, device="meta"),
            ValueError,
            "tensor 0: got a tensor on meta; chainrule computes",
        ),
    ],
)
def test_tensors_that_chainrule_cannot_take(torch, make, error, message):
    with pytest.raises(error, match=f"as_torch_function: .*{message}"):
        as_torch_function(np.sin)(make(torch))


def test_functions_that_cannot_be_taken(torch):
    with pytest.raises(TypeError, match="the parameters of Linear would be constants; use to_torch"):
        as_torch_function(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="expected a function, got int"):
        as_torch_function(3)
    with pytest.raises(TypeError, match="must return arrays, got str"):
        as_torch_function(lambda x: "a")(torch.ones(2))
    with pytest.raises(TypeError, match="must return arrays, got Tensor"):
        as_torch_function(lambda x: torch.ones(2))(torch.ones(2))


def test_check_torch_takes_it(torch, tensors):
    @cr.custom
    def cube(x):
        return x**3

    cube.def_vjp(lambda y_bar, x: 2 * y_bar * x**2)
    report = cr.check_torch(as_torch_function(cube), *tensors((3,)))
    assert report.verdict == "wrong"
    assert report.findings[0].code == "factor"
    assert cr.check_torch(as_torch_function(np.sin), *tensors((3,))).verdict == "right"


# Modules of one's own inside PyTorch


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 4, dtype=np.float64)
        self.layers = nn.ModuleList([nn.Linear(4, 4, dtype=np.float64), nn.Dropout(0.5)])

    def forward(self, x, scale=1.0):
        return scale * cr.tanh(self.layers[1](self.layers[0](cr.relu(self.inner(x)))))


def test_a_module_of_ones_own_is_wrapped(torch, tensors):
    model = nn.Sequential(Net().eval())
    module = to_torch(model, wrap=True)
    assert {n: p.shape for n, p in module.named_parameters()} == {n: t.shape for n, t in state_dict(model).items()}
    (x,) = tensors((2, 3))
    np.testing.assert_allclose(module(x).detach().numpy(), model(x.detach().numpy()).numpy(), atol=1e-14)
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))
    again = pickle.loads(pickle.dumps(module))
    torch.testing.assert_close(again(x), module(x))
    assert not torch.equal(module.train()(x), module(x))  # dropout draws
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    before = module(x).square().sum()
    before.backward()
    optimizer.step()
    assert module.eval()(x).square().sum() != before


def test_a_wrapped_module_comes_back(torch):
    model = nn.Sequential(Net(), nn.Linear(4, 4, dtype=np.float64))
    model[1].weight = model[0].layers[0].weight
    model[0].inner.requires_grad_(False)
    module = to_torch(model, wrap=True)
    assert module[1].weight is module[0].get_parameter("layers.0.weight")
    assert not module[0].inner.weight.requires_grad
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(3)
    x = np.random.default_rng(0).normal(size=(2, 3))
    again = from_torch(module).eval()
    assert again[1].weight is again[0].layers[0].weight
    np.testing.assert_allclose(again(x).numpy(), module.eval()(torch.tensor(x)).detach().numpy(), atol=1e-14)
    load_state_dict(model, module.state_dict())
    np.testing.assert_allclose(model.eval()(x).numpy(), again(x).numpy(), atol=1e-14)


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, dtype=np.float64)

    def forward(self, x):
        return self.attention(x, causal=True)


@pytest.mark.slow
def test_attention_in_a_wrapped_module(torch, tensors):
    model = Attentive()
    module = to_torch(model, wrap=True)
    (x,) = tensors((3, 4))
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))
    np.testing.assert_allclose(from_torch(module)(x.detach().numpy()).numpy(), module(x).detach().numpy(), atol=1e-14)


def test_a_module_with_buffers_is_not_wrapped(torch):
    class Normed(Net):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

    with pytest.raises(ValueError, match=r"to_torch: the model \(Normed\): has buffers"):
        to_torch(Normed(), wrap=True)


# Inside chainrule


def torch_functions(torch):
    return {
        "elementwise": (torch.erf, [(3,)]),
        "product": (lambda x, w: torch.tanh(x @ w), [(3, 4), (4, 2)]),
        "constant": (lambda x, y: x.detach() * y, [(3,), (3,)]),
        "scalar": (lambda x: x**3, [()]),
        "linear": (torch.nn.functional.linear, [(2, 3), (4, 3), (4,)]),
    }


@pytest.mark.parametrize("name", ["elementwise", "product", "scalar", "linear"])
def test_chainrule_finds_the_derivatives_right(torch, name):
    f, shapes = torch_functions(torch)[name]
    operation = from_torch_function(f)
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape) for shape in shapes]
    report = cr.check(operation, *args)
    assert report.verdict == "right", report
    weights = rng.normal(size=np.shape(operation(*args)))

    def gradients(*args):
        found = cr.grad(lambda *a: (weights * operation(*a) ** 2).sum(), argnums=tuple(range(len(args))))(*args)
        return sum((g**2).sum() for g in found)

    assert cr.check(gradients, *args).verdict == "right"


def test_both_modes_to_the_third_derivative(torch):
    erf = from_torch_function(torch.erf)
    slope = 2 / np.sqrt(np.pi) * np.exp(-0.09)
    expected = (slope, -0.6 * slope, (-2 + 4 * 0.09) * slope)
    one, two = cr.grad(erf), cr.grad(cr.grad(erf))
    assert np.allclose([one(0.3), two(0.3), cr.grad(two)(0.3)], expected)
    forward = [cr.jvp(f, (0.3,), (1.0,))[1] for f in (erf, one, two)]
    assert np.allclose(forward, expected)
    assert np.allclose([cr.jacfwd(cr.jacfwd(erf))(0.3), cr.jacfwd(cr.jacfwd(cr.jacfwd(erf)))(0.3)], expected[1:])


def test_jacobians_run_by_rows(torch):
    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    operation = from_torch_function(lambda x, w: torch.tanh(x @ w))
    for transform in (cr.jacrev, cr.jacfwd, lambda f: cr.hessian(lambda x, w: f(x, w).sum())):
        np.testing.assert_allclose(
            transform(operation)(x, w), transform(lambda x, w: np.tanh(x @ w))(x, w), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("setup", [False, True])
def test_a_function_with_its_own_backward(torch, setup):
    class Cube(torch.autograd.Function):
        if setup:

            @staticmethod
            def forward(x):
                return x**3

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

        else:

            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

        @staticmethod
        def backward(ctx, y_bar):
            (x,) = ctx.saved_tensors
            return y_bar * 2 * x**2  # 3 would be right

    cube = from_torch_function(lambda x: Cube.apply(x))
    x = np.array([1.0, 2.0])
    assert cr.jvp(cube, (x,), (np.ones(2),))[1].tolist() == [2, 8]  # by two backward passes
    report = cr.check(lambda x: cube(x).sum(), x)
    assert report.verdict == "wrong"
    assert report.findings[0].code == "factor"


def test_several_results_and_whole_numbers(torch):
    def f(x, rows, *, scale):
        assert rows.dtype is torch.int64
        return scale * x[rows], rows, x.sum()

    operation = from_torch_function(f, several=True)
    x, rows = np.array([1.0, 2.0]), np.array([1, 1])
    y, same, total = operation(x, rows, scale=3.0)
    assert (y.tolist(), same.tolist(), float(total)) == ([6, 6], [1, 1], 3)
    assert cr.grad(lambda x: operation(x, rows, scale=3.0)[0].sum())(x).tolist() == [0, 6]


def test_what_has_no_gradient_gets_zeros(torch):
    f, _ = torch_functions(torch)["constant"]
    operation = from_torch_function(f)
    x = np.array([1.0, 2.0])
    assert [g.tolist() for g in cr.grad(lambda x, y: operation(x, y).sum(), argnums=(0, 1))(x, x)] == [[0, 0], [1, 2]]
    assert cr.grad(from_torch_function(lambda x: torch.ones(())))(1.0) == 0


def test_float32_stays_and_the_eager_tape_takes_it(torch):
    operation = from_torch_function(torch.sin)
    x = cr.tensor(np.ones(2, np.float32), requires_grad=True)
    y = operation(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad.numpy(), np.cos(np.ones(2)), rtol=1e-6)


def test_the_arrays_are_not_written_to(torch):
    x = np.array([-1.0, 2.0])
    x.flags.writeable = False
    assert from_torch_function(lambda x: x.relu_())(x).tolist() == [0, 2]
    assert x.tolist() == [-1, 2]


def test_name_signature_and_explanation(torch):
    def squashed(x, w):
        """Squash."""
        return torch.tanh(x @ w)

    operation = from_torch_function(squashed)
    assert (operation.name, operation.arguments, operation.__doc__) == ("squashed", ("x", "w"), "Squash.")
    x, w = np.random.default_rng(0).normal(size=(2, 2, 2))
    text = str(cr.explain(lambda x: (operation(x, w) ** 2).sum(), x))
    assert "squashed" in text
    assert "confirmed" in text


def test_a_module_of_torch_in_a_chainrule_model(torch):
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    with pytest.raises(TypeError, match="the parameters of Linear would be constants; use from_torch"):
        from_torch_function(layer)
    operation = from_torch_function(layer.requires_grad_(False))
    x = np.ones((1, 3))
    np.testing.assert_allclose(cr.grad(lambda x: operation(x).sum())(x), layer.weight.sum(0, keepdim=True).numpy())


def test_there_and_back_again(torch):
    f = from_torch_function(as_torch_function(lambda x: np.sin(x)))
    assert np.isclose(cr.grad(cr.grad(f))(0.5), -np.sin(0.5))


@walked(
    ("f", "message"),
    [
        (lambda t: lambda x: "a", "the result is str, expected tensors of PyTorch"),
        (lambda t: lambda x: x.to(t.bfloat16), r"the result is torch\.bfloat16, .* return \.float\(\)"),
        (lambda t: lambda x: x.to(t.complex64), r"the result is torch\.complex64"),
        (lambda t: lambda x: (x, x), "expected one array as the result, got 2; pass several=True"),
    ],
)
def test_results_that_cannot_be_taken(torch, f, message):
    with pytest.raises(TypeError, match=message):
        from_torch_function(f(torch))(np.ones(2))


def test_no_warning_is_left_over(torch):
    with warnings.catch_warnings(action="error"):
        cr.jvp(from_torch_function(torch.sin), (1.0,), (1.0,))
