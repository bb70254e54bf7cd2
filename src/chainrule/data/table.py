"""From columns of numbers and text to a data set."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import encoded, faults
from chainrule.data.checks import DataError, check_indicators
from chainrule.data.dataset import Data
from chainrule.data.encoded import Inferred, infer
from chainrule.data.faults import Fault
from chainrule.data.reading import PLAIN, Reading
from chainrule.data.schema import Schema, check_left_out, shortened
from chainrule.data.target import Column, described_target, encode_as, encode_target, holes_of, rows_of, target_position

NO_TARGET = "a target cannot be made up; fill it in, remove the row, or use --missing drop"


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length: float64 arrays, with NaN for holes, and lists of text, with None for holes.

    ``name`` is the file's name; ``place`` says where in the file a row (from 0) is, such as "line 7". ``faults`` are
    those that the reader has found in the cells; ``notes`` what it tells the user. Raises :class:`DataError` for no
    columns, no rows and duplicate names.
    """

    name: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    place: Callable[[int], str]
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise DataError(f"{self.name}: two columns are called {repeated[0]!r}; rename one")
        if not self.columns or len(self.columns[0]) == 0:
            faults.check(self.name, self.faults)
            raise DataError(f"{self.name}: has columns but no rows of data")

    def to_data(self, target: str | int | None = None, task: str = "auto", reading: Reading | None = None) -> Data:
        """The features and the target, encoded.

        ``target`` is a column's name or index, by default the last column; :func:`encode_target` describes when it is a
        classification, and what ``task`` does. Columns of numbers are features as they are. A text column is one-hot
        encoded: each of its K texts becomes one feature of zeros and ones, called ``column=text``
        (:func:`feature_names`); dates become numbers (:mod:`chainrule.data.dates`), true and false one feature.
        ``reading`` says what becomes of holes; where they are filled, ``x`` has NaN there, for :class:`Imputer`.

        Raises :class:`DataError` for fewer than two columns, an unknown or constant target, and, all in one, for
        everything in the cells that cannot be used: holes, what is not finite, text that is not a set of categories.

        >>> table = Table("t", ("size", "shape", "y"), (np.array([1.0, 2.0]), ["o", "x"], ["a", "b"]), str)
        >>> data = table.to_data()
        >>> data.feature_names, data.x.tolist(), data.class_names
        (('size', 'shape=o', 'shape=x'), [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]], ('a', 'b'))
        """
        reading = reading or PLAIN
        if len(self.names) < 2:
            raise DataError(f"{self.name}: one column only; expected at least one feature and the target")
        chosen = self._position(target)
        wanted = self._wanted(chosen, reading)
        table, dropped = self._without_holes([*wanted, chosen], reading)
        inferred = {i: infer(table.names[i], table.columns[i], table.place, reading) for i in wanted}
        table._check([*wanted, chosen], chosen, reading, inferred)
        column, name = table.columns[chosen], self.names[chosen]
        y, class_names = encode_target(column, f"{self.name}: the target {name!r}", task)
        schema = Schema(
            self.name,
            tuple(feature for i in wanted for feature in inferred[i].features),
            "classification" if class_names else "regression",
            class_names,
            name,
            not isinstance(column, np.ndarray),
            replace(reading, dates=tuple((self.names[i], inferred[i].form) for i in wanted if inferred[i].form)),
        )
        said = [
            *self.notes,
            *dropped,
            *(f"{table.names[i]}: {inferred[i].said}" for i in wanted),
            *([f"left out, as asked: {shortened(reading.without)}"] if reading.without else []),
            f"{name}: the target; {described_target(column, class_names, task)}",
        ]
        return table._data(schema, y, tuple(said))

    def read_as(self, schema: Schema) -> Data:
        """The features and the target, encoded as they were for a network that was trained with a schema.

        Raises :class:`DataError` for a column that is missing, is not one of the network's, or has another type, and
        for a text or class that the network was not trained on.
        """
        self.check_columns(schema, with_target=True)
        at = self._places[str(schema.target)]
        table, _ = self._without_holes([*(self._places[name] for name in schema.columns), at], schema.reading)
        holes = table._holes(self.names[at], table.columns[at], NO_TARGET)
        faults.check(self.name, [*table._read_faults([*schema.columns, str(schema.target)]), holes])
        y = encode_as(table.columns[at], schema, f"{self.name}: the target {schema.target!r}", table.place)
        return table._data(schema, y)

    def complete(self, *names: str) -> None:
        """Raise :class:`DataError` for everything that the reader found wrong in these columns, and for their holes."""
        columns = {name: self.columns[self._places[name]] for name in names}
        advice = "fill it in or remove the row"
        holes = [self._holes(name, column, advice) for name, column in columns.items()]
        faults.check(self.name, [*self._read_faults(names), *holes])

    def check_columns(self, schema: Schema, with_target: bool) -> None:
        """Raise :class:`DataError` unless these are the columns of a schema, in any order (:class:`Schema`)."""
        schema.check_columns(self.name, self.names, with_target)

    def features(self, schema: Schema) -> NDArray[np.float64]:
        """The features of a schema, [N, n], as :meth:`to_data` made them for training, with NaN in holes to be filled.

        Raises :class:`DataError`, all in one, for a column of another type, for text that is not one of its categories,
        and for holes where the schema does not fill them. Other columns are ignored.
        """
        rows = len(self.columns[0])
        check_indicators(self.name, rows, sum(feature.category is not None for feature in schema.features))
        x = np.zeros((rows, len(schema.features)))
        places = {feature: j for j, feature in enumerate(schema.features)}
        found = self._read_faults([*schema.columns])
        for name in schema.columns:
            column = self.columns[self._places[name]]
            if not schema.reading.fills:
                found.append(self._holes(name, column, _to_fill(schema.reading)))
            if not any(fault.column == name and len(fault.rows) for fault in found):
                found += encoded.encode(self.name, x, name, column, schema, places, self.place)
        faults.check(self.name, found)
        return x

    def _data(self, schema: Schema, y: NDArray[Any], inferred: tuple[str, ...] = ()) -> Data:
        return Data(
            x=self.features(schema),
            y=y,
            task="classification" if schema.class_names else "regression",
            feature_names=schema.feature_names,
            class_names=schema.class_names,
            name=self.name,
            source=f"file {self.name}",
            inferred=inferred,
            features=schema.features,
            target=schema.target,
            target_is_text=schema.target_is_text,
            reading=schema.reading,
        )

    def _wanted(self, target: int, reading: Reading) -> list[int]:
        """The positions of the columns that are features."""
        check_left_out(self.name, self.names, reading.without)
        if self.names[target] in reading.without:
            raise DataError(f"{self.name}: the target {self.names[target]!r} cannot be left out; name another --target")
        left = [i for i, name in enumerate(self.names) if i != target and name not in reading.without]
        if not left:
            raise DataError(f"{self.name}: no features are left; leave out fewer than {len(reading.without)} columns")
        return left

    def _check(self, wanted: Sequence[int], target: int, reading: Reading, inferred: dict[int, Inferred]) -> None:
        """Raise :class:`DataError` for everything in these columns that keeps them from being trained on."""
        found = self._read_faults([self.names[i] for i in wanted])
        found += self._target_faults(target)
        unread = {fault.column for fault in found if len(fault.rows)}  # what they would be taken for is not known
        guesses = [guess for i, guess in inferred.items() if self.names[i] not in unread]
        found += encoded.useless_together([fault for guess in guesses for fault in guess.faults])
        for i, guess in inferred.items():
            if not reading.fills and not any(fault.kind == encoded.EMPTY for fault in guess.faults):
                found.append(self._holes(self.names[i], self.columns[i], to_choose(reading)))
        faults.check(self.name, found)

    def _read_faults(self, names: Sequence[str]) -> list[Fault]:
        """The reader's faults that concern these columns."""
        return [fault for fault in self.faults if fault.column is None or fault.column in names]

    def _target_faults(self, position: int) -> list[Fault]:
        name = self.names[position]
        if holes_of(self.columns[position]).all() and len(self.columns[position]):
            return [faults.of_column(name, "is the target and has no values", "choose another target", encoded.EMPTY)]
        return [self._holes(name, self.columns[position], NO_TARGET)]

    def _holes(self, name: str, column: Column, advice: str) -> Fault:
        return faults.missing(name, np.flatnonzero(holes_of(column)), self.place, advice)

    def _without_holes(self, positions: Sequence[int], reading: Reading) -> tuple["Table", list[str]]:
        """The rows without holes in these columns, if those with holes are to be left out, and what to say of it."""
        if reading.missing != "drop":
            return self, []
        whole = np.ones(len(self.columns[0]), bool)
        for i in positions:
            holes = holes_of(self.columns[i])
            if not holes.all():  # such a column is named, not a reason to drop everything
                whole &= ~holes
        kept = np.flatnonzero(whole)
        if len(kept) == len(whole):
            return self, []
        if len(kept) == 0:
            raise DataError(
                f"{self.name}: each of the {len(whole)} rows has a missing value, so --missing drop leaves none; "
                "leave out the columns with most holes by --without, or use --missing median"
            )
        columns = tuple(rows_of(column, kept) for column in self.columns)
        left = tuple(fault.kept(kept) for fault in self.faults)
        table = replace(self, columns=columns, place=lambda row: self.place(int(kept[row])), faults=left)
        return table, [f"{len(whole) - len(kept):,} of {len(whole):,} rows have missing values and are left out"]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def _position(self, target: str | int | None) -> int:
        if target is None:
            return len(self.names) - 1
        return target_position(self.name, self.names, target)


def to_choose(reading: Reading) -> str:
    """What to do about holes before training."""
    if reading.missing == "drop":
        return "leave the column out with --without"
    return "fill in the values, or choose what becomes of them: --missing mean, median, indicator or drop"


def _to_fill(reading: Reading) -> str:
    """What to do about holes in data for a trained network."""
    how = "with --missing drop" if reading.missing == "drop" else "without holes"
    return f"the network was trained {how}, so fill in the value or remove the row"


def missing_value(table: str, column: str, place: str) -> DataError:
    """The error for an empty cell of a table that is read in pieces."""
    return DataError(f"{table}: missing value in column {column!r} at {place}; fill it in or remove the row")
