"""From a block's columns to features and targets, by a schema, as whole tables are encoded."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import encoded, faults
from chainrule.data.checks import DataError
from chainrule.data.csv_file import is_number
from chainrule.data.schema import MISSING, Feature, Schema, shortened
from chainrule.data.standardizer import Standardizer
from chainrule.data.streams.blocks import Column, Content, Words, first_row, row_count

_HOLE = -2
_CHUNK = 1 << 15
"""Numbers that are turned from columns into rows at one time: they stay in the cache."""


class Encoder:
    """Encodes blocks by a schema: features [N, n] of ``dtype``, and the target, int64 [N] or float64 [N].

    Where the schema fills holes, they are filled with ``fill`` [n], or without it, are NaN. ``scaling`` standardises
    the features, in float64, and ``target_scaling`` the target, which is then [N, 1] and of ``dtype``, as a network's
    output is.
    """

    def __init__(
        self,
        name: str,
        schema: Schema,
        dtype: Any = np.float64,
        scaling: Standardizer | None = None,
        target_scaling: Standardizer | None = None,
        fill: NDArray[np.float64] | None = None,
    ) -> None:
        self.name, self.schema, self.dtype = name, schema, np.dtype(dtype)
        self.scaling, self.target_scaling, self.fill = scaling, target_scaling, fill
        self._places = {feature: j for j, feature in enumerate(schema.features)}
        self._of_column: dict[str, list[Feature]] = {column: [] for column in schema.kinds}
        for feature in schema.features:
            self._of_column[feature.column].append(feature)
        plain = [Feature(column) for column in schema.kinds]
        self._is_plain = plain == list(schema.features)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the features."""
        return frozenset(self.schema.kinds)

    @property
    def texts(self) -> frozenset[str]:
        """The columns that are text, whatever they look like."""
        named = {name for name, kind in self.schema.kinds.items() if kind != "numbers"}
        return frozenset(named | ({str(self.schema.target)} if self.schema.target_is_text else set()))

    def features(self, content: Content, chosen: NDArray[np.int64] | slice = slice(None)) -> NDArray[Any]:
        """The features of the chosen rows; :class:`DataError` for what the schema does not have."""
        x = self._given(content, chosen)
        if x is None:
            x = self._assembled(content, chosen)
        self._check_finite(content, x, chosen)
        return x

    def _given(self, content: Content, chosen: NDArray[np.int64] | slice) -> NDArray[Any] | None:
        """The features, where the file holds them side by side in their order."""
        if content.matrix is None or not self._is_plain or tuple(self.schema.kinds) != content.matrix_names:
            return None
        rows, step = content.matrix[chosen], self._step()
        x = np.empty((len(rows), len(self.schema.features)), self.dtype)
        for start in range(0, len(x), step):
            x[start : start + step] = self._prepared(rows[start : start + step].astype(np.float64))
        return x

    def _assembled(self, content: Content, chosen: NDArray[np.int64] | slice) -> NDArray[Any]:
        total = row_count(content.columns)
        rows = np.arange(total)[chosen]
        x = np.empty((len(rows), len(self.schema.features)), self.dtype)
        writers = [self._writer(content, name) for name in self.schema.kinds]
        step = self._step()
        for start in range(0, len(rows), step):
            # A slice of a column is no copy.
            these: Any = slice(start, start + step) if len(rows) == total else rows[start : start + step]
            z = np.zeros((len(rows[start : start + step]), x.shape[1]))
            for write in writers:
                write(z, these)
            x[start : start + step] = self._prepared(z)
        return x

    def _writer(self, content: Content, name: str) -> Callable[[NDArray[np.float64], Any], None]:
        """What writes the features of a column, of some rows of the block, into rows of numbers."""
        column, kind = content.columns[name], self.schema.kinds[name]
        if kind == "numbers" and not isinstance(column, Words):
            return self._number_writer(name, column)
        if kind == "text" and isinstance(column, Words):
            return self._text_writer(content, name, column)
        if kind == "numbers" and isinstance(column, Words) and not all(map(_may_be_number, column.words)):
            raise self._odd_text(content, f"column {name!r}", column)
        features = self._of_column[name]
        local = {feature: k for k, feature in enumerate(features)}
        at = [self._places[feature] for feature in features]
        # Each word is encoded once, by the code for whole tables.
        given = [*column.words] if isinstance(column, Words) else np.asarray(column, np.float64)
        place = partial(_place_of_word, content, column) if isinstance(column, Words) else content.place
        found = np.zeros((len(given), len(features)))
        faults.check(self.name, encoded.encode(self.name, found, name, given, self.schema, local, place))
        codes = column.codes if isinstance(column, Words) else np.arange(len(found))

        def write(z: NDArray[np.float64], these: Any) -> None:
            z[:, at] = found[codes[these]]

        return write

    def _number_writer(self, name: str, column: NDArray[Any]) -> Callable[[NDArray[np.float64], Any], None]:
        at, says_missing = self._places[Feature(name)], self._places.get(Feature(name, part=MISSING))

        def write(z: NDArray[np.float64], these: Any) -> None:
            z[:, at] = column[these]
            if says_missing is not None:
                z[:, says_missing] = np.isnan(z[:, at])

        return write

    def _text_writer(self, content: Content, name: str, column: Words) -> Callable[[NDArray[np.float64], Any], None]:
        texts = self.schema.columns[name] or ()
        at = np.array([self._places[Feature(name, text)] for text in texts], np.int64)
        says_missing = self._places.get(Feature(name, part=MISSING))
        positions = self._positions(content, name, column, texts)

        def write(z: NDArray[np.float64], these: Any) -> None:
            mine = positions[these]
            known = np.flatnonzero(mine >= 0)
            z[known, at[mine[known]]] = 1.0
            if says_missing is not None:
                z[:, says_missing] = mine == _HOLE
            elif (mine == _HOLE).any():
                z[np.ix_(mine == _HOLE, at)] = np.nan

        return write

    def _positions(self, content: Content, name: str, column: Words, texts: tuple[str, ...]) -> NDArray[np.int64]:
        """The category of each row, or ``_HOLE``, or −1 for an unknown one that may be."""
        position = {text: k for k, text in enumerate(texts)}
        numbers = np.array([_HOLE if word is None else position.get(word, -1) for word in column.words], np.int64)
        codes = numbers[column.codes] if len(numbers) else np.zeros(0, np.int64)
        if self.schema.reading.unknown == "error" and (numbers == -1).any():
            row = int(np.flatnonzero(codes == -1)[0])
            raise DataError(
                f"{self.name}: column {name!r} contains {column.words[column.codes[row]]!r} at {content.place(row)}; "
                + encoded.not_known(texts)
            )
        return codes

    def _step(self) -> int:
        return max(1, _CHUNK // max(len(self.schema.features), 1))

    def _prepared(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.fill is not None:
            np.copyto(x, self.fill, where=np.isnan(x))
        if self.scaling is not None:
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
            raise self._odd_text(content, f"the target {name!r}", column)
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

    def _known(self, content: Content, column: Words, known: tuple[str, ...], said: str) -> NDArray[np.int64]:
        position: dict[str | None, int] = {text: k for k, text in enumerate(known)}
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

    def _odd_text(self, content: Content, what: str, column: Words) -> DataError:
        odd = next((k for k, word in enumerate(column.words) if word is not None and not is_number(word)), 0)
        return DataError(
            f"{self.name}: {what} is text ({column.words[odd]!r} at {_place_of_word(content, column, odd)}), but the "
            "network was trained on numbers; turn it into numbers"
        )

    def _check_finite(self, content: Content, x: NDArray[Any], chosen: NDArray[np.int64] | slice) -> None:
        may_be_nan = self.schema.reading.fills and self.fill is None
        # A sum is finite unless a value is not, or it overflows: then each value is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(x.sum(dtype=x.dtype)):
                return
        wrong = np.argwhere(np.isinf(x) if may_be_nan else ~np.isfinite(x))
        if len(wrong):
            row, j = map(int, wrong[0])
            raise self._not_finite(content, self.schema.features[j].column, chosen, row, x[row, j])

    def _not_finite(
        self, content: Content, name: str, chosen: NDArray[np.int64] | slice, row: int, value: Any
    ) -> DataError:
        at = int(np.arange(row_count(content.columns))[chosen][row])
        said = f"column {name!r} is not finite ({value}) at {content.place(at)}; correct the value or remove the row"
        if np.isnan(value):
            said = f"missing value in column {name!r} at {content.place(at)}; fill in the value or remove the row"
        return DataError(f"{self.name}: {said}")


def _place_of_word(content: Content, column: Words, code: int) -> str:
    return content.place(first_row(column, code))


def _may_be_number(word: str | None) -> bool:
    """Whether a cell may stand in a column of numbers: a hole, a number, or a truth value."""
    return word is None or is_number(word) or word.lower() in ("true", "false")


def holes_in(content: Content, names: Iterable[str]) -> NDArray[np.bool_]:
    """The rows of a block that have a hole in any of these columns."""
    found = np.zeros(row_count(content.columns), bool)
    for name in names:
        column = content.columns[name]
        if not isinstance(column, Words):
            found |= np.isnan(column) if column.dtype.kind == "f" else False
        elif None in column.words:
            found |= column.codes == column.words.index(None)
    return found
