"""The columns of a table as features: what each is taken for in training, and how it is encoded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.data import dates, faults
from chainrule.data.checks import DataError
from chainrule.data.faults import Fault
from chainrule.data.reading import Reading
from chainrule.data.schema import MISSING, TRUE, Feature, Schema, shortened
from chainrule.data.target import MOST_TEXTS, Column, holes_of

EMPTY, IDENTIFIES = "columns without values", "columns that identify rows"
USELESS = (EMPTY, IDENTIFIES)
MANY_TEXTS = 100
"""Text with more distinct values than this needs five rows for each, on average."""
_TRUTH = {"true": 1.0, "false": 0.0}
_TRUTH_OR_NUMBER = {**_TRUTH, "1": 1.0, "0": 0.0}
_FILLED = {"mean": "mean", "median": "median", "indicator": "median"}

Place = Callable[[int], str]


@dataclass(frozen=True)
class Inferred:
    """What a column is taken for: its features, what to say of it, a form of dates, and what is wrong."""

    features: tuple[Feature, ...]
    said: str
    form: str = ""
    faults: tuple[Fault, ...] = ()


def infer(name: str, column: Column, place: Place, reading: Reading) -> Inferred:
    """What a column is taken for in training.

    >>> infer("b", ["yes", "no"], str, Reading()).features
    (Feature(column='b', category='no', part=None), Feature(column='b', category='yes', part=None))
    """
    holes = holes_of(column)
    if holes.all():
        advice = f"leave it out with --without {name}, or fill in values"
        return Inferred((), "", faults=(faults.of_column(name, "has no values", advice, EMPTY),))
    found = _of_numbers(name, column) if isinstance(column, np.ndarray) else of_text(name, column, place)
    count = int(holes.sum())
    if count == 0 or not reading.fills:
        return found
    said = f"{found.said}; {count:,} missing, {becomes(found, reading.missing)}"
    features = found.features
    if reading.missing == "indicator":
        features = (*features, Feature(name, part=MISSING))
    return Inferred(features, said, found.form, found.faults)


def becomes(found: Inferred, strategy: str) -> str:
    """Say what becomes of the holes of a column."""
    is_text = bool(found.features) and found.features[0].category is not None
    if strategy == "indicator":
        return "said by a feature" + ("" if is_text else ", and filled with the training part's median")
    return f"filled with the training part's {'most frequent category' if is_text else _FILLED[strategy]}"


def _of_numbers(name: str, column: NDArray[np.float64]) -> Inferred:
    known = column[~np.isnan(column)]
    low, high = known.min(), known.max()
    said = f"numbers, from {low:.6g} to {high:.6g}"
    # A row's number tells nothing about the row, but a network learns it by heart.
    is_row_number = len(known) == len(column) > MOST_TEXTS and bool((np.diff(known) == 1).all())
    if is_row_number:
        said += f"; perhaps only the numbers of the rows: --without {name} leaves them out"
    return Inferred((Feature(name),), said)


def useless_together(found: Sequence[Fault]) -> list[Fault]:
    """Faults of columns that are good for nothing, with one piece of advice for all of them."""
    useless = [fault.column for fault in found if fault.kind in USELESS]
    together = f"leave them out with --without {','.join(map(str, useless))}"
    return [replace(fault, advice=together) if fault.kind in USELESS and len(useless) > 1 else fault for fault in found]


def of_text(
    name: str, column: Sequence[str | None], place: Place, rows: int | None = None, cells: int | None = None
) -> Inferred:
    """What a column of text is taken for.

    Of a column that is not in memory, ``column`` holds each text once; then there are so many ``rows``, of which so
    many ``cells`` hold a text.
    """
    rows = len(column) if rows is None else rows
    cells = len(column) - column.count(None) if cells is None else cells
    texts = sorted({text for text in column if text is not None})
    if {text.lower() for text in texts} == {*_TRUTH}:
        return Inferred((Feature(name, part=TRUE),), "true or false")
    forms = dates.forms(texts)
    if forms:
        return _of_dates(name, column, forms, place)
    if not _are_categories(len(texts), cells):
        said = f"has {len(texts):,} different texts in {rows:,} rows, which is not a set of categories"
        advice = f"leave it out with --without {name}, or turn it into numbers"
        return Inferred((), "", faults=(faults.of_column(name, said, advice, IDENTIFIES),))
    said = f"text, one-hot; {len(texts)} categories: {shortened(texts, 6)}"
    return Inferred(tuple(Feature(name, text) for text in texts), said)


def _are_categories(distinct: int, rows: int) -> bool:
    """Whether so many different texts in so many cells are categories: others are names, numbers of tickets, notes."""
    return distinct <= max(MOST_TEXTS, rows / 2) and distinct <= max(MANY_TEXTS, rows / 5)


def _of_dates(name: str, column: Sequence[str | None], forms: list[str], place: Place) -> Inferred:
    form = forms[0]
    if len(forms) > 1:
        example = next(text for text in column if text is not None)
        said = f"has dates such as {example!r}, whose day and month cannot be told apart"
        return Inferred((), "", faults=(faults.of_column(name, said, "write them as 2024-12-31", "dates"),))
    values = dates.parsed(column, form)
    odd = _odd_dates(name, column, values, form, place)
    if len(odd.rows):
        return Inferred((), "", faults=(odd,))
    parts = dates.parts(values)
    known = values[np.isfinite(values)]
    cycles = " and ".join(c for c in dates.CYCLES if f"{c} sin" in parts)
    also = f" and the place in the {cycles}" if cycles else ""
    said = (
        f"dates, {dates.FORMS[form]}, from {dates.shown(known.min())} to {dates.shown(known.max())}; "
        f"days since {dates.ORIGIN}{also}"
    )
    return Inferred(tuple(Feature(name, part=part) for part in parts), said, form)


def _odd_dates(name: str, column: Sequence[str | None], values: NDArray[np.float64], form: str, place: Place) -> Fault:
    rows = np.flatnonzero(np.isnan(values) & ~holes_of(column))
    return faults.in_cells(
        name,
        rows,
        place,
        lambda row: f"column {name!r} contains dates, but also {column[row]!r}",
        f"expected a date, {dates.FORMS[form]}; correct it",
        f"in {name!r}",
    )


def encode(
    table: str,
    x: NDArray[np.float64],
    name: str,
    column: Column,
    schema: Schema,
    places: Mapping[Feature, int],
    place: Place,
) -> list[Fault]:
    """Write the features of a column into ``x`` [N, n], where ``places`` says, and return what does not fit.

    Holes become NaN, or with a feature that says so, 1 there, NaN for a number, and zeros for text.
    """
    kind, holes = schema.kinds[name], holes_of(column)
    says_missing = Feature(name, part=MISSING)
    if says_missing in places:
        x[:, places[says_missing]] = holes
    if kind == "numbers":
        x[:, places[Feature(name)]] = _numbers(table, name, column, place)
        return []
    if isinstance(column, np.ndarray):
        column = _as_text(table, name, column, holes, kind, schema)
    if kind == "text":
        return _one_hot(x, name, column, schema, places, place)
    if kind == "boolean":
        values = np.array([np.nan if cell is None else _TRUTH_OR_NUMBER.get(cell.lower(), np.nan) for cell in column])
        x[:, places[Feature(name, part=TRUE)]] = values
        rows = np.flatnonzero(np.isnan(values) & ~holes)
        said = f"column {name!r} contains "
        advice = "the network was trained on true and false; expected one of them"
        return [faults.in_cells(name, rows, place, lambda row: said + repr(column[row]), advice, f"in {name!r}")]
    form = schema.dates[name]
    values = dates.parsed(column, form)
    for feature, j in places.items():
        if feature.column == name and feature.kind == "date":
            x[:, j] = dates.part(values, str(feature.part))
    return [_odd_dates(name, column, values, form, place)]


def _numbers(table: str, name: str, column: Column, place: Place) -> NDArray[np.float64]:
    if isinstance(column, np.ndarray):
        return column
    known = [(row, cell) for row, cell in enumerate(column) if cell is not None]
    if all(cell.lower() in _TRUTH for _, cell in known):
        return np.array([np.nan if cell is None else _TRUTH[cell.lower()] for cell in column])
    row, cell = known[0]
    raise DataError(
        f"{table}: column {name!r} is text ({cell!r} at {place(row)}), "
        "but the network was trained on numbers; turn it into numbers"
    )


def _as_text(
    table: str, name: str, column: NDArray[np.float64], holes: NDArray[np.bool_], kind: str, schema: Schema
) -> Sequence[str | None]:
    """A column of numbers where text was expected: only holes are the same, and 0 and 1 for truth values."""
    known = column[~holes]
    if kind == "boolean" and np.isin(known, (0, 1)).all():
        return [None if np.isnan(value) else ("true" if value else "false") for value in column]
    if len(known) == 0:
        return [None] * len(column)
    raise DataError(f"{table}: {schema.not_numbers(name)}")


def _one_hot(
    x: NDArray[np.float64],
    name: str,
    column: Sequence[str | None],
    schema: Schema,
    places: Mapping[Feature, int],
    place: Place,
) -> list[Fault]:
    texts = schema.columns[name] or ()
    code = {text: places[Feature(name, text)] for text in texts}
    codes = np.array([-2 if text is None else code.get(text, -1) for text in column], np.int64)
    known = np.flatnonzero(codes >= 0)
    x[known, codes[known]] = 1.0
    if Feature(name, part=MISSING) not in places:
        x[np.ix_(codes == -2, [*code.values()])] = np.nan
    rows = np.flatnonzero(codes == -1) if schema.reading.unknown == "error" else np.empty(0, np.int64)
    said = f"column {name!r} contains "
    advice = not_known(texts)
    return [faults.in_cells(name, rows, place, lambda row: said + repr(column[row]), advice, f"in {name!r}")]


def not_known(texts: Sequence[str]) -> str:
    """What to say of a category that is none of these."""
    return (
        f"the network was not trained on it; expected one of {shortened(texts)}, or --unknown ignore to take it for "
        "none of them"
    )
