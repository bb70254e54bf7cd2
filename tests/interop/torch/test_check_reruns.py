"""`check_torch` where a backward pass runs the module again, where values have no axes, and where probing raises."""

import numpy as np
import pytest

import chainrule as cr


@pytest.fixture
def adjoint(torch):
    """Makes a module whose backward pass runs what is in it again, as the adjoint of an ODE does."""
    seen = []

    class Again(torch.autograd.Function):
        @staticmethod
        def forward(ctx, inner, factor, x, *parameters):
            ctx.inner, ctx.factor = inner, factor
            ctx.save_for_backward(x)
            with torch.no_grad():
                return inner(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            parameters = list(ctx.inner.parameters())
            seen.append((parameters[0].dtype, x.dtype))
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                x_bar, *rest = torch.autograd.grad(ctx.inner(x), (x, *parameters), g)
            return None, None, x_bar * ctx.factor, *rest

    class Adjoint(torch.nn.Module):
        def __init__(self, factor=1.0):
            super().__init__()
            self.inner, self.factor = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()), factor

        def forward(self, x):
            return Again.apply(self.inner, self.factor, x, *self.inner.parameters())

    return Adjoint, seen


@pytest.mark.slow
def test_the_parameters_of_a_check_are_in_place_in_a_backward_pass_that_runs_the_module(torch, adjoint):
    make, seen = adjoint
    report = cr.check_torch(make(), torch.randn(2, 3))
    assert report.verdict == "right", report
    assert {row.dtype for row in report.rows} == {"float64"}
    assert all(parameter == x for parameter, x in seen)
    assert (torch.float64, torch.float64) in seen


def test_such_a_backward_pass_that_is_wrong_is_found(torch, adjoint):
    make, _ = adjoint
    report = cr.check_torch(make(2.0), torch.randn(2, 3))
    assert report.verdict == "wrong"
    assert report.findings[0].argument == "x"


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (2.0, "wrong")])
def test_a_backward_pass_that_calls_backward_accumulates(torch, factor, verdict):
    class Reversible(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, inner):
            ctx.inner = inner
            ctx.save_for_backward(x)
            with torch.no_grad():
                return inner(x)

        @staticmethod
        def backward(ctx, g):
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                y = ctx.inner(x)
            torch.autograd.backward(y, factor * g)
            return x.grad, None

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 3)

        def forward(self, x):
            return Reversible.apply(x, self.inner)

    model = Model()
    report = cr.check_torch(model, torch.randn(2, 3))
    assert report.verdict == verdict, report
    assert {row.name for row in report.rows} == {"x", "inner.weight", "inner.bias"}
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_is_checked(torch, reentrant):
    from torch.utils.checkpoint import checkpoint

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)

        def forward(self, x):
            return checkpoint(self.second, self.first(x).tanh(), use_reentrant=reentrant)

    model = Model()
    report = cr.check_torch(model, torch.randn(2, 3))
    assert report.verdict == "right", report
    assert len(report.rows) == 5
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.slow
def test_tensors_and_parameters_without_axes_are_checked(torch):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.tensor(0.3))

        def forward(self, x):
            return self.factor * x

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, x):
            ctx.save_for_backward(a, x)
            return a * x

        @staticmethod
        def backward(ctx, g):
            a, x = ctx.saved_tensors
            return -(g * x).sum(), g * a

    x = torch.randn(3)
    assert cr.check_torch(lambda a, x: a * x, torch.tensor(0.3), x).verdict == "right"
    assert cr.check_torch(torch.sin, torch.tensor(0.3)).verdict == "right"
    assert cr.check_torch(Scaled(), x).verdict == "right"
    report = cr.check_torch(Product, torch.tensor(0.3), x)
    assert [finding.argument for finding in report.findings if finding.code == "sign"] == ["a"], report


def test_an_exception_at_another_point_than_the_users_is_a_verdict_of_its_own(torch):
    x = torch.linspace(1, 2, 3, dtype=torch.float64)
    total = float(x.sum())

    def only_here(x):
        if float(x.detach().sum()) != total:
            raise RuntimeError("only at the first point")
        return 2 * x

    report = cr.check_torch(only_here, x)
    assert report.verdict == "raises", report
    assert "only at the first point" in str(report)


def test_a_layer_that_allows_no_autograd_grad_is_checked_by_backward(torch):
    class Rebuilt(torch.autograd.Function):
        """As reversible layers do, it leaves the gradients to a backward pass of its own."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        def backward(ctx, g):
            if not torch.autograd._is_checkpoint_valid():
                raise RuntimeError("Rebuilt is not compatible with .grad(), please use .backward() if possible")
            (x,) = ctx.saved_tensors
            return g * torch.cos(x)

    assert cr.check_torch(Rebuilt, torch.linspace(-1, 1, 6)).verdict == "right"


def test_changes_of_a_backward_pass_run_on_one_forward_pass(torch):
    runs = []

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            runs.append(x)
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 3 * ctx.saved_tensors[0] * g

    def right(ctx, g):
        return 2 * ctx.saved_tensors[0] * g

    def spoils(ctx, g):
        return g * ctx.saved_tensors[0].mul_(2)

    def summed(ctx, g):
        return right(ctx, g).sum()[None]

    from chainrule.interop.torch.subject import TorchSubject

    subject = TorchSubject(Square, (torch.arange(1.0, 4.0, dtype=torch.float64).requires_grad_(),), {})
    (_, rebuilt), x, g = next(iter(subject.editable())), np.arange(1.0, 4.0), np.ones(3)
    for _ in range(3):
        np.testing.assert_array_equal(rebuilt(right).backward({"x": x}, g)["x"], 2 * x)
    assert len(runs) == 1
    np.testing.assert_array_equal(rebuilt(right).backward({"x": 2 * x}, g)["x"], 4 * x)
    np.testing.assert_array_equal(rebuilt(spoils).backward({"x": x}, g)["x"], 2 * x)
    for _ in range(2):  # what is kept is not what was spoilt
        np.testing.assert_array_equal(rebuilt(right).backward({"x": x}, g)["x"], 2 * x)
    assert np.shape(rebuilt(summed).backward({"x": x}, g)["x"]) == (1,)  # as PyTorch's engine hands it on
