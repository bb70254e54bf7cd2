"""An operation of one's own with a hand-written backward pass, checked, and then used in a network."""

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.check import check_parameters


@cr.custom
def swish(x, beta):
    return x / (1 + np.exp(-beta * x))


@swish.def_vjp
def backward(y_bar, x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    slope = s * (1 - s)
    return y_bar * (s + beta * x * slope), (y_bar * x * x * slope).sum()


class Swish(nn.Module):
    """x σ(βx), with a slope β that is learned."""

    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(np.array(1.0))

    def forward(self, x):
        """Return an array of the shape of x."""
        return swish(x, self.beta)


cr.seed(0)
x = np.linspace(-3, 3, 64)[:, None]
y = np.sin(2 * x)
model = nn.Sequential(nn.Linear(1, 16), Swish(), nn.Linear(16, 1))

checked = check_parameters(model, nn.MSELoss(), x, y)
print(checked)
assert checked.ok

optimizer = optim.Adam(model.parameters(), lr=0.02)
criterion = nn.MSELoss()
for _ in range(500):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.4f}, beta {model[1].beta.item():.2f}")
assert loss.item() < 0.05
