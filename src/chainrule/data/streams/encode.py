"""From a block's columns to features and targets, by a schema, as whole tables are encoded."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import is_number
from chainrule.data.schema import Feature, Schema, shortened
from chainrule.data.standardizer import Standardizer
from chainrule.data.streams.blocks import Column, Content, Words, cells

_CHUNK = 1 << 15
"""Numbers that are turned from columns into rows at one time: they stay in the cache."""


class Encoder:
    """Encodes blocks by a schema: features [N, n] of ``dtype``, and the target, int64 [N] or float64 [N].

    ``scaling`` standardises the features, in float64, and ``target_scaling`` the target, which is then [N, 1] and of
    ``dtype``, as a network's output is.
    """

    def __init__(
        self,
        name: str,
        schema: Schema,
        dtype: Any = np.float64,
        scaling: Standardizer | None = None,
        target_scaling: Standardizer | None = None,
    ) -> None:
        if not schema.is_plain:
            raise DataError(
                f"{name}: the network was trained on dates or truth values, or with choices such as --missing, which "
                "tables in blocks do not have; give one file at a time, which is then read as a whole"
            )
        self.name, self.schema, self.dtype = name, schema, np.dtype(dtype)
        self.scaling, self.target_scaling = scaling, target_scaling
        self._numbers = [column for column, texts in schema.columns.items() if texts is None]
        places = {feature: j for j, feature in enumerate(schema.features)}
        self._places = np.array([places[Feature(name)] for name in self._numbers], np.int64)
        self._words = {
            column: (texts, np.array([places[Feature(column, text)] for text in texts]))
            for column, texts in schema.columns.items()
            if texts is not None
        }
        self._is_plain = not self._words and self._places.tolist() == [*range(len(schema.features))]

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the features."""
        return frozenset(self.schema.columns)

    @property
    def texts(self) -> frozenset[str]:
        """The columns that are text, whatever they look like."""
        named = {*self._words, *([self.schema.target] if self.schema.target_is_text else [])}
        return frozenset(name for name in named if name is not None)

    def features(self, content: Content, chosen: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """The features of the chosen rows; :class:`DataError` for what the schema does not have."""
        columns = {name: self._number_column(content, name) for name in self._numbers}
        x = self._given(content, chosen)
        if x is None:
            x = self._assembled(content, columns, chosen)
        self._check_finite(content, x, chosen)
        return x

    def _given(self, content: Content, chosen: NDArray[np.int64] | slice) -> NDArray[Any] | None:
        """The features, where the file holds them side by side in their order."""
        if content.matrix is None or not self._is_plain or tuple(self._numbers) != content.matrix_names:
            return None
        x = np.empty((len(np.arange(len(content.matrix))[chosen]), len(self._numbers)), self.dtype)
        rows, step = content.matrix[chosen], self._step()
        for start in range(0, len(x), step):
            x[start : start + step] = self._scaled(rows[start : start + step].astype(np.float64))
        return x

    def _assembled(
        self, content: Content, columns: Mapping[str, NDArray[Any]], chosen: NDArray[np.int64] | slice
    ) -> NDArray[Any]:
        rows = np.arange(cells(content.columns))[chosen]
        x = np.empty((len(rows), len(self.schema.features)), self.dtype)
        step = self._step()
        is_whole = len(rows) == cells(content.columns)
        positions = {name: self._positions(content, name, texts)[rows] for name, (texts, _) in self._words.items()}
        for start in range(0, len(rows), step):
            these: Any = slice(start, start + step) if is_whole else rows[start : start + step]
            z = np.zeros((len(rows[start : start + step]), x.shape[1]))
            for j, name in zip(self._places, self._numbers, strict=True):
                z[:, j] = columns[name][these]
            for name, (_, places) in self._words.items():
                z[np.arange(len(z)), places[positions[name][start : start + step]]] = 1.0
            x[start : start + step] = self._scaled(z)
        return x

    def _step(self) -> int:
        return max(1, _CHUNK // max(len(self.schema.features), 1))

    def _scaled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.scaling is None:
            return x
        x -= self.scaling.mean
        x /= self.scaling.scale
        return x

    def target(self, content: Content, chosen: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """The target of the chosen rows; :class:`DataError` for a class that the schema does not have."""
        name = str(self.schema.target)
        column = content.columns[name]
        if self.schema.class_names:
            return self._classes(content, name, column)[chosen]
        if isinstance(column, Words):
            raise self._odd_text(content, name, column, "the target")
        y = np.asarray(column[chosen], np.float64)
        wrong = np.flatnonzero(~np.isfinite(y))
        if len(wrong):
            raise self._not_finite(content, name, chosen, int(wrong[0]), y[wrong[0]])
        if self.target_scaling is None:
            return y
        return self.target_scaling.transform(y)[:, None].astype(self.dtype)

    def _classes(self, content: Content, name: str, column: Column) -> NDArray[np.int64]:
        names = self.schema.class_names
        if isinstance(column, Words):
            return self._known(content, column, names, f"{self.name}: the target {name!r} holds the class")
        if self.schema.target_is_text:
            words, codes = np.unique(column, return_inverse=True)
            text = Words(codes, tuple(f"{word:g}" for word in words))
            return self._known(content, text, names, f"{self.name}: the target {name!r} holds the class")
        values = np.array([float(known) for known in names])
        order = np.argsort(values)
        position = np.minimum(np.searchsorted(values[order], column), len(values) - 1)
        wrong = np.flatnonzero(values[order][position] != column)
        if len(wrong):
            raise DataError(
                f"{self.name}: the target {name!r} holds the class '{column[wrong[0]]:g}' at "
                f"{content.place(int(wrong[0]))}, which the network was not trained on; expected one of "
                f"{shortened(names)}"
            )
        return np.asarray(order[position], np.int64)

    def _positions(self, content: Content, name: str, texts: tuple[str, ...]) -> NDArray[np.int64]:
        column = content.columns[name]
        if not isinstance(column, Words):
            raise DataError(
                f"{self.name}: column {name!r} contains numbers, but the network was trained on text; "
                f"expected {shortened(texts)}"
            )
        return self._known(content, column, texts, f"{self.name}: column {name!r} contains")

    def _known(self, content: Content, column: Words, known: tuple[str, ...], said: str) -> NDArray[np.int64]:
        position = {text: k for k, text in enumerate(known)}
        numbers = np.array([position.get(word, -1) for word in column.words], np.int64)
        codes = numbers[column.codes] if len(numbers) else np.zeros(0, np.int64)
        wrong = np.flatnonzero(codes < 0)
        if len(wrong):
            word = column.words[column.codes[wrong[0]]]
            raise DataError(
                f"{said} {word!r} at {content.place(int(wrong[0]))}, which the network was not trained on; expected "
                f"one of {shortened(known)}"
            )
        return codes

    def _number_column(self, content: Content, name: str) -> NDArray[Any]:
        column = content.columns[name]
        if isinstance(column, Words):
            raise self._odd_text(content, name, column, "column")
        return column

    def _odd_text(self, content: Content, name: str, column: Words, what: str) -> DataError:
        odd = next((k for k, word in enumerate(column.words) if not is_number(word)), 0)
        row = int(np.flatnonzero(column.codes == odd)[0])
        return DataError(
            f"{self.name}: {what} {name!r} is text ({column.words[odd]!r} at {content.place(row)}), but the network "
            "was trained on numbers; turn it into numbers"
        )

    def _check_finite(self, content: Content, x: NDArray[Any], chosen: NDArray[np.int64] | slice) -> None:
        # A sum is finite unless a value is not, or it overflows: then each value is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(x.sum(dtype=x.dtype)):
                return
        wrong = np.argwhere(~np.isfinite(x))
        if len(wrong):
            row, j = map(int, wrong[0])
            raise self._not_finite(content, self.schema.feature_names[j], chosen, row, x[row, j])

    def _not_finite(
        self, content: Content, name: str, chosen: NDArray[np.int64] | slice, row: int, value: Any
    ) -> DataError:
        at = int(np.arange(cells(content.columns))[chosen][row])
        return DataError(
            f"{self.name}: column {name!r} is not finite ({value}) at {content.place(at)}; correct the value or remove "
            "the row"
        )
