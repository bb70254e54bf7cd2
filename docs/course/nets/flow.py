"""Chapter 7: twelve sigmoid layers, whose first layers get hardly any gradient."""

import sys
from functools import partial

import numpy as np

import chainrule as cr
from chainrule import nn

rng = np.random.default_rng(0)
layers = []
for width in [2] + [4] * 11:
    layers += [nn.Linear(width, 4, generator=rng), nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(4, 2, generator=rng))
x, y = rng.normal(size=(4, 2)), np.array([0, 1, 1, 0])
explore = partial(cr.explore, model, x, loss=nn.CrossEntropyLoss(), target=y)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
