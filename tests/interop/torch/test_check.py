"""`check_torch`: right and wrong backward passes, the place of a mistake, and what is left as it was."""

import builtins

import numpy as np
import pytest

import chainrule as cr
from chainrule.check.subjects.subject import Subject


@pytest.fixture
def make(torch):
    """Makes a Function y = tanh(x w) of a backward pass `(g, x, w, y) -> gradients`."""

    def function(rule, forward=None):
        class TanhProduct(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, w):
                y = torch.tanh(x @ w) if forward is None else forward(x, w)
                ctx.save_for_backward(x, w, y)
                return y

            @staticmethod
            def backward(ctx, y_bar):
                return rule(y_bar, *ctx.saved_tensors)

        return TanhProduct

    return function


def right(g, x, w, y):
    d = g * (1 - y**2)
    return d @ w.T, x.T @ d


def first_wrong(g, x, w, y):
    dx, dw = right(g, x, w, y)
    return dx, 2 * dw


@pytest.fixture
def tensors(torch):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, generator=generator), torch.randn(4, 5, generator=generator)


def test_a_right_function_is_right(make, tensors):
    report = cr.check_torch(make(right), *tensors)
    assert report.verdict == "right", report
    assert [(row.name, row.shape) for row in report.rows] == [("x", (3, 4)), ("w", (4, 5))]
    assert {row.dtype for row in report.rows} == {"float64"}  # float32 tensors, checked in float64
    assert "float32" in report.notes[0]
    assert report.limit < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "argument", "code"),
    [
        (lambda g, x, w, y: (-right(g, x, w, y)[0], right(g, x, w, y)[1]), "x", "sign"),
        (first_wrong, "w", "factor"),
        (lambda g, x, w, y: ((g * (1 - y)) @ w.T, right(g, x, w, y)[1]), "x", None),
        (lambda g, x, w, y: (right(g, x, w, y)[0] * (1 + 1e-3), right(g, x, w, y)[1]), "x", "factor"),
    ],
)
def test_a_wrong_function_is_explained(make, tensors, rule, argument, code):
    report = cr.check_torch(make(rule), *tensors)
    assert report.verdict == "wrong"
    (finding,) = report.findings
    assert finding.argument == argument
    assert finding.code == code or code is None
    assert finding.operation == "TanhProduct.backward"
    assert finding.source.file == __file__
    assert finding.source.text.startswith("def backward")
    assert "cr.check_torch(TanhProduct, x, w, seed=0)" in finding.reproduction


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (lambda g, x, w, y: (right(g, x, w, y)[0], None), "missing"),
        (lambda g, x, w, y: (right(g, x, w, y)[0], 0 * w), "missing"),
        (lambda g, x, w, y: (right(g, x, w, y)[0], right(g, x, w, y)[1].T), "shape"),
        (lambda g, x, w, y: right(g, x, w, y)[0], "signature"),
        (lambda g, x, w, y: (*right(g, x, w, y), w), "signature"),
        (lambda g, x, w, y: (right(g, x, w, y)[0], right(g, x, w, y)[1] / 0), "not-finite"),
        (lambda g, x, w, y: right(g.mul_(1 - y**2), x, w, 0 * y), "mutates-input"),
    ],
)
def test_the_other_verdicts_of_a_backward_pass(make, tensors, rule, verdict, monkeypatch):
    monkeypatch.setattr(Subject, "effort", 0.1)  # seconds are spent on a change that would mend it, in vain
    assert cr.check_torch(make(rule), *tensors).verdict == verdict


