"""The linear map in full, typed as one types it in PyTorch: z = x W + b, its ReLU, and every gradient's shape."""

import numpy as np

import chainrule as cr

cr.seed(0)
x = cr.randn(32, 10)
W = cr.randn(10, 5, requires_grad=True)
b = cr.randn(5, requires_grad=True)

z = x @ W + b
a = cr.relu(z)
loss = a.sum()
loss.backward()

print("W.grad", W.grad.shape, " b.grad", b.grad.shape)

# By hand: dW = xᵀ dz, db = Σ dz over the batch, with dz = [z > 0].
dz = (z.numpy() > 0).astype(float)
assert np.allclose(W.grad.numpy(), x.numpy().T @ dz)
assert np.allclose(b.grad.numpy(), dz.sum(axis=0))
print("both equal the formulas dW = xᵀ dz and db = Σ dz")
