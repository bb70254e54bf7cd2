"""Training that hides each sample: its gradient is clipped, and noise is added to the sum (DP-SGD, Abadi et al. 2016).

A larger noise multiplier hides more and learns less. This program computes no privacy budget: that is the business of
an accountant, which needs the noise multiplier, the rate at which samples are drawn and the number of steps.
"""

import numpy as np
import sklearn  # noqa: F401  (it holds the images)

import chainrule as cr
from chainrule import data, nn, optim, train

cr.seed(0)
rng = np.random.default_rng(0)
digits = data.load("digits")
kept, held_out = data.ArrayDataset(digits.x / 16, digits.y).split(0.2, seed=0, stratify=digits.y)
x, y = kept.arrays

model = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))
optimizer = optim.SGD(model.parameters(), lr=1.0, momentum=0.5)


def loss(model, x, y):
    """The loss of one sample."""
    return nn.functional.cross_entropy(model(x), y)


each = cr.vmap(cr.grad(loss), in_axes=(None, 0, 0))
rate, max_norm, noise_multiplier, steps = 0.15, 1.0, 1.0, 60
clipped = []
for _ in range(steps):
    drawn = rng.random(len(x)) < rate  # each sample on its own, as the analysis of privacy assumes
    norms = optim.clip_per_sample_(
        model.parameters(),
        each(model, x[drawn], y[drawn]),
        max_norm,
        noise_multiplier,
        batch_size=rate * len(x),
    )
    clipped.append((norms > max_norm).mean())
    optimizer.step()

found = train.evaluate(model, nn.CrossEntropyLoss(), held_out)
print(f"noise multiplier {noise_multiplier}, clipping norm {max_norm}, {steps} steps, sampling rate {rate}")
print(f"{100 * np.mean(clipped):.0f} % of the gradients were clipped")
print(f"{100 * found['accuracy']:.1f} % of {found['samples']} held-out digits are read correctly")
assert found["accuracy"] > 0.8
