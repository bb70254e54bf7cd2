"""Fashion-MNIST from its IDX files: 60,000 images of clothes to train on, 10,000 to test on, 10 classes.

The files are those of H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms" (2017). Debian's package dataset-fashion-mnist puts them where this program looks for them
(`apt install dataset-fashion-mnist`); another folder can be named as its argument.
"""

import sys
from pathlib import Path

import chainrule as cr
from chainrule import data, nn, optim, train

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
if not folder.is_dir():
    sys.exit(f"skipped: there is no folder {folder}; run: apt install dataset-fashion-mnist")

cr.seed(0)
training, test = (data.load(folder / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))
assert (training.x.shape, test.x.shape) == ((60_000, 784), (10_000, 784))

model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
loss, epochs = nn.CrossEntropyLoss(), 4
optimizer = optim.AdamW(model.parameters(), lr=2e-3)
loader = data.DataLoader(((training.x / 255).astype("float32"), training.y), batch_size=128, shuffle=True, seed=0)
history = train.fit(
    model,
    loss,
    optimizer,
    loader,
    epochs,
    scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader)),
    schedule_by="batch",
)
found = train.evaluate(model, loss, ((test.x / 255).astype("float32"), test.y))
print(history)
print(f"{100 * found['accuracy']:.1f} % of {found['samples']} test images are told")
assert found["accuracy"] > 0.86
