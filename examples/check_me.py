"""Functions with hand-written backward passes, to be checked from the command line: one is right, one is not.

chainrule check check_me.py:softmax --backward softmax_backward
chainrule check check_me.py:linear --backward linear_backward
chainrule check check_me.py:Tanh --layer --shape x=3,4
"""

from typing import Annotated

import numpy as np

import chainrule as cr


def softmax(z: Annotated[np.ndarray, "B K"]):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(p_bar, z):
    p = softmax(z)
    return p * (p_bar - (p_bar * p).sum(axis=1, keepdims=True))


def linear(x, w, b):
    return x @ w + b


def linear_inputs(rng):
    return rng.normal(size=(8, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)


def linear_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0).astype(b.dtype)  # a mean where the sum belongs


class Tanh:
    """The layer y = tanh(x)."""

    def forward(self, x):
        """Keep the output, which is all that the way back needs."""
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        """Return dL/dx."""
        return dout * (1 - self.y**2)


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    print(cr.check(softmax, rng.normal(size=(3, 4)), backward=softmax_backward))
    report = cr.check(linear, *linear_inputs(rng), backward=linear_backward)
    print(report)
    assert report.verdict == "wrong"
    assert report.findings[0].argument == "b"
