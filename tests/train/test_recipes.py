"""The settings that all recipes share are in range, whatever the data."""

import pytest
from tests.named import walked

from chainrule.train.saved.language_recipe import LanguageRecipe
from chainrule.train.saved.picture_recipe import PictureRecipe
from chainrule.train.saved.recipe import Recipe
from chainrule.train.saved.series_recipe import SeriesRecipe

RECIPES = {
    "table": lambda **given: Recipe(**given),
    "text": lambda **given: LanguageRecipe(**given),
    "pictures": lambda **given: PictureRecipe(**given),
    "series": lambda **given: SeriesRecipe(**{"window": 4, "horizon": 1, **given}),
}
WRONG = {
    "epochs": 0,
    "batch_size": 0,
    "lr": 0.0,
    "weight_decay": -1.0,
    "dropout": 1.0,
    "label_smoothing": float("nan"),
    "held_out": 1.0,
}


@walked("kind", RECIPES)
def test_what_is_out_of_range_is_refused_by_name(kind):
    make = RECIPES[kind]
    known = vars(make())
    for name, value in WRONG.items():
        if name in known:
            with pytest.raises(ValueError, match=f"^{name}: expected .*, got {value}$"):
                make(**{name: value})
