"""A training that is killed: `python killed.py FOLDER` goes on from the checkpoint there, if there is one."""

import sys
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader
from chainrule.train import Callback, History, SaveCheckpoint, fit, load, save

EPOCHS, EVERY = 3, 7


class Note(Callback):
    """Says which step was taken, so that the test knows how far the run was."""

    def on_batch_end(self, run):
        print(run.epoch, run.batch, run.loader.state_dict()["batch"], flush=True)


def main(folder):
    path = folder / "checkpoint.safetensors"
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 6))
    cr.seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 20, gamma=0.5)
    loader = DataLoader((x, (x[:, 0] > 0).astype(np.int64)), batch_size=10, shuffle=True, seed=1)
    history = History()
    if path.exists():
        history.rows += load(path, model, optimizer, loader, scheduler=scheduler).meta["rows"]
    callbacks = [Note(), SaveCheckpoint(path, every=None, every_batches=EVERY)]
    rest, loss = EPOCHS - len(history), nn.CrossEntropyLoss()
    settings = {"scheduler": scheduler, "schedule_by": "batch", "history": history, "compile": False}
    fit(model, loss, optimizer, loader, rest, validation=(x, np.zeros(400, int)), callbacks=callbacks, **settings)
    rows = [(row["epoch"], row["val_loss"], row["lr"]) for row in history]
    save(folder / "end.safetensors", model, optimizer, loader, scheduler=scheduler, rows=rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
