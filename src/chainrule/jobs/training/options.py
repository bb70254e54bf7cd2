"""What the command line says of a training."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Options:
    """What the command line says of a training; None where it says nothing and the kind's own default holds."""

    target: str | None = None
    task: str | None = None
    hidden: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    dropout: float | None = None
    held_out: float | None = None
    stream: bool | None = None
    seed: int = 0
    as_: str | None = None
    tokens: str | None = None
    layers: int | None = None
    heads: int | None = None
    width: int | None = None
    context: int | None = None
    missing: str | None = None
    unknown: str | None = None
    without: str | None = None
    encoding: str | None = None
    weight_decay: float | None = None
    search: int | None = None
    series: bool = False
    time: str | None = None
    window: int | None = None
    horizon: int | None = None
    pictures: str | None = None
    model: str | None = None
    size: str | None = None
    fit: str | None = None
    augment: str | None = None

    def given(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def settings(self, recipe: type) -> dict[str, Any]:
        """Return the options that a recipe has under the same name, to create it: those given, and the seed."""
        names = {f.name for f in fields(recipe)}
        return {name: value for name, value in (self.given() | {"seed": self.seed}).items() if name in names}
