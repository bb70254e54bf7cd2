"""Chapter 10: a small network for XOR with room to spare; train it with SGD, then with Adam."""

import sys
from functools import partial

import numpy as np

import chainrule as cr
from chainrule import nn

rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(2, 8, generator=rng), nn.ReLU(), nn.Linear(8, 2, generator=rng))
x, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
explore = partial(cr.explore, model, x, loss=nn.CrossEntropyLoss(), target=y, optimizer="Adam")

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
