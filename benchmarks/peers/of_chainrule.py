"""The step in chainrule, compiled and eager."""

from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

from .candidate import Candidate
from .cases import Case, Weights


class GPT(nn.Module):
    """A small language model: tokens and positions, blocks, a last normalisation, scores of the next token."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.tokens = nn.Embedding(case.vocabulary, case.width)
        self.positions = nn.Parameter(np.zeros((case.tokens, case.width), np.float32))
        self.blocks = nn.ModuleList([nn.TransformerBlock(case.width, case.heads) for _ in range(case.depth)])
        self.norm = nn.LayerNorm(case.width)
        self.head = nn.Linear(case.width, case.vocabulary)

    def forward(self, x: Any) -> Any:
        """Return the scores `[B, T, V]` of the next tokens."""
        h = self.tokens(x) + self.positions
        for block in self.blocks:
            h = block(h, causal=True)
        return self.head(self.norm(h))


def network(case: Case) -> nn.Module:
    """Return the network of a case."""
    if case.kind == "gpt":
        return GPT(case)
    if case.kind == "mlp":
        layers: list[nn.Module] = []
        for n, m in zip(case.layers, case.layers[1:], strict=False):
            layers += [nn.Linear(n, m), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    classes = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*features, *classes)


class Eager(Candidate):
    """The step as a program writes it."""

    name = "chainrule eager"

    def __init__(self, case: Case, double: bool = False) -> None:
        super().__init__(case)
        self.batches = case.batches()
        self.start = case.weights()
        self.model = network(case)
        if double:
            self.model.double()
            self.start = {name: w.astype(np.float64) for name, w in self.start.items()}
            self.batches = [(x.astype(np.float64) if x.dtype.kind == "f" else x, y) for x, y in self.batches]
        parameters = self.model.named_parameters()
        if case.decay:
            self.optimizer: optim.Adam = optim.AdamW(parameters, lr=case.lr, weight_decay=case.decay)
        else:
            self.optimizer = optim.Adam(parameters, lr=case.lr)
        self.unused = self.optimizer.state_dict()
        self.function = self.written()

    def written(self) -> Any:
        """Return the step as a function of a batch."""
        model, optimizer, loss = self.model, self.optimizer, nn.CrossEntropyLoss()

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            return value

        return step

    def reset(self) -> None:
        """Go back to the beginning."""
        self.model.load_state_dict(self.start)
        self.optimizer.load_state_dict(self.unused)
        self.rewind()

    def step(self) -> Any:
        """Take one step."""
        return self.function(*next(self.stream))

    def weights(self) -> Weights:
        """Return the weights."""
        return self.model.state_dict()

    def sizes_of_gradients(self) -> Weights:
        """Return the running mean squares of all gradients, by the weight's name."""
        state = self.optimizer.state
        return {name: state[p]["exp_avg_sq"] for name, p in self.model.named_parameters()}


class Compiled(Eager):
    """The same step, captured once and replayed."""

    name = "chainrule compiled"

    def written(self) -> Any:
        """Return the step, compiled."""
        return cr.compile(super().written())
