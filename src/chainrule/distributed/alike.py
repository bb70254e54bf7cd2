"""Making sure that all ranks train the same model: arranged at the start, checked afterwards."""

import zlib
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.train.callbacks import Run


def description(run: Run) -> dict[str, str]:
    """Return a description of what all ranks must have in common, by topic."""
    model = {name: f"{array.dtype}{list(array.shape)}" for name, array in run.model.state_dict().items()}
    found = {f"the model's {name}": text for name, text in model.items()}
    loader = run.loader.state_dict() if hasattr(run.loader, "state_dict") else {}
    # The loader's position, and its seed if it drew one, come from rank 0.
    fixed = {key: value for key, value in loader.items() if key not in ("seed", "epoch", "batch")}
    return found | {
        "the optimizer": type(run.optimizer).__name__,
        "the loader": f"{type(run.loader).__name__} {fixed}",
        "the scheduler": type(run.scheduler).__name__,
        "the number of epochs": f"{run.epochs} after {len(run.history)}",
    }


def check_alike(descriptions: list[dict[str, str]]) -> None:
    """Raise ValueError if a rank's description differs from that of rank 0; every rank raises the same error."""
    first = descriptions[0]
    for rank, other in enumerate(descriptions):
        for topic in [*first, *other]:
            if first.get(topic) != other.get(topic):
                raise ValueError(
                    f"DataParallel: {topic}: rank {rank} has {other.get(topic)}, rank 0 {first.get(topic)}; start all "
                    f"ranks with the same program and arguments"
                )


def states(run: Run) -> dict[str, Any]:
    """Return the states of everything that a step changes."""
    parts = {"optimizer": run.optimizer, "loader": run.loader, "scheduler": run.scheduler}
    return {"model": run.model.state_dict()} | {
        name: part.state_dict() for name, part in parts.items() if hasattr(part, "state_dict")
    }


def take_states(run: Run, found: dict[str, Any]) -> None:
    """Load the states of another rank."""
    for name, state in found.items():
        getattr(run, name).load_state_dict(state)


def digest(model: Any) -> int:
    """Return a checksum of all parameters."""
    found = 0
    for _, parameter in model.named_parameters():
        found = zlib.crc32(np.ascontiguousarray(value_of(parameter)).data, found)
    return found


def check_digests(digests: list[int], when: str) -> None:
    """Raise RuntimeError if a rank's parameters differ from those of rank 0; every rank raises the same error."""
    other = next((rank for rank, one in enumerate(digests) if one != digests[0]), None)
    if other is not None:
        raise RuntimeError(
            f"DataParallel: {when}, the parameters of rank {other} are not those of rank 0; whatever changes the model "
            f"or the optimizer must do so in every rank: use a callback with every_rank = True"
        )
