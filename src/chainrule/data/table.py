"""From columns of numbers and text to a data set."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError, check_indicators
from chainrule.data.dataset import Data
from chainrule.data.schema import Feature, Schema, shortened
from chainrule.data.target import Column, categories, described_target, encode_as, encode_target


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length: float64 arrays and lists of text.

    ``name`` is the file's name; ``place`` says where in the file a row (from 0) is, such as "line 7". Raises
    :class:`DataError` for no columns, no rows, duplicate names, and numbers that are not finite.
    """

    name: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    place: Callable[[int], str]

    def __post_init__(self) -> None:
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if repeated:
            raise DataError(f"{self.name}: two columns are called {repeated[0]!r}; rename one")
        if not self.columns or len(self.columns[0]) == 0:
            raise DataError(f"{self.name}: has columns but no rows of data")
        for name, column in zip(self.names, self.columns, strict=True):
            if isinstance(column, np.ndarray) and not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column))[0])
                raise DataError(
                    f"{self.name}: column {name!r} is not finite ({column[row]}) at {self.place(row)}; "
                    "correct the value or remove the row"
                )

    def to_data(self, target: str | int | None = None, task: str = "auto") -> Data:
        """The features and the target, encoded.

        ``target`` is a column's name or index, by default the last column; :func:`encode_target` describes when it is a
        classification, and what ``task`` does. Columns of numbers are features as they are. A text column is one-hot
        encoded: each of its K texts becomes one feature of zeros and ones, called ``column=text``
        (:func:`feature_names`). Raises :class:`DataError` for fewer than two columns, an unknown or constant target, or
        text that is not a set of categories.

        >>> table = Table("t", ("size", "shape", "y"), (np.array([1.0, 2.0]), ["o", "x"], ["a", "b"]), str)
        >>> data = table.to_data()
        >>> data.feature_names, data.x.tolist(), data.class_names
        (('size', 'shape=o', 'shape=x'), [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]], ('a', 'b'))
        """
        if len(self.names) < 2:
            raise DataError(f"{self.name}: one column only; expected at least one feature and the target")
        chosen = self._position(target)
        column = self.columns[chosen]
        y, class_names = encode_target(column, f"{self.name}: the target {self.names[chosen]!r}", task)
        features = tuple(f for i in range(len(self.names)) if i != chosen for f in self._features(i))
        schema = Schema(
            self.name,
            features,
            "classification" if class_names else "regression",
            class_names,
            self.names[chosen],
            not isinstance(column, np.ndarray),
        )
        return self._data(
            schema,
            y,
            (
                *(self._described(i) for i in range(len(self.names)) if i != chosen),
                f"{self.names[chosen]}: the target; {described_target(column, class_names, task)}",
            ),
        )

    def read_as(self, schema: Schema) -> Data:
        """The features and the target, encoded as they were for a network that was trained with a schema.

        Raises :class:`DataError` for a column that is missing, is not one of the network's, or has another type, and
        for a text or class that the network was not trained on.
        """
        self.check_columns(schema, with_target=True)
        column = self._column(str(schema.target))
        y = encode_as(column, schema, f"{self.name}: the target {schema.target!r}", self.place)
        return self._data(schema, y)

    def check_columns(self, schema: Schema, with_target: bool) -> None:
        """Raise :class:`DataError` unless these are the columns of a schema, in any order (:class:`Schema`)."""
        schema.check_columns(self.name, self.names, with_target)

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
        )

    def _described(self, position: int) -> str:
        name, column = self.names[position], self.columns[position]
        if isinstance(column, np.ndarray):
            return f"{name}: numbers, from {column.min():.6g} to {column.max():.6g}"
        texts = sorted(set(column))
        return f"{name}: text, one-hot; {len(texts)} categories: {shortened(texts, 6)}"

    def features(self, schema: Schema) -> NDArray[np.float64]:
        """The features of a schema, [N, n], as :meth:`to_data` made them for training.

        Raises :class:`DataError` for a column that is missing or of another type, and for text that is not one of its
        categories. Other columns are ignored.
        """
        indicators = sum(feature.category is not None for feature in schema.features)
        check_indicators(self.name, len(self.columns[0]), indicators)
        x = np.zeros((len(self.columns[0]), len(schema.features)))
        places = {feature: j for j, feature in enumerate(schema.features)}
        for name, texts in schema.columns.items():
            column = self._column(name)
            if texts is None:
                x[:, places[Feature(name)]] = self._numbers(name, column)
            else:
                codes = self._codes(name, column, texts)
                columns = np.array([places[Feature(name, category)] for category in texts])
                x[np.arange(len(x)), columns[codes]] = 1.0
        return x

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def _column(self, name: str) -> Column:
        return self.columns[self._places[name]]

    def _numbers(self, name: str, column: Column) -> NDArray[np.float64]:
        if isinstance(column, np.ndarray):
            return column
        raise DataError(
            f"{self.name}: column {name!r} is text ({column[0]!r} at {self.place(0)}), "
            "but the network was trained on numbers; turn it into numbers"
        )

    def _codes(self, name: str, column: Column, texts: Sequence[str]) -> NDArray[np.int64]:
        """Encode the cells by their positions among the texts."""
        if isinstance(column, np.ndarray):
            raise DataError(
                f"{self.name}: column {name!r} contains numbers, but the network was trained on text; "
                f"expected {shortened(texts)}"
            )
        position = {text: k for k, text in enumerate(texts)}
        for row, text in enumerate(column):
            if text not in position:
                raise DataError(
                    f"{self.name}: column {name!r} contains {text!r} at {self.place(row)}, "
                    f"which the network was not trained on; expected one of {shortened(texts)}"
                )
        return np.array([position[text] for text in column], np.int64)

    def _position(self, target: str | int | None) -> int:
        if target is None:
            return len(self.names) - 1
        if target in self.names:
            return self.names.index(str(target))
        try:
            return range(len(self.names))[int(target)]  # on the command line an index is text
        except (ValueError, IndexError):
            close = get_close_matches(str(target), self.names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DataError(
                f"{self.name}: no column {target!r} to use as the target{hint} "
                f"Expected an index below {len(self.names)} or one of {shortened(self.names)}"
            ) from None

    def _features(self, position: int) -> list[Feature]:
        name, column = self.names[position], self.columns[position]
        if isinstance(column, np.ndarray):
            return [Feature(name)]
        return [Feature(name, text) for text in categories(column, f"{self.name}: column {name!r}")[1]]


def missing_value(table: str, column: str, place: str) -> DataError:
    """The error for an empty cell; what it should contain is the user's decision."""
    return DataError(f"{table}: missing value in column {column!r} at {place}; fill it in or remove the row")
