"""The one pass over a stream before training: what its columns are, their statistics, and whether all can be used."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import DECIMAL_COMMA, is_number
from chainrule.data.schema import Feature, Schema, shortened
from chainrule.data.statistics import Counts, Moments, merged
from chainrule.data.streams.blocks import Block, Content, Words
from chainrule.data.streams.files import Files
from chainrule.data.streams.held_out import is_held_out
from chainrule.data.target import MOST_CLASSES, MOST_TEXTS, TASKS, class_name

MOST_WORDS = 100_000
"""The most different texts of a column, and classes."""
MOST_FEATURES = 100_000
_CHUNK = 1 << 15


@dataclass(frozen=True, eq=False)
class Facts:
    """What the pass found: the blocks and how many rows of each are kept, the schema, and the features' moments.

    ``digest`` names the content. ``counts`` has how often each class occurs among the rows that are kept.
    """

    blocks: tuple[Block, ...]
    kept: NDArray[np.int64]
    schema: Schema
    moments: Moments
    target_moments: Moments | None
    counts: dict[str, int]
    inferred: tuple[str, ...]
    digest: str

    @property
    def rows(self) -> int:
        """The number of all rows."""
        last = self.blocks[-1]
        return last.start + last.rows


class _TextAgain(Exception):
    """A column looked like numbers in some blocks, and is text: it must be read as such from the beginning."""

    def __init__(self, column: str) -> None:
        self.column = column


def scan(files: Files, target: str | int | None, task: str, fraction: float, seed: int) -> Facts:
    """Read all of the files once. Raises :class:`DataError` as whole tables do, naming the column and the place."""
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    if len(files.names) < 2:
        raise DataError(f"{files.name}: one column only; expected at least one feature and the target")
    chosen = _target_name(files, target)
    texts: frozenset[str] = frozenset()
    while True:
        try:
            return _Pass(files, chosen, task, fraction, seed).facts(texts)
        except _TextAgain as again:
            texts |= {again.column}


class _Pass:
    def __init__(self, files: Files, target: str, task: str, fraction: float, seed: int) -> None:
        self.files, self.target, self.task, self.fraction, self.seed = files, target, task, fraction, seed
        self.blocks: list[Block] = []
        self.kept: list[int] = []
        self.texts: dict[str, _Text] = {}
        self.numbers_seen: set[str] = set()
        most = MOST_WORDS if task == "classification" else MOST_CLASSES
        self.values, self.kept_values = Counts(most), Counts(most)
        self.digest = hashlib.sha256(repr((files.names, target)).encode())
        self.levels: list[tuple[int, tuple[str, ...], Moments]] = []

    def facts(self, texts: frozenset[str]) -> Facts:
        for block, content in self.files.scanned(texts):
            kept = ~is_held_out(block.start, block.rows, self.fraction, self.seed)
            self.blocks.append(block)
            self.kept.append(int(kept.sum()))
            self._add(content, kept)
        if not self.blocks:
            raise DataError(f"{self.files.name}: has columns but no rows of data")
        self._check_parts()
        for name, text in self.texts.items():
            if self.files.are_guessed:
                text.check(name, self.files.name, self.rows)
            if name in self.numbers_seen:
                self._refuse_types(name)
                raise _TextAgain(name)
        return self._found()

    def _refuse_types(self, name: str) -> None:
        if not self.files.are_guessed:
            odd, where = self.texts[name].odd or ("", "a later row")
            raise DataError(
                f"{self.files.name}: column {name!r} contains numbers, but text at {where} ({odd!r}); the files of a "
                "stream need the same types"
            )

    @property
    def rows(self) -> int:
        return self.blocks[-1].start + self.blocks[-1].rows

    def _check_parts(self) -> None:
        kept = sum(self.kept)
        if not kept or (self.fraction > 0 and kept == self.rows):
            raise DataError(
                f"{self.files.name}: of {self.rows} rows, {self.rows - kept} would be held out, which leaves a part "
                "empty; use more rows, or read them as a whole"
            )

    # A block

    def _add(self, content: Content, kept: NDArray[np.bool_]) -> None:
        numbers = [name for name in self.files.names if not isinstance(content.columns[name], Words)]
        for name in self.files.names:
            column = content.columns[name]
            if isinstance(column, Words):
                self.texts.setdefault(name, _Text()).add(column, kept, content)
                self.digest.update(np.ascontiguousarray(column.codes).data)
                self.digest.update("\0".join(column.words).encode("utf-8", "backslashreplace"))
            else:
                self.numbers_seen.add(name)
                if content.matrix is None or name == self.target:
                    self.digest.update(np.ascontiguousarray(column).data)
        if content.matrix is not None:
            self.digest.update(np.ascontiguousarray(content.matrix).data)
        if numbers:
            self._push(tuple(numbers), self._moments(content, numbers, kept))
        if self.target in numbers and not self.values.is_over:
            self._count_target(np.asarray(content.columns[self.target]), kept)

    def _moments(self, content: Content, names: list[str], kept: NDArray[np.bool_]) -> Moments:
        """The moments of the rows that are kept, after a look at all of them."""
        step, parts = max(1, _CHUNK // len(names)), []
        columns: list[Any] = [content.columns[name] for name in names]
        for start in range(0, len(kept), step):
            x = np.empty((len(kept[start : start + step]), len(names)))
            for j, column in enumerate(columns):
                x[:, j] = column[start : start + step]
            if not np.isfinite(x).all():
                row, j = map(int, np.argwhere(~np.isfinite(x))[0])
                raise DataError(
                    f"{self.files.name}: column {names[j]!r} is not finite ({x[row, j]}) at "
                    f"{content.place(start + row)}; correct the value or remove the row"
                )
            parts.append(Moments.of(x if self.fraction <= 0 else x[kept[start : start + step]]))
        return merged(parts)

    def _push(self, names: tuple[str, ...], moments: Moments) -> None:
        """Merge the moments of blocks as a binary counter does, so that rounding grows with the logarithm alone."""
        size = 0
        while self.levels and self.levels[-1][:2] == (size, names):
            moments = self.levels.pop()[2].merged(moments)
            size += 1
        self.levels.append((size, names, moments))

    def _count_target(self, y: NDArray[Any], kept: NDArray[np.bool_]) -> None:
        for counts, values in ((self.values, y), (self.kept_values, y[kept])):
            found, times = np.unique(values, return_counts=True)
            if len(found) > counts.most:
                counts.values, counts.is_over = {}, True
            counts.add(found.astype(np.float64).tolist(), times.tolist())

    # The end

    def _of_column(self, name: str) -> Moments:
        parts = [
            moments.of_columns([names.index(name)]) for _, names, moments in reversed(self.levels) if name in names
        ]
        found = parts[0]
        for part in parts[1:]:
            found = part.merged(found)
        return found

    def _found(self) -> Facts:
        names = [name for name in self.files.names if name != self.target]
        features = tuple(feature for name in names for feature in self._features(name))
        if len(features) > MOST_FEATURES:
            raise DataError(
                f"{self.files.name}: its columns make {len(features):,} features, and at most {MOST_FEATURES:,} are "
                "allowed; remove columns that identify rows, or turn them into numbers"
            )
        is_text = self.target in self.texts
        classes, counts, said = self._text_target() if is_text else self._number_target()
        schema = Schema(
            self.files.name,
            features,
            "classification" if classes else "regression",
            classes,
            self.target,
            is_text,
        )
        return Facts(
            tuple(self.blocks),
            np.array(self.kept, np.int64),
            schema,
            self._feature_moments(names),
            None if classes else self._of_column(self.target),
            counts,
            (*(self._described(name) for name in names), f"{self.target}: the target; {said}"),
            self.digest.hexdigest(),
        )

    def _features(self, name: str) -> list[Feature]:
        if name not in self.texts:
            return [Feature(name)]
        texts = self.texts[name].categories(name, self.files.name, self.rows)
        return [Feature(name, text) for text in texts]

    def _feature_moments(self, names: Iterable[str]) -> Moments:
        kept, parts = sum(self.kept), []
        for name in names:
            if name in self.texts:
                text = self.texts[name]
                parts += [_of_indicator(text.kept.values.get(word, 0), kept) for word in sorted(text.all.values)]
            else:
                parts.append(self._of_column(name))
        arrays = zip(*(part._arrays() for part in parts), strict=True)
        return Moments(kept, *(np.concatenate(columns) for columns in arrays))

    def _text_target(self) -> tuple[tuple[str, ...], dict[str, int], str]:
        what = f"{self.files.name}: the target {self.target!r}"
        if self.task == "regression":
            raise DataError(f"{what} is text, but a regression needs numbers; choose another target or another task")
        text = self.texts[self.target]
        names = text.categories(self.target, self.files.name, self.rows, "the target")
        if len(names) == 1:
            raise DataError(f"{what} is constant: every value is {names[0]!r}, so there is nothing to learn")
        why = "as asked" if self.task != "auto" else "because it is text"
        counts = {name: text.kept.values.get(name, 0) for name in names}
        return names, counts, f"a classification, {why}; {len(names)} classes"

    def _number_target(self) -> tuple[tuple[str, ...], dict[str, int], str]:
        what = f"{self.files.name}: the target {self.target!r}"
        distinct = sorted(self.values.values)
        if len(distinct) == 1:
            raise DataError(f"{what} is constant: every value is {distinct[0]!r}, so there is nothing to learn")
        if self.task == "classification" and (self.values.is_over or len(distinct) > max(MOST_CLASSES, self.rows / 2)):
            many = f"more than {MOST_WORDS:,}" if self.values.is_over else len(distinct)
            raise DataError(
                f"{what} takes {many} different values in {self.rows} rows, which is not a set of classes; "
                "treat it as a regression"
            )
        few = not self.values.is_over and len(distinct) <= min(MOST_CLASSES, self.rows / 2)
        is_whole = all(value == np.floor(value) for value in distinct)
        if self.task == "regression" or (self.task == "auto" and not (few and is_whole)):
            some = f"more than {self.values.most}" if self.values.is_over else len(distinct)
            why = "as asked" if self.task != "auto" else f"because it takes {some} different values in {self.rows} rows"
            return (), {}, f"a regression, {why}"
        names = tuple(class_name(np.float64(value)) for value in distinct)
        counts = {name: self.kept_values.values.get(value, 0) for name, value in zip(names, distinct, strict=True)}
        why = (
            f"because it takes only {len(distinct)} different whole numbers in {self.rows} rows; --task regression to "
        )
        said = "as asked" if self.task != "auto" else f"{why}treat it as a quantity"
        return names, counts, f"a classification, {said}"

    def _described(self, name: str) -> str:
        if name in self.texts:
            texts = sorted(self.texts[name].all.values)
            return f"{name}: text, one-hot; {len(texts)} categories: {shortened(texts, 6)}"
        moments = self._of_column(name)
        return f"{name}: numbers, from {moments.low[0]:.6g} to {moments.high[0]:.6g}"


class _Text:
    """A column of which some block was text."""

    def __init__(self) -> None:
        self.all, self.kept = Counts(MOST_WORDS), Counts(MOST_WORDS)
        self.words = 0
        self.has_commas = True
        self.odd: tuple[str, str] | None = None
        """The first word, and where it is."""

    def add(self, column: Words, kept: NDArray[np.bool_], content: Content) -> None:
        times = np.bincount(column.codes, minlength=len(column.words))
        self.all.add(column.words, times.tolist())
        self.kept.add(column.words, np.bincount(column.codes[kept], minlength=len(column.words)).tolist())
        are_words = np.array([not is_number(word) for word in column.words], bool)
        self.words += int(times[are_words].sum())
        odd = [word for word, is_word in zip(column.words, are_words, strict=True) if is_word]
        self.has_commas = self.has_commas and all(DECIMAL_COMMA.fullmatch(word) for word in odd)
        if odd and self.odd is None:
            row = int(np.flatnonzero(are_words[column.codes])[0])
            self.odd = (column.words[column.codes[row]], content.place(row))

    def check(self, name: str, file: str, rows: int) -> None:
        """Refuse a mixture of numbers and text in a file that does not say what a column is (:func:`read_csv`)."""
        if self.odd is not None and (self.has_commas or self.words < rows / 2):
            odd, where = self.odd
            advice = "write 1.5, not 1,5" if self.has_commas else "correct it, or make every cell text"
            raise DataError(f"{file}: column {name!r} contains numbers, but also {odd!r} at {where}; {advice}")

    def categories(self, name: str, file: str, rows: int, what: str = "column") -> tuple[str, ...]:
        """The texts in alphabetical order; :class:`DataError` where they are not a set of categories."""
        count = len(self.all.values)
        if self.all.is_over or count > max(MOST_TEXTS, rows / 2):
            many = f"more than {MOST_WORDS:,}" if self.all.is_over else count
            raise DataError(
                f"{file}: {what} {name!r} has {many} different texts in {rows} rows, which is not a set of categories; "
                "remove the column, or turn it into numbers"
            )
        return tuple(sorted(self.all.values))


def _of_indicator(ones: int, rows: int) -> Moments:
    """The moments of a column of zeros and so many ones."""
    share = ones / rows if rows else 0.0
    low, high = float(rows > 0 and ones == rows), float(ones > 0)
    squares = ones * (1.0 - share)
    return Moments(rows, *(np.array([value]) for value in (1.0, share, squares, low, high)))


def _target_name(files: Files, target: str | int | None) -> str:
    if target is None:
        return files.default_target
    if target in files.names:
        return str(target)
    try:
        return files.names[range(len(files.names))[int(target)]]
    except (ValueError, IndexError):
        close = get_close_matches(str(target), files.names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(
            f"{files.name}: no column {target!r} to use as the target{hint} Expected an index below "
            f"{len(files.names)} or one of {shortened(files.names)}"
        ) from None
