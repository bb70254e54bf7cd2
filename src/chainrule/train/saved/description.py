"""The description of a network in a model file of `chainrule train`, and its validation before anything is built.

The description stands in the file's metadata, which anyone can write. So every entry is validated, also against the
shapes of the file's own arrays: no number in it can cause an allocation that the file does not fill.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from chainrule import nn
from chainrule.data import Feature, Imputer, Reading, Schema, Standardizer, dates
from chainrule.data.reading import PLAIN, STRATEGIES, UNKNOWN
from chainrule.data.schema import PARTS
from chainrule.present.counting import counted
from chainrule.train.saved.entries import (
    WrongEntry,
    damaged,
    entries,
    is_whole,
    list_of,
    number,
    of_kind,
    one_of,
    real,
    scaling_of,
    text,
    whole,
)
from chainrule.train.saved.modelfile import ModelFileError
from chainrule.train.saved.recipe import Recipe

FORMAT = 2
"""The version of the description, and of a checkpoint."""
ENTRIES = frozenset(
    {"format", "task", "data", "source", "features", "class_names", "target", "target_is_text", "scaling"}
    | {"target_scaling", "recipe", "held_out", "loss"}
)
"""The entries of the description. `reading` and `filling` are added where a table's cells were not read plainly."""
LOSSES: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"CrossEntropyLoss": nn.CrossEntropyLoss, "MSELoss": nn.MSELoss}
)
_OF_TASK = {"classification": "CrossEntropyLoss", "regression": "MSELoss"}


def result(samples: int, accuracy: float | None, rmse: float | None) -> str:
    """Describe how a network does on held-out samples."""
    if accuracy is not None:
        return f"held-out accuracy {100 * accuracy:.2f} % on {samples} samples"
    return f"held-out root mean square error {rmse:.4g} on {samples} samples"


@dataclass(frozen=True)
class HeldOut:
    """The network's results on held-out samples."""

    samples: int
    loss: float
    accuracy: float | None
    rmse: float | None


