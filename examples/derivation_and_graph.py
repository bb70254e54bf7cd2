"""A neuron's gradients, derived with its numbers, drawn as a graph, and checked; a notebook shows each result.

The derivation goes from the loss to each parameter, and every equation is evaluated by itself. The graph has the same
numbers on its edges: values on the way down, gradients on the way back.
"""

import chainrule as cr


def neuron(x, w, b, y):
    z = w * x + b
    a = cr.sigmoid(z)
    return 0.5 * (a - y) ** 2


example = {"x": 2.0, "w": 0.5, "b": 0.1, "y": 1.0}
loss, (dw, db) = cr.value_and_grad(neuron, argnums=(1, 2))(*example.values())
print(f"L = {loss:.6f}, dL/dw = {dw:.6f}, dL/db = {db:.6f}")

# %%
cr.explain(neuron, *example.values(), argnums=(1, 2))

# %%
cr.graph(neuron, *example.values(), argnums=(1, 2))

# %%
print(cr.check(neuron, *example.values()))
