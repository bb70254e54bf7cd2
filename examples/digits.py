"""1,797 handwritten digits of 8×8 pixels: training with a schedule, early stopping and a held-out part.

The images are the test part of Alpaydin and Kaynak's set (1998, UCI), which scikit-learn ships.
"""

import sklearn  # noqa: F401  (it holds the images)

import chainrule as cr
from chainrule import data, nn, optim, train

cr.seed(0)
digits = data.load("digits")
kept, held_out = data.ArrayDataset(digits.x / 16, digits.y).split(0.2, seed=0, stratify=digits.y)

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
print(nn.summary(model, held_out.arrays[0][:1]))

loss, epochs = nn.CrossEntropyLoss(), 25
optimizer = optim.AdamW(model.parameters(), lr=3e-3)
history = train.fit(
    model,
    loss,
    optimizer,
    data.DataLoader(kept, batch_size=32, shuffle=True, seed=0),
    epochs,
    validation=held_out,
    scheduler=optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    callbacks=[train.EarlyStopping(patience=10)],
)
print(history)
found = train.evaluate(model, loss, held_out)
print(f"{100 * found['accuracy']:.1f} % of {found['samples']} held-out digits are read correctly")
assert found["accuracy"] > 0.96
