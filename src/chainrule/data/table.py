"""From columns of numbers and text to a data set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.dataset import Data
from chainrule.data.target import Column, categories, described_target, encode_target


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length: float64 arrays and lists of text.

    ``name`` is the file's; ``place`` says where in the file a row (from 0) stands, such as "line 7". Raises
    :class:`DataError` for fewer than two columns, no rows, names that repeat, and numbers that are not
    finite.
    """

    name: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    place: Callable[[int], str]

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise DataError(f"{self.name}: one column only; expected at least one feature and the target")
        repeated = [name for name in self.names if self.names.count(name) > 1]
        if repeated:
            raise DataError(f"{self.name}: two columns are called {repeated[0]!r}; rename one")
        if len(self.columns[0]) == 0:
            raise DataError(f"{self.name}: there are columns but no rows of data")
        for name, column in zip(self.names, self.columns, strict=True):
            if isinstance(column, np.ndarray) and not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column))[0])
                raise DataError(
                    f"{self.name}: column {name!r} is not finite ({column[row]}) at {self.place(row)}; "
                    "correct the value or remove the row"
                )

    def to_data(self, target: str | int | None = None, task: str = "auto") -> Data:
        """The features and the target, encoded.

        ``target`` is a column's name or index, by default the last column; :func:`encode_target` says when it
        makes a classification, and what ``task`` does. Number columns are features as they are. A text column
        becomes one feature of zeros and ones for each of its K texts (one-hot), called ``column=text``. Raises
        :class:`DataError` for an unknown or constant target, or text that is no set of categories.

        >>> table = Table("t", ("size", "shape", "y"), (np.array([1.0, 2.0]), ["o", "x"], ["a", "b"]), str)
        >>> data = table.to_data()
        >>> data.feature_names, data.x.tolist(), data.class_names
        (('size', 'shape=o', 'shape=x'), [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]], ('a', 'b'))
        """
        chosen = self._position(target)
        y, class_names = encode_target(self.columns[chosen], f"{self.name}: the target {self.names[chosen]!r}", task)
        features = [f for i in range(len(self.names)) if i != chosen for f in self._features(i)]
        return Data(
            x=np.stack([values for _, values in features], axis=1),
            y=y,
            task="classification" if class_names else "regression",
            feature_names=tuple(name for name, _ in features),
            class_names=class_names,
            name=self.name,
            source=f"file {self.name}",
            inferred=(
                *(self._described(i) for i in range(len(self.names)) if i != chosen),
                f"{self.names[chosen]}: the target; {described_target(self.columns[chosen], class_names, task)}",
            ),
        )

    def _described(self, position: int) -> str:
        name, column = self.names[position], self.columns[position]
        if isinstance(column, np.ndarray):
            return f"{name}: numbers, from {column.min():.6g} to {column.max():.6g}"
        texts = sorted(set(column))
        return f"{name}: text, one-hot; {len(texts)} categories: {_shortened(texts, 6)}"

    def features(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The features called `names`, [N, n], as :meth:`to_data` made and named them for training.

        Other columns are left out. Raises :class:`DataError` for a column that is missing, and for text that
        stands for none of the features `column=text`.
        """
        known: dict[str, NDArray[np.float64]] = {}
        for name, column in zip(self.names, self.columns, strict=True):
            if isinstance(column, np.ndarray):
                known[name] = column
            else:
                known |= self._indicators(name, column, [f for f in names if f.startswith(f"{name}=")])
        for name in names:
            if name not in known:
                wanted = name.partition("=")[0]
                raise DataError(
                    f"{self.name}: no column {wanted!r}, which the network takes (feature {name!r}); "
                    f"expected its {len(names)} features, got the columns {_shortened(self.names)}"
                )
        return np.stack([known[name] for name in names], axis=1)

    def _indicators(self, name: str, column: Sequence[str], features: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        texts = [feature.partition("=")[2] for feature in features]
        for row, text in enumerate(column):
            if texts and text not in texts:
                raise DataError(
                    f"{self.name}: column {name!r} holds {text!r} at {self.place(row)}, "
                    f"which the network was not trained on; expected one of {_shortened(texts)}"
                )
        return {
            feature: np.array([cell == text for cell in column], np.float64)
            for feature, text in zip(features, texts, strict=True)
        }

    def _position(self, target: str | int | None) -> int:
        if target is None:
            return len(self.names) - 1
        if target in self.names:
            return self.names.index(str(target))
        try:
            return range(len(self.names))[int(target)]  # a command line gives an index as text
        except (ValueError, IndexError):
            close = get_close_matches(str(target), self.names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DataError(
                f"{self.name}: no column {target!r} to be the target{hint} "
                f"Expected an index below {len(self.names)} or one of {_shortened(self.names)}"
            ) from None

    def _features(self, position: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
        name, column = self.names[position], self.columns[position]
        if isinstance(column, np.ndarray):
            yield name, column
            return
        codes, texts = categories(column, f"{self.name}: column {name!r}")
        for k, text in enumerate(texts):
            yield f"{name}={text}", (codes == k).astype(np.float64)


def missing_value(table: str, column: str, place: str) -> DataError:
    """The error for an empty cell; what should stand there is the user's decision."""
    return DataError(f"{table}: missing value in column {column!r} at {place}; fill it in or remove the row")


def _shortened(names: Sequence[str], most: int = 12) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest
