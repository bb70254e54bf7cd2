"""The everyday loop, typed as one types it in PyTorch, on three classes of points in the plane."""

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import ArrayDataset, DataLoader

cr.seed(0)
rng = np.random.default_rng(0)
labels = rng.integers(0, 3, 600)
angles = labels * 2.1 + rng.normal(0, 0.3, 600)
points = np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.normal(0, 0.1, (600, 2))

dataloader = DataLoader(ArrayDataset(points, labels), batch_size=32, shuffle=True, seed=0)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 3))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.001)

for epoch in range(15):
    total = 0.0
    for x, y in dataloader:
        optimizer.zero_grad()
        output = model(x)
        loss = criterion(output, y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  loss {total / len(dataloader):.3f}")

with cr.no_grad():
    accuracy = (model(points).numpy().argmax(axis=1) == labels).mean()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.97
