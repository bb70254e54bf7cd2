"""The step in chainrule, compiled and eager."""

from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn import functional as F

from .candidate import Candidate
from .cases import RESNET_BLOCKS, Case, Weights


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


class Block(nn.Module):
    """Two convolutions with batch normalisation, and what goes past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride=stride) if inputs != outputs else None

    def forward(self, x: Any) -> Any:
        """Return what comes of `x`."""
        y = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class ResNet(nn.Module):
    """ResNet-8 for images of 32×32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*(Block(*block) for block in RESNET_BLOCKS))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        """Return the scores of the classes."""
        return self.head(self.blocks(F.relu(self.norm(self.first(x)))).mean((2, 3)))


class Recurrent(nn.Module):
    """An LSTM whose last state a linear layer classifies."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.cell = nn.LSTM(case.width, case.width, batch_first=True)
        self.head = nn.Linear(case.width, 10)

    def forward(self, x: Any) -> Any:
        """Return the scores of the classes."""
        return self.head(self.cell(x)[0][:, -1])


def network(case: Case) -> nn.Module:
    """Return the network of a case."""
    if case.kind == "gpt":
        return GPT(case)
    if case.kind == "mlp":
        layers: list[nn.Module] = []
        for n, m in zip(case.layers, case.layers[1:], strict=False):
            layers += [nn.Linear(n, m), nn.ReLU()]
        return nn.Sequential(*layers[:-1])
    if case.kind == "resnet":
        return ResNet()
    if case.kind == "lstm":
        return Recurrent(case)
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
        self.averages = {name: np.array(x) for name, x in self.model.state_dict().items() if name not in self.start}
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
        self.model.load_state_dict(self.start | self.averages)
        self.optimizer.load_state_dict(self.unused)
        self.rewind()

    def step(self) -> Any:
        """Take one step."""
        return self.function(*next(self.stream))

    def weights(self) -> Weights:
        """Return the weights."""
        return {name: x for name, x in self.model.state_dict().items() if name in self.start}

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