@pytest.mark.parametrize("decorator", ["once_differentiable", "custom_bwd"])
def test_the_line_of_a_decorated_backward_pass_is_named(torch, decorator):
    once = torch.autograd.function.once_differentiable
    decorate = once if decorator == "once_differentiable" else torch.amp.custom_bwd(device_type="cpu")

    class Softplus(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.log1p(torch.exp(x))

        @staticmethod
        @decorate
        def backward(ctx, g):
            e = torch.exp(ctx.saved_tensors[0])
            return g * e / (2 + e)

    (finding,) = cr.check_torch(Softplus, torch.linspace(-1, 1, 3)).findings
    assert finding.detail["wanted"] == "g * e / (1 + e)"


@pytest.mark.slow
def test_what_a_backward_pass_raises_is_a_finding(torch, make, tensors):
    def unbound(g, x, w, y):
        if g is None:
            d = g
        return d @ w.T, x.T @ d

    (finding,) = cr.check_torch(make(unbound), *tensors).findings
    assert "UnboundLocalError" in finding.message


def test_what_is_no_gradient_is_a_finding(torch):
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return ctx

    assert not cr.check_torch(Doubled, torch.linspace(-1, 1, 3))


def test_a_repair_is_found_where_the_code_is_partly_in_float32(torch):
    class Divided(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, by):
            ctx.save_for_backward(x, torch.tensor(by, dtype=torch.float32))
            return torch.sin(x / by)

        @staticmethod
        def backward(ctx, g):
            x, by = ctx.saved_tensors
            return g * torch.cos(x * by) / by, None

    (finding,) = cr.check_torch(Divided, torch.linspace(-1, 1, 5, dtype=torch.float64), 0.7).findings
    assert finding.detail["wanted"] == "g * torch.cos(x / by) / by", finding.detail


def test_noise_in_a_backward_pass_is_non_deterministic(torch, make, tensors):
    noisy = make(lambda g, x, w, y: (right(g, x, w, y)[0] + 1e-3 * torch.randn(3, 4), right(g, x, w, y)[1]))
    assert cr.check_torch(noisy, *tensors).verdict == "non-deterministic"


def test_a_function_that_computes_in_float32_only_is_not_called_right_to_float64(torch, make, tensors):
    coarse = make(right, lambda x, w: torch.tanh(x.float() @ w.float()))
    report = cr.check_torch(coarse, *tensors)
    assert report.ok
    assert "float32 only" in report.notes[0]
    assert report.limit > 1e-5


def test_setup_context_and_a_jvp_are_understood(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, y_bar):
            return 3 * ctx.saved_tensors[0] ** 2 * y_bar

        @staticmethod
        def jvp(ctx, x_dot):
            return 3 * ctx.saved_tensors[0] ** 2 * x_dot

    class WrongForward(Cube):
        @staticmethod
        def jvp(ctx, x_dot):
            return 2 * ctx.saved_tensors[0] ** 2 * x_dot

    x = torch.linspace(0.5, 2, 6)
    report = cr.check_torch(Cube, x)
    assert (report.verdict, report.modes) == ("right", "the adjoint identity holds")
    assert report.rows[0].name == "x"
    assert cr.check_torch(WrongForward, x).verdict == "wrong"


@pytest.mark.parametrize(("keyword", "several"), [(False, False), (False, True), (True, True)])
def test_arguments_by_keyword_in_trees_and_several_outputs(torch, keyword, several):
    def f(pair, scale=1.0, *, extra):
        a, b = pair["a"], pair["b"]
        y = a * b * scale + extra
        return {"y": y, "sum": y.sum(), "count": y.numel()} if several else y

    a, b = torch.rand(3), torch.rand(3)
    settings = {"extra": torch.rand(3), **({"scale": 2.0} if keyword else {})}
    report = cr.check_torch(f, {"a": a, "b": b}, **settings)
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["pair['a']", "pair['b']", "extra"]


def test_only_the_tensors_with_requires_grad_are_checked_where_there_are_some(torch, make, tensors):
    x, w = tensors
    half = make(lambda g, x, w, y: (right(g, x, w, y)[0], None))
    assert cr.check_torch(half, x.clone().requires_grad_(), w).verdict == "right"


# Modules


@pytest.fixture
def network(torch, make):
    """Makes a network with the Function in its middle."""

    def build(rule):
        apply = make(rule).apply

        class Middle(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = torch.nn.Parameter(torch.randn(4, 5))

            def forward(self, x):
                return apply(x, self.w)

        torch.manual_seed(0)
        nn = torch.nn
        return nn.Sequential(nn.Linear(6, 4), nn.GELU(), Middle(), nn.BatchNorm1d(5), nn.Linear(5, 2))

    return build


def test_every_parameter_of_a_module_is_checked(torch, network):
    report = cr.check_torch(network(right), torch.randn(7, 6))
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == [
        *("0.weight", "0.bias", "2.w", "3.weight", "3.bias", "4.weight", "4.bias", "input")
    ]


@pytest.mark.slow
def test_the_first_wrong_function_inside_a_module_is_found(torch, network):
    report = cr.check_torch(network(first_wrong), torch.randn(7, 6))
    assert report.verdict == "wrong"
    (finding,) = report.findings
    assert finding.argument == "2.w"
    assert finding.operation == "TanhProduct.backward"
    assert finding.source.file == __file__
    assert finding.code == "factor"


def test_the_loss_of_a_network_that_a_function_refers_to(torch, network):
    model, target = network(right), torch.arange(7) % 2

    def loss(x):
        return torch.nn.functional.cross_entropy(model(x), target)

    report = cr.check_torch(loss, torch.randn(7, 6))
    assert report.verdict == "right"
    assert "model.2.w" in {row.name for row in report.rows}


def test_a_leaf_that_a_function_refers_to(torch):
    w = torch.randn(4, requires_grad=True)
    report = cr.check_torch(lambda x: (x * w).sum(), torch.randn(4))
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["w", "x"]
    assert w.grad is None


@pytest.mark.parametrize(
    "kind",
    [
        *("LSTM", "GRU", "MultiheadAttention", "LayerNorm", "Embedding"),
        pytest.param("TransformerEncoderLayer", marks=pytest.mark.slow),
    ],
)
def test_the_modules_of_torch_are_right(torch, kind):
    torch.manual_seed(0)
    x = torch.randn(3, 2, 4)
    nn = torch.nn
    module, args = {
        "LSTM": lambda: (nn.LSTM(4, 3), [x]),
        "GRU": lambda: (nn.GRU(4, 3), [x]),
        "MultiheadAttention": lambda: (nn.MultiheadAttention(4, 2), [x, x + 1, x * 2]),
        "LayerNorm": lambda: (nn.LayerNorm(4), [x]),
        "Embedding": lambda: (nn.Embedding(5, 3), [torch.tensor([0, 2, 2])]),
        "TransformerEncoderLayer": lambda: (nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0), [x]),
    }[kind]()
    report = cr.check_torch(module, *args)
    assert report.ok, report


def test_dropout_is_non_deterministic_in_training_only(torch):
    dropout, x = torch.nn.Dropout(), torch.rand(20)
    assert cr.check_torch(dropout, x).verdict == "non-deterministic"
    assert cr.check_torch(dropout.eval(), x).verdict == "right"


def test_a_kink_is_one(torch):
    report = cr.check_torch(torch.relu, torch.tensor([0.0, 1.0, -2.0]))
    assert report.verdict == "kink"
    assert report.ok


# Cuts


def test_the_detach_that_matters_is_told_from_the_one_that_does_not(torch):
    def softmax(x):
        e = torch.exp(x - x.max(-1, keepdim=True).values.detach())
        return e / e.sum(-1, keepdim=True).detach()  # wrong: the sum depends on x

    (finding,) = cr.check_torch(softmax, torch.randn(3, 4)).findings
    assert finding.operation == "Tensor.detach"
    assert "wrong: the sum" in finding.source.text


@pytest.mark.parametrize("way", ["data", "no_grad", "numpy"])
def test_other_cuts_are_found_as_well(torch, way):
    def scaled(x):
        if way == "data":
            size = x.data.norm()  # cut here
        elif way == "numpy":
            size = torch.as_tensor(np.linalg.norm(x.detach().numpy()))  # cut here
        else:
            with torch.no_grad():
                square = x * x  # cut here
                size = square.sum().sqrt()
        return x / size

    (finding,) = cr.check_torch(scaled, torch.randn(5)).findings
    assert "cut here" in finding.source.text
    assert finding.operation


def test_a_function_without_any_gradient_is_missing(torch):
    report = cr.check_torch(lambda x: torch.tanh(x.detach()), torch.randn(5))
    assert report.verdict == "missing"


# Changes in place


def test_a_change_in_place_is_reported_even_where_it_changes_no_value(torch):
    positive = torch.rand(5) + 0.1
    report = cr.check_torch(lambda x: x.relu_() * 2, positive)
    assert report.verdict == "mutates-input"
    assert report.findings[-1].argument == "x"
    assert cr.check_torch(lambda x: x.mul_(2) * 2, positive).verdict == "mutates-input"
    assert cr.check_torch(lambda x: (x * 1).relu_(), positive).verdict == "right"


def test_expanded_memory_is_reported(torch):
    report = cr.check_torch(torch.tanh, torch.rand(3, 1).expand(3, 4))
    assert report.verdict == "overlapping-memory"


# What is left as it was


@pytest.mark.slow
def test_everything_is_left_as_it_was(torch, network):
    model, x = network(first_wrong), torch.randn(7, 6)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    kept = x.clone()
    threads, dtype, random = torch.get_num_threads(), torch.get_default_dtype(), torch.random.get_rng_state()
    with torch.no_grad():
        assert cr.check_torch(model, x).verdict == "wrong"
        assert not torch.is_grad_enabled()
    assert torch.get_num_threads() == threads
    assert torch.get_default_dtype() is dtype
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.equal(x, kept)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks


def test_a_function_can_be_checked_under_inference_mode(torch, make, tensors):
    with torch.inference_mode():
        assert cr.check_torch(make(right), *tensors).verdict == "right"


@pytest.mark.slow
def test_the_seed_fixes_the_report(make, tensors):
    reports = [str(cr.check_torch(make(first_wrong), *tensors, seed=seed)) for seed in (3, 3, 4)]
    assert reports[0] == reports[1] != reports[2]


# Wrong calls


def test_wrong_calls_say_what_is_wrong(torch, make):
    with pytest.raises(TypeError, match="expected a Function, a module or a function, got int"):
        cr.check_torch(3)
    with pytest.raises(TypeError, match="no floating argument"):
        cr.check_torch(torch.sum, torch.arange(3))
    with pytest.raises(TypeError, match="bfloat16"):
        cr.check_torch(torch.tanh, torch.rand(3).bfloat16())
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        cr.check_torch(make(right), torch.rand(3, 4), torch.rand(5, 2))


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_without_the_library_the_error_names_the_extra(monkeypatch, library):
    def absent(name, *args, **settings):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("chainrule.base.optional.import_module", absent)
    with pytest.raises(ImportError, match=rf"pip install 'chainrule\[{library}\]'"):
        getattr(cr, f"check_{library}")(builtins.abs, 1.0)


def test_a_wrong_shape_is_told_of_the_argument_that_has_it(make, tensors):
    report = cr.check_torch(make(lambda g, x, w, y: (right(g, x, w, y)[0], right(g, x, w, y)[1].T)), *tensors)
    assert [(finding.verdict, finding.argument) for finding in report.findings] == [("shape", "w")]
    assert "[5, 4]" in report.findings[0].message


def test_a_change_in_place_by_way_of_numpy_is_seen(torch, make, tensors):
    def sloppy(g, x, w, y):
        x.detach().numpy()[...] *= 2
        return right(g, x / 2, w, y)

    report = cr.check_torch(make(sloppy), *tensors)
    assert ("mutates-input", "x") in {(finding.verdict, finding.argument) for finding in report.findings}


def test_a_rule_that_is_right_for_square_matrices_only(torch):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx, y_bar):
            x, w = ctx.saved_tensors
            return y_bar @ w.T, (x.T @ y_bar) * (x.shape[0] / x.shape[1])

    x = torch.randn(4, 4, dtype=torch.float64)
    report = cr.check_torch(Product, x, torch.randn(4, 4, dtype=torch.float64))
    assert report.verdict == "wrong"
    assert report.findings[0].code == "square-only"


@pytest.mark.slow
def test_a_straight_through_sample_in_float32_is_named(torch):
    def hard(x):
        torch.manual_seed(3)
        z = torch.sigmoid(x.float() + torch.randn(x.shape, dtype=torch.float32))
        return (z > 0.5).float() + z - z.detach()

    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert cr.check_torch(hard, x).findings[0].code == "straight-through"
    assert cr.check_torch(hard, x, expected="straight-through").ok
