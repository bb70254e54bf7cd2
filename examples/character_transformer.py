"""A transformer that learns Python by the character, from the source of the standard library's `argparse`.

Embedding of characters and places, two causal blocks, and the embedding's own table once more as the last layer, which
Press and Wolf, "Using the output embedding to improve language models" (2017), call weight tying.
"""

import argparse
import inspect
import math

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim

LENGTH, WIDTH, STEPS = 48, 64, 150

cr.seed(0)
source = inspect.getsource(argparse)
cut = int(0.9 * len(source))
training = data.TextDataset(source[:cut], LENGTH, vocabulary=sorted(set(source)))
held_out = data.TextDataset(source[cut:], LENGTH, stride=LENGTH, vocabulary=training.vocabulary)
characters = len(training.vocabulary)


class Transformer(nn.Module):
    """Takes characters [B, T] and returns the logits of the next ones [B, T, characters]."""

    def __init__(self):
        super().__init__()
        self.characters = nn.Embedding(characters, WIDTH)
        self.characters.weight.data *= WIDTH**-0.5
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.places.weight.data *= WIDTH**-0.5
        self.blocks = nn.ModuleList([nn.TransformerBlock(WIDTH, num_heads=4) for _ in range(2)])
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x):
        """Return the logits."""
        hidden = self.characters(x) + self.places(np.arange(x.shape[-1]))
        for block in self.blocks:
            hidden = block(hidden, causal=True)
        return self.norm(hidden) @ self.characters.weight.T


def bits_per_character(model):
    """The held-out loss in bits; 8 is what a byte takes, and log2 of the vocabulary what guessing does."""
    x, y = held_out[:]
    with cr.no_grad():
        return nn.functional.cross_entropy(model(x), y).item() / math.log(2)


def written(model, text, length, rng):
    """Go on with a text, one character after the other, each drawn from what the model expects."""
    numbers = list(training.encode(text))
    with cr.no_grad():
        for _ in range(length):
            logits = model(np.array([numbers[-LENGTH:]]))[0, -1].numpy().astype(float)
            expected = np.exp((logits - logits.max()) / 0.7)
            numbers.append(rng.choice(characters, p=expected / expected.sum()))
    return training.decode(numbers)


model = Transformer()
print(nn.summary(model, training[:1][0]))
optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=STEPS)
batches = iter(data.DataLoader(training, batch_size=16, shuffle=True, seed=0))
for step in range(STEPS):
    x, y = next(batches)
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optim.clip_grad_norm_(model.named_parameters(), 1.0)
    optimizer.step()
    schedule.step()
    if step % 50 == 0:
        print(f"step {step:3d}  loss {loss.item():.3f}  held out {bits_per_character(model):.2f} bits a character")

counts = np.bincount(held_out.encode(source), minlength=characters) / len(source)
entropy = -sum(p * math.log2(p) for p in counts if p > 0)
found = bits_per_character(model)
print(f"held out {found:.2f} bits a character; the characters' frequencies alone give {entropy:.2f}")
print(written(model, "    def ", 200, np.random.default_rng(0)))
assert found < 0.7 * entropy
