"""One's own `autograd.Function` in a compiled step: both passes are captured."""

import numpy as np
from tests.named import named

import chainrule.torch as torch


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, y_bar):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return y_bar * (s * (1 + x * (1 - s)))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, y_bar):
        return y_bar.clamp(-1, 1)


class Both(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        product = a * b
        ctx.save_for_backward(a, b, product)
        return product, a + b

    @staticmethod
    def backward(ctx, product_bar, sum_bar):
        a, b, _ = ctx.saved_tensors
        return product_bar * b + sum_bar, None if not ctx.needs_input_grad[1] else product_bar * a + sum_bar


FUNCTIONS = {
    "summed at once": lambda w, x: Swish.apply(w * x).sum(),
    "in the middle": lambda w, x: (Swish.apply(Swish.apply(w * x) * x) ** 2).sum(),
    "of a parameter": lambda w, x: (Swish.apply(w) * x).sum(),
    "of data": lambda w, x: Swish.apply(x) @ w,
    "straight through": lambda w, x: (StraightThrough.apply(w * x - 2) * (w * x)).sum(),
    "two results": lambda w, x: sum((y * y * x).sum() for y in Both.apply(w * x, x)),
    "two gradients": lambda w, x: sum((y * y * x).sum() for y in Both.apply(w * x, w)),
}


def trained(f, compiled):
    w = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], 1e-4)

    def step(x):
        optimizer.zero_grad()
        loss = f(w, x)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = torch.compile(step, fullgraph=True) if compiled else step
    return [step(torch.tensor([1.0, 2.0, 3.0]) * k).item() for k in (1, -1, 2, 1)]


def test_a_function_of_ones_own_learns_as_without_the_compiler():
    for name, f in FUNCTIONS.items():
        with named(name):
            np.testing.assert_allclose(trained(f, True), trained(f, False), rtol=1e-5)
