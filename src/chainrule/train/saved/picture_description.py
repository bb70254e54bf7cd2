"""What a model file says of a network that was trained on pictures, and its validation before anything is built."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from chainrule import nn
from chainrule.data import Standardizer
from chainrule.data.pictures import Form
from chainrule.present.counting import counted
from chainrule.train.saved.entries import (
    WrongEntry,
    damaged,
    entries,
    list_of,
    number,
    one_of,
    real,
    scaling_of,
    text,
    whole,
)
from chainrule.train.saved.picture_recipe import MODELS, PictureRecipe, picture_network

FORMAT = 1
KIND = "pictures"
_RECIPE = {field.name for field in fields(PictureRecipe)} - {"size", "fit"}  # these two are the form's
_ENTRIES = {"trained_on", "format", "data", "class_names", "form", "scaling", "recipe", "held_out"}
Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class PictureScore:
    """The network's results on held-out pictures."""

    samples: int
    loss: float
    accuracy: float

    def __str__(self) -> str:
        return f"held-out accuracy {100 * self.accuracy:.2f} % on {self.samples} pictures"


@dataclass(frozen=True)
class PictureDescription:
    """A network for pictures: the form and scaling of its inputs, its classes, how it was trained, how well it does."""

    name: str
    class_names: tuple[str, ...]
    form: Form
    scaling: Standardizer
    recipe: PictureRecipe
    held_out: PictureScore

    def to_meta(self) -> dict[str, Any]:
        """Return the entries of the file's metadata."""
        return {
            "trained_on": KIND,
            "format": FORMAT,
            "data": self.name,
            "class_names": list(self.class_names),
            "form": asdict(self.form),
            "scaling": self.scaling.to_dict(),
            "recipe": {name: value for name, value in asdict(self.recipe).items() if name in _RECIPE},
            "held_out": {name: getattr(self.held_out, name) for name in ("samples", "loss", "accuracy")},
        }

    @classmethod
    def from_meta(cls, path: Any, meta: Mapping[str, Any], arrays: Arrays) -> tuple[Self, nn.Module]:
        """Return the description in a file's metadata, and the network with the file's arrays, in evaluation mode.

        Raises ModelFileError, which names the entry, what it is and what was expected. No number causes an allocation
        that the file does not fill: the network's large arrays are compared before it is built.
        """
        with damaged(path):
            said = cls(**_parts(meta))
            _check_head(said, arrays)
            model = picture_network(said.recipe.model, said.form.shape, len(said.class_names))
            _check_arrays(model, arrays)
        model.load_state_dict(dict(arrays))
        return said, model.eval()

    @property
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""
        return nn.CrossEntropyLoss(label_smoothing=self.recipe.label_smoothing)

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        recipe, names = self.recipe, self.class_names
        more = ", …" if len(names) > 6 else ""
        return [
            "task: classification of pictures",
            f"data: {self.name}",
            f"pictures: {self.form}; other shapes are fitted by: {self.form.fit}",
            f"classes: {len(names)} ({', '.join(names[:6])}{more})",
            f"network: {recipe.model}",
            f"trained: {counted(recipe.epochs or 0, 'epoch')} in batches of {recipe.batch_size}, "
            f"learning rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}, label smoothing "
            f"{recipe.label_smoothing:g}, changes {recipe.augment}, seed {recipe.seed}",
            f"result: {self.held_out}",
        ]


def _parts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the description that the metadata make, each of them checked."""
    entries(dict(meta), "description", _ENTRIES)
    if whole(meta["format"], "format", 1) != FORMAT:
        raise WrongEntry("format", meta["format"], f"{FORMAT}, which this version of chainrule reads")
    form = _form(meta["form"])
    names = tuple(text(name, "class_names") for name in list_of(meta["class_names"], "class_names"))
    if len(names) < 2 or len(set(names)) < len(names):
        raise WrongEntry("class_names", list(names), "two or more different names")
    return {
        "name": text(meta["data"], "data"),
        "class_names": names,
        "form": form,
        "scaling": scaling_of(meta["scaling"], "scaling", (form.channels,)),
        "recipe": _recipe(meta["recipe"], form),
        "held_out": _held_out(meta["held_out"]),
    }


def _form(entry: Any) -> Form:
    values = entries(entry, "form", {"height", "width", "channels", "fit"})
    sides = {name: whole(values[name], f"form.{name}", 1) for name in ("height", "width", "channels")}
    return Form(**sides, fit=text(values["fit"], "form.fit"))


def _recipe(entry: Any, form: Form) -> PictureRecipe:
    values = dict(entries(entry, "recipe", _RECIPE))
    values["model"] = one_of(values["model"], "recipe.model", MODELS)
    values["augment"] = text(values["augment"], "recipe.augment")
    for name in ("epochs", "batch_size"):
        values[name] = whole(values[name], f"recipe.{name}", 1)
    values["seed"] = whole(values["seed"], "recipe.seed", 0)
    for name in ("lr", "weight_decay", "label_smoothing", "held_out"):
        values[name] = number(values[name], f"recipe.{name}")
    return PictureRecipe(**values, size=(form.height, form.width), fit=form.fit)


def _held_out(entry: Any) -> PictureScore:
    values = entries(entry, "held_out", {"samples", "loss", "accuracy"})
    # A loss on held-out samples may be infinite: it only needs to be a number.
    measured = {name: real(values[name], f"held_out.{name}") for name in ("loss", "accuracy")}
    return PictureScore(whole(values["samples"], "held_out.samples", 1), **measured)


def _check_head(said: PictureDescription, arrays: Arrays) -> None:
    """Check the arrays whose sizes are not bounded by the largest picture: the classes', and the perceptron's first."""
    large: dict[str, tuple[int, ...]] = {"head.bias": (len(said.class_names),)}
    if said.recipe.model == "mlp":
        large["body.1.weight"] = (said.form.channels * said.form.height * said.form.width, 256)
    for name, shape in large.items():
        _check_array(name, arrays.get(name), shape)


def _check_arrays(model: nn.Module, arrays: Arrays) -> None:
    wanted = model.state_dict()
    extra = sorted(set(arrays) - set(wanted))
    if extra:
        raise WrongEntry(f"array {extra[0]}", "an array of this name", "none, as the entry recipe.model says")
    for name, array in wanted.items():
        _check_array(name, arrays.get(name), array.shape)


def _check_array(name: str, array: np.ndarray[Any, Any] | None, shape: tuple[int, ...]) -> None:
    if array is None or array.shape != shape or array.dtype != np.float32:
        got = "no such array" if array is None else f"{array.dtype} {list(array.shape)}"
        raise WrongEntry(f"array {name}", got, f"float32 {list(shape)}, as form, classes and recipe say")
    if not np.isfinite(array).all():
        raise WrongEntry(f"array {name}", "a value that is not finite", "finite numbers")