@dataclass(frozen=True)
class Description:
    """A network of `chainrule train`: its data's columns and target, their scaling, how it was trained, its loss."""

    schema: Schema
    source: str
    scaling: Standardizer
    target_scaling: Standardizer | None
    recipe: Recipe
    held_out: HeldOut
    loss: str
    imputer: Imputer | None = None

    def prepared(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return features [N, n] as the network takes them: holes filled, and scaled."""
        return self.scaling.transform(x if self.imputer is None else self.imputer.transform(x))

    def to_meta(self) -> dict[str, Any]:
        """Return the entries of the file's metadata."""
        schema = self.schema
        return {
            "format": FORMAT,
            "task": schema.task,
            "data": schema.name,
            "source": self.source,
            "features": [feature.to_list() for feature in schema.features],
            "class_names": list(schema.class_names),
            "target": schema.target,
            "target_is_text": schema.target_is_text,
            "scaling": self.scaling.to_dict(),
            "target_scaling": self.target_scaling and self.target_scaling.to_dict(),
            "recipe": asdict(self.recipe) | {"hidden": list(self.recipe.hidden)},
            "held_out": asdict(self.held_out),
            "loss": self.loss,
            **({} if schema.reading == PLAIN else {"reading": schema.reading.to_dict()}),
            **({} if self.imputer is None else {"filling": self.imputer.to_list()}),
        }

    @classmethod
    def from_meta(cls, path: Any, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        """Return the description in a file's metadata, after checking it for consistency with itself and the arrays.

        Raises ModelFileError, which names the entry, what it is and what was expected.
        """
        if not is_described(meta):
            absent = ", ".join(sorted(ENTRIES - set(meta))) or f"description of format {FORMAT}"
            raise ModelFileError(
                f"{path}: a model file, but not of a network that this version of `chainrule train` wrote "
                f"(no {absent}); train it again, or load it with chainrule.load and the model it was saved from"
            )
        with damaged(path):
            found = cls(**_parts(meta))
            _check_arrays(found, arrays)
        return found

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        schema, recipe = self.schema, self.recipe
        widths = ", ".join(map(str, recipe.hidden)) or "none"
        return [
            f"task: {schema.task}",
            f"data: {schema.name}",
            f"features: {_counted(schema.feature_names)}",
            *([f"target: {schema.target}"] if schema.target is not None else []),
            *([f"classes: {_counted(schema.class_names)}"] if schema.class_names else []),
            *([f"missing values: {schema.reading.missing}"] if schema.reading.missing != "error" else []),
            *([f"unknown categories: {schema.reading.unknown}"] if schema.reading.unknown != "error" else []),
            f"hidden layers: {widths}; dropout {recipe.dropout:g}",
            f"trained: {counted(recipe.epochs or 0, 'epoch')} in batches of {recipe.batch_size}, "
            f"learning rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}, seed {recipe.seed}",
            f"result: {result(self.held_out.samples, self.held_out.accuracy, self.held_out.rmse)}",
        ]


def is_described(meta: Mapping[str, Any]) -> bool:
    """Whether the metadata are those of a network that `chainrule train` wrote."""
    return set(meta) >= ENTRIES and is_whole(meta["format"]) and meta["format"] == FORMAT


def _counted(names: tuple[str, ...], most: int = 6) -> str:
    return f"{len(names)} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"


# The check


def _parts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the description that the metadata make, each of them checked."""
    classes = tuple(text(name, "class_names") for name in list_of(meta["class_names"], "class_names"))
    target = meta["target"]
    schema = Schema(
        name=text(meta["data"], "data"),
        features=tuple(_feature(entry) for entry in list_of(meta["features"], "features")),
        task=one_of(meta["task"], "task", tuple(_OF_TASK)),
        class_names=classes,
        target=None if target is None else text(target, "target"),
        target_is_text=of_kind(meta["target_is_text"], "target_is_text", bool, "true or false"),
        reading=_reading(meta["reading"]) if "reading" in meta else PLAIN,
    )
    count = len(schema.features)
    target_scaling = meta["target_scaling"]
    if (target_scaling is None) != bool(classes):
        raise WrongEntry("target_scaling", target_scaling, f"{'none' if classes else 'one'} for a {schema.task}")
    return {
        "schema": schema,
        "source": text(meta["source"], "source"),
        "scaling": scaling_of(meta["scaling"], "scaling", (count,)),
        "target_scaling": None if target_scaling is None else scaling_of(target_scaling, "target_scaling", ()),
        "recipe": _recipe(meta["recipe"]),
        "held_out": _held_out(meta["held_out"], bool(classes)),
        "loss": one_of(meta["loss"], "loss", (_OF_TASK[schema.task],)),
        "imputer": _imputer(meta.get("filling"), schema),
    }


def _check_arrays(found: Description, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Check the widths against the file's arrays, before the network is built."""
    hidden = found.recipe.hidden
    if len(arrays) != 2 * (len(hidden) + 1):
        raise WrongEntry("recipe.hidden", list(hidden), f"as many layers as the file's {len(arrays)} arrays make")
    widths = [len(found.schema.features), *hidden, len(found.schema.class_names) or 1]
    for k, (inputs, outputs) in enumerate(pairwise(widths)):
        for name, shape in ((f"{3 * k}.weight", (inputs, outputs)), (f"{3 * k}.bias", (outputs,))):
            array = arrays.get(name)
            if array is None or array.shape != shape or array.dtype != np.float32:
                got = "no such array" if array is None else f"{array.dtype} {list(array.shape)}"
                raise WrongEntry(f"array {name}", got, f"float32 {list(shape)}, as features, recipe and classes say")
            if not np.isfinite(array).all():
                raise WrongEntry(f"array {name}", "a value that is not finite", "finite numbers")


def _feature(entry: Any) -> Feature:
    if not isinstance(entry, list) or len(entry) not in (2, 3):
        raise WrongEntry("features", entry, "a column, a category or null, and perhaps a part")
    column, category, *part = entry
    if part and category is not None:
        raise WrongEntry("features", entry, "a category or a part, not both")
    return Feature(
        text(column, "features"),
        None if category is None else text(category, "features"),
        one_of(part[0], "features", PARTS) if part else None,
    )


def _reading(entry: Any) -> Reading:
    values = entries(entry, "reading", {"missing", "unknown", "without", "dates"})
    forms = []
    for pair in list_of(values["dates"], "reading.dates"):
        if not isinstance(pair, list) or len(pair) != 2:
            raise WrongEntry("reading.dates", pair, "pairs of a column and a form")
        forms.append((text(pair[0], "reading.dates"), one_of(pair[1], "reading.dates", tuple(dates.FORMS))))
    if len({column for column, _ in forms}) < len(forms):
        raise WrongEntry("reading.dates", values["dates"], "each column once")
    return Reading(
        one_of(values["missing"], "reading.missing", STRATEGIES),
        one_of(values["unknown"], "reading.unknown", UNKNOWN),
        tuple(text(name, "reading.without") for name in list_of(values["without"], "reading.without")),
        tuple(forms),
    )


def _imputer(entry: Any, schema: Schema) -> Imputer | None:
    if not schema.reading.fills:
        if entry is not None:
            raise WrongEntry("filling", entry, f"none where missing values are {schema.reading.missing}")
        return None
    values = [number(value, "filling") for value in list_of(entry, "filling")]
    if len(values) != len(schema.features):
        raise WrongEntry("filling", f"{len(values)} numbers", f"one for each of the {len(schema.features)} features")
    return Imputer(np.array(values, np.float64))


def _recipe(entry: Any) -> Recipe:
    values = dict(entries(entry, "recipe", {field.name for field in fields(Recipe)}))
    values["hidden"] = tuple(whole(width, "recipe.hidden", 1) for width in list_of(values["hidden"], "recipe.hidden"))
    for name in ("epochs", "batch_size"):
        values[name] = whole(values[name], f"recipe.{name}", 1)
    values["seed"] = whole(values["seed"], "recipe.seed", 0)
    for name in ("lr", "weight_decay", "dropout", "held_out"):
        values[name] = number(values[name], f"recipe.{name}")
    return Recipe(**values)


def _held_out(entry: Any, is_classification: bool) -> HeldOut:
    values = dict(entries(entry, "held_out", {field.name for field in fields(HeldOut)}))
    measured, other = ("accuracy", "rmse") if is_classification else ("rmse", "accuracy")
    if values[other] is not None:
        raise WrongEntry(f"held_out.{other}", values[other], f"none next to {measured}")
    # Errors on held-out samples may be infinite: these only need to be numbers.
    return HeldOut(
        samples=whole(values["samples"], "held_out.samples", 1),
        loss=real(values["loss"], "held_out.loss"),
        accuracy=real(values["accuracy"], "held_out.accuracy") if is_classification else None,
        rmse=None if is_classification else real(values["rmse"], "held_out.rmse"),
    )
