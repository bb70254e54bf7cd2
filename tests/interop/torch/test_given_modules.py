"""Functions that are given a module along with its parameters, as the adjoints of solvers are, can be run alone."""

import chainrule as cr


def solver(torch, factor):
    """Return a module whose steps are differentiated by a Function that runs a given module again."""

    class Steps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, module, x, *parameters):
            ctx.module = module
            with torch.no_grad():
                y = x + module(x)
            ctx.save_for_backward(x, *parameters)
            return y

        @staticmethod
        def backward(ctx, y_bar):
            x, *parameters = ctx.saved_tensors
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                found = torch.autograd.grad(ctx.module(x), (x, *parameters), y_bar)
            return None, y_bar + factor * found[0], *found[1:]

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh())

        def forward(self, x):
            return Steps.apply(self.inner, x, *self.inner.parameters()) ** 2

    torch.manual_seed(0)
    return Model()


def test_a_right_one_is_right(torch):
    model = solver(torch, 1.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    report = cr.check_torch(model, torch.randn(2, 3))
    assert report.verdict == "right", report
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    assert all(isinstance(p, torch.nn.Parameter) for p in model.inner.parameters())


def test_a_wrong_one_is_blamed_by_its_name_and_mended(torch):
    report = cr.check_torch(solver(torch, -1.0), torch.randn(2, 3))
    (finding,) = report.findings
    assert (finding.argument, finding.operation) == ("x", "Steps.backward")
    assert finding.detail["written"] == "y_bar + factor * found[0]"
    assert finding.detail["wanted"] == "y_bar - factor * found[0]"
