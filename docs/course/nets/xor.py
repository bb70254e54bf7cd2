"""Chapter 8: the four points of XOR, from a start that gets stuck: three of four hidden units die."""

import sys
from functools import partial

import numpy as np

import chainrule as cr
from chainrule import nn

start = nn.NeuralNetwork(2, 4, 2, seed=5)
model = nn.Sequential(nn.Linear(2, 4, dtype=np.float64), nn.ReLU(), nn.Linear(4, 2, dtype=np.float64))
values = (start.linear1.W, start.linear1.b, start.linear2.W, start.linear2.b)
names = [name for name, _ in model.named_parameters()]
model.load_state_dict(dict(zip(names, values, strict=True)))
x, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
explore = partial(cr.explore, model, x, loss=nn.CrossEntropyLoss(), target=y)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
