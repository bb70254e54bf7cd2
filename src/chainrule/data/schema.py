"""The schema of a network's training data: the columns behind its features, and its target."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple

from chainrule.data import dates
from chainrule.data.checks import DataError
from chainrule.data.reading import PLAIN, Reading

MISSING, TRUE = "missing", "true"
"""The parts of a column that say whether its value is missing, and whether it is true."""
PARTS = (*dates.PARTS, MISSING, TRUE)


class Feature(NamedTuple):
    """Where a feature comes from: a column of numbers, one category of a column of text, or a part of a column.

    ``part`` is one of :data:`PARTS`: a part of a date, whether a value is missing, or whether it is true. A feature's
    name is composed of these (:func:`feature_names`) and never parsed again: a column of numbers may well be called
    "a=x".
    """

    column: str
    category: str | None = None
    part: str | None = None

    @property
    def kind(self) -> str | None:
        """The kind of column that this is a feature of: numbers, text, date or boolean; None for a missing value."""
        if self.category is not None:
            return "text"
        return {None: "numbers", MISSING: None, TRUE: "boolean"}.get(self.part, "date")

    def to_list(self) -> list[str | None]:
        """The entries for JSON; a part is written only if there is one."""
        return [self.column, self.category, *([] if self.part is None else [self.part])]

    def _name(self) -> str:
        if self.category is not None:
            return f"{self.column}={self.category}"
        if self.part is None:
            return self.column
        if self.part in dates.PARTS:
            return f"{self.column} ({'days' if self.part == 'days' else self.part.replace(' ', ', ')})"
        return f"{self.column}={self.part}"


def feature_names(features: Sequence[Feature]) -> tuple[str, ...]:
    """The names of the features: a column's name, `column=category` or the column with its part, all distinct.

    A column of numbers keeps its name. If another name is already taken, it gets a number.

    >>> feature_names([Feature("size"), Feature("shape", "o"), Feature("shape=o")])
    ('size', 'shape=o (2)', 'shape=o')
    >>> feature_names([Feature("when", part="days"), Feature("when", part="year sin"), Feature("when", part="missing")])
    ('when (days)', 'when (year, sin)', 'when=missing')
    """
    taken = {feature.column for feature in features if feature.kind == "numbers"}
    names = []
    for feature in features:
        name = feature.column
        if feature.kind != "numbers":
            name = base = feature._name()
            count = 1
            while name in taken:
                count += 1
                name = f"{base} ({count})"
            taken.add(name)
        names.append(name)
    return tuple(names)


@dataclass(frozen=True)
class Schema:
    """Describes a network's training data, so that other data can be read in the same way.

    - ``name``: the name of the training data.
    - ``features``: where each feature comes from, in the network's order.
    - ``task``: "classification" or "regression"; ``class_names``: the classes in order, none for a regression.
    - ``target``: the target's column, or an NPZ file's array; None for a data set with separate labels.
    - ``target_is_text``: whether that column was text.
    - ``reading``: how the cells were read (:class:`Reading`).

    Raises :class:`DataError` if these contradict each other.

    >>> schema = Schema("t.csv", (Feature("size"), Feature("shape", "o"), Feature("shape", "x")), "regression")
    >>> schema.columns
    {'size': None, 'shape': ('o', 'x')}
    """

    name: str
    features: tuple[Feature, ...]
    task: str
    class_names: tuple[str, ...] = ()
    target: str | None = None
    target_is_text: bool = False
    reading: Reading = PLAIN

    def __post_init__(self) -> None:
        if not self.features:
            raise DataError(f"{self.name}: no features; expected at least one")
        kinds = {(feature.column, feature.kind) for feature in self.features if feature.kind is not None}
        for what, repeated in (
            ("feature", _repeated(self.features)),
            ("column, of two kinds,", _repeated([column for column, _ in kinds])),
            ("class", _repeated(self.class_names)),
        ):
            if repeated is not None:
                raise DataError(f"{self.name}: the {what} {repeated!r} occurs twice; expected each once")
        if (self.task == "classification") != bool(self.class_names) or (self.target_is_text and not self.class_names):
            raise DataError(f"{self.name}: a {self.task} with {len(self.class_names)} classes; expected them to agree")
        if {column for column, kind in self.kinds.items() if kind == "date"} != {*self.dates}:
            raise DataError(f"{self.name}: the forms of dates {self.dates} are not those of the columns of dates")
        if odd := {f.column for f in self.features if f.part == MISSING} - {*self.kinds}:
            raise DataError(f"{self.name}: {min(odd)!r} has no feature besides that it is missing")

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The columns of the features in order, with their kinds: numbers, text, date or boolean."""
        return {feature.column: feature.kind for feature in self.features if feature.kind is not None}

    @cached_property
    def dates(self) -> dict[str, str]:
        """The columns of dates, with their forms."""
        return dict(self.reading.dates)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features (:func:`feature_names`)."""
        return feature_names(self.features)

    @cached_property
    def columns(self) -> dict[str, tuple[str, ...] | None]:
        """The columns of the features in order, with the categories of each column of text, and None for others."""
        found: dict[str, list[str] | None] = {}
        for column, category, _ in self.features:
            known = found.setdefault(column, None if category is None else [])
            if known is not None and category is not None:
                known.append(category)
        return {column: known if known is None else tuple(known) for column, known in found.items()}

    def is_text(self, column: str) -> bool:
        """Whether a column was text, of categories, dates or truth values, when the network was trained."""
        return self.kinds[column] != "numbers" if column in self.kinds else self.target_is_text

    def not_numbers(self, column: str) -> str:
        """What to say of numbers in a column that was none of numbers in training."""
        what = {"date": "dates", "boolean": "true and false"}.get(self.kinds[column])
        return (
            f"column {column!r} contains numbers, but the network was trained on {what or 'text'}; "
            f"expected {what or shortened(self.columns[column] or ())}"
        )

    def is_header(self, cells: Sequence[str]) -> bool:
        """Whether a table's first row must be its header: it has the names of all columns, and none of them is a
        number.
        """
        given = any(column != f"x{i}" for i, column in enumerate(self.columns))
        return given and set(self.columns) <= set(cells)

    def check_columns(self, name: str, found: Sequence[str], with_target: bool) -> None:
        """Raise :class:`DataError` unless the data called ``name`` have the network's columns, in any order.

        The target may be present, and must be if ``with_target``. The error names missing columns and those that the
        network does not take.
        """
        wanted = [*self.columns, *([self.target] if with_target and self.target is not None else [])]
        have, takes = set(found), {*self.columns, self.target, *self.reading.without}
        missing = [column for column in wanted if column not in have]
        others = [column for column in found if column not in takes]
        if with_target and (self.target is None or self.target in self.columns):
            raise DataError(
                f"{name}: the network was trained on {self.name}, whose target is not one of the columns; "
                f"name the target, one of {shortened(others) or 'its columns'}, with --target"
            )
        if missing or others:
            parts = [f"no column {shortened(missing)}"] if missing else []
            if others:
                parts.append(f"{shortened(others)} is not one of them; remove it from the data")
            raise DataError(
                f"{name} does not fit the network, which was trained on {len(self.columns)} columns of {self.name}: "
                f"{'; '.join(parts)}. Expected {shortened([*self.columns])}"
            )


def _repeated(values: Sequence[object]) -> object:
    counts = Counter(values)
    return next((value for value, count in counts.items() if count > 1), None)


def check_left_out(file: str, names: Sequence[str], without: Sequence[str]) -> None:
    """Raise :class:`DataError` for a column to leave out that is not among a file's.

    >>> check_left_out("t.csv", ["abc", "y"], ["abd"])
    Traceback (most recent call last):
    chainrule.data.checks.DataError: t.csv: no column 'abd' to leave out; did you mean 'abc'? Expected one of 'abc', 'y'
    """
    for name in without:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}? Expected" if close else "expected"
            raise DataError(f"{file}: no column {name!r} to leave out; {hint} one of {shortened(names)}")


def shortened(names: Sequence[str], most: int = 12) -> str:
    """The names in quotes; of many, the first few and how many more there are.

    >>> shortened(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
