"""Two real tables: a regression and a classification, each from a CSV file to a model file that predicts alone.

Diabetes: Efron, Hastie, Johnstone and Tibshirani, "Least angle regression" (2004). Wine: Aeberhard and Forina (1992,
UCI). scikit-learn ships both; here they are written as CSV files first, as one's own table would be.
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, load_wine

from chainrule import data
from chainrule.jobs.training.table import TableJob
from chainrule.train.saved.predictor import read_predictor
from chainrule.train.saved.recipe import Recipe


def written(name, columns, rows):
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return name


diabetes = load_diabetes(scaled=False)
progression = written(
    "diabetes.csv", [*diabetes.feature_names, "progression"], np.column_stack([diabetes.data, diabetes.target])
)
wine = load_wine()
cultivars = [[*row, f"cultivar {label + 1}"] for row, label in zip(wine.data, wine.target, strict=True)]
wines = written("wine.csv", [*wine.feature_names, "cultivar"], cultivars)

for path, target, recipe in (
    (progression, "progression", Recipe(hidden=(16,), epochs=40, weight_decay=1.0)),
    (wines, "cultivar", Recipe(hidden=(32,), epochs=40)),
):
    table = data.load(path, target=target)
    print(table, table.inferred[-1], sep="\n  ")
    job = TableJob(table, recipe)
    job.train()
    score = job.score()
    job.save("model.safetensors", score)

    # The model file alone predicts: it knows the columns, their scaling and the classes.
    predicted = read_predictor("model.safetensors").predict(table.x)
    if score.rmse is not None:
        spread = float(np.std(score.truth))
        print(f"  root mean square error {score.rmse:.1f}; the mean alone would be {spread:.1f} off")
        assert score.rmse < 0.8 * spread
        assert predicted.shape == (442,)
    else:
        print(f"  {100 * score.accuracy:.1f} % of {score.samples} held-out wines are told")
        assert score.accuracy > 0.94
        assert predicted.shape == (178, 3)
