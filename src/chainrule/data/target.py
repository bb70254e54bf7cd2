"""The target: classes or a quantity."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.schema import Schema, shortened

Column: TypeAlias = NDArray[np.float64] | Sequence[str | None]
"""Numbers with NaN for holes, or text with None for holes."""
Target: TypeAlias = tuple[NDArray[np.int64] | NDArray[np.float64], tuple[str, ...]]

TASKS = ("auto", "classification", "regression")
MOST_CLASSES = 20  # whole numbers with more distinct values than this are a quantity
MOST_TEXTS = 20  # texts with more distinct values than this, different in most rows, identify something


def encode_target(values: Column, what: str, task: str = "auto") -> Target:
    """Labels int64 [N] with the names of their classes, or a regression's float64 [N] with no names.

    Text is a classification. So are numbers that are all whole, at most 20 different, and at most half as
    many as there are rows; their classes are numbered in ascending order. ``task`` "classification" or
    "regression" overrides this. ``what`` names the target in messages. Raises :class:`DataError` for a
    target that is constant, a regression on text, and classes that differ in most rows; ``ValueError`` for
    another task.

    >>> encode_target(["yes", "no", "yes"], "y")
    (array([1, 0, 1]), ('no', 'yes'))
    >>> encode_target(np.array([3.0, 8.0, 8.0, 3.0]), "y")
    (array([0, 1, 1, 0]), ('3', '8'))
    >>> encode_target(np.array([0.5, 1.0, 2.0]), "y")
    (array([0.5, 1. , 2. ]), ())
    >>> encode_target(np.array([3.0, 8.0, 8.0, 3.0]), "y", task="regression")
    (array([3., 8., 8., 3.]), ())
    """
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    if holes_of(values).any():
        raise DataError(f"{what} has missing values, and a target cannot be made up; remove these rows")
    if isinstance(values, np.ndarray):
        distinct, labels = np.unique(values, return_inverse=True)
        names = tuple(map(class_name, distinct)) if _are_classes(distinct, len(values), what, task) else ()
    elif task == "regression":
        raise DataError(f"{what} is text, but a regression needs numbers; choose another target or another task")
    else:
        labels, names = categories([str(value) for value in values], what)
        distinct = np.asarray(names)
    if len(distinct) == 1:
        raise DataError(f"{what} is constant: every value is {distinct.item()!r}, so there is nothing to learn")
    return (labels.astype(np.int64), names) if names else (np.asarray(values, np.float64), ())


def encode_as(
    values: Column, schema: Schema, what: str, place: Callable[[int], str]
) -> NDArray[np.int64] | NDArray[np.float64]:
    """Labels int64 [N] by a schema's classes, or a regression's float64 [N].

    Raises :class:`DataError` for a class that is not one of them, and for text if the target is a quantity.

    >>> from chainrule.data.schema import Feature
    >>> schema = Schema("t.csv", (Feature("a"),), "classification", ("no", "yes"), "y", True)
    >>> encode_as(["yes", "no"], schema, "y", str)
    array([1, 0])
    """
    if not schema.class_names:
        if not isinstance(values, np.ndarray):
            raise DataError(f"{what} is text, and the network was trained to predict a number; expected numbers")
        return values.astype(np.float64)
    texts = [class_name(value) if isinstance(value, float) else str(value) for value in values]
    return known_codes(texts, schema.class_names, f"{what} holds the class", place)


def known_codes(
    texts: Sequence[str], known: Sequence[str], said: str, place: Callable[[int], str]
) -> NDArray[np.int64]:
    """The positions of texts among those that are known; a :class:`DataError` that begins with ``said`` for another."""
    position = {text: k for k, text in enumerate(known)}
    for row, text in enumerate(texts):
        if text not in position:
            raise DataError(
                f"{said} {text!r} at {place(row)}, which the network was not trained on; expected one of "
                f"{shortened(known)}"
            )
    return np.array([position[text] for text in texts], np.int64)


def target_position(table: str, names: Sequence[str], target: str | int) -> int:
    """The position of the target among a table's columns, by its name or index; :class:`DataError` for another.

    >>> target_position("t.csv", ["a", "b"], "b"), target_position("t.csv", ["a", "b"], "-2")
    (1, 0)
    """
    if target in names:
        return list(names).index(str(target))
    try:
        return range(len(names))[int(target)]  # on the command line an index is text
    except (ValueError, IndexError):
        close = get_close_matches(str(target), names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise DataError(
            f"{table}: no column {target!r} to use as the target{hint} "
            f"Expected an index below {len(names)} or one of {shortened(names)}"
        ) from None


def holes_of(column: Column) -> NDArray[np.bool_]:
    """Where a column has no value.

    >>> holes_of(["a", None]).tolist()
    [False, True]
    """
    if isinstance(column, np.ndarray):
        return np.isnan(column)
    return np.fromiter((cell is None for cell in column), bool, len(column))


def rows_of(column: Column, rows: NDArray[np.int64]) -> Column:
    """Some rows of a column."""
    return column[rows] if isinstance(column, np.ndarray) else [column[int(row)] for row in rows]


def _are_classes(distinct: NDArray[np.float64], rows: int, what: str, task: str) -> bool:
    if task == "classification" and len(distinct) > max(MOST_CLASSES, rows / 2):
        raise DataError(
            f"{what} takes {len(distinct)} different values in {rows} rows, which is not a set of classes; "
            "treat it as a regression"
        )
    is_whole = bool((distinct == np.floor(distinct)).all())
    return task == "classification" or (task == "auto" and is_whole and len(distinct) <= min(MOST_CLASSES, rows / 2))


def class_name(value: float) -> str:
    """The name of a class that is a number."""
    return str(int(value)) if value == np.floor(value) else str(float(value))


def described_target(values: Column, class_names: Sequence[str], task: str = "auto") -> str:
    """Say what :func:`encode_target` decided, and why.

    >>> described_target(np.array([0.5, 1.0, 2.0]), ())
    'a regression, because it takes 3 different values in 3 rows, not all of them whole'
    >>> described_target(["yes", "no", "yes"], ("no", "yes"))
    'a classification, because it is text; 2 classes'
    >>> described_target(np.array([3.0, 8.0, 8.0, 3.0]), (), task="regression")
    'a regression, as asked'
    """
    if task != "auto":
        return f"a {task}, as asked" + (f"; {len(class_names)} classes" if class_names else "")
    if not isinstance(values, np.ndarray):
        return f"a classification, because it is text; {len(class_names)} classes"
    distinct = np.unique(values)
    if class_names:
        return (
            f"a classification, because it takes only {len(distinct)} different whole numbers in {len(values)} rows; "
            "--task regression to treat it as a quantity"
        )
    whole = "" if (distinct == np.floor(distinct)).all() else ", not all of them whole"
    return f"a regression, because it takes {len(distinct)} different values in {len(values)} rows{whole}"


def categories(values: Sequence[str], what: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the distinct texts in alphabetical order: indices [N] and the K texts.

    Raises :class:`DataError` if there are more than 20 texts that differ in more than half of the rows, as names and
    dates do: each would become a column or a class of its own.

    >>> categories(["red", "blue", "red"], "colour")
    (array([1, 0, 1]), ('blue', 'red'))
    """
    names = tuple(sorted(set(values)))
    if len(names) > max(MOST_TEXTS, len(values) / 2):
        raise DataError(
            f"{what} has {len(names)} different texts in {len(values)} rows, which is not a set of categories; "
            "remove the column, or turn it into numbers"
        )
    position = {name: k for k, name in enumerate(names)}
    return np.array([position[value] for value in values], np.int64), names
