"""The one pass over a stream before training: what its columns are, their statistics, and whether all can be used."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import encoded, faults
from chainrule.data.checks import DataError
from chainrule.data.encoded import EMPTY, Inferred, of_text
from chainrule.data.reading import PLAIN, Reading
from chainrule.data.schema import Feature, Schema, shortened
from chainrule.data.statistics import Counts, Faults, Moments, merged
from chainrule.data.streams.blocks import Block, Content, Words
from chainrule.data.streams.encode import holes_in
from chainrule.data.streams.files import Files
from chainrule.data.streams.held_out import is_held_out
from chainrule.data.streams.text_column import MOST_WORDS, TextColumn
from chainrule.data.target import MOST_CLASSES, TASKS, class_name, target_position

MOST_FEATURES = 100_000
_CHUNK = 1 << 15


@dataclass(frozen=True, eq=False)
class Facts:
    """What the pass found: the blocks, how many rows of each are kept and held out, the schema, the features' moments.

    ``fill`` is what holes of each feature are filled with, or None. ``digest`` names the content. ``counts`` has how
    often each class occurs among the rows that are kept.
    """

    blocks: tuple[Block, ...]
    kept: NDArray[np.int64]
    held: NDArray[np.int64]
    schema: Schema
    moments: Moments
    target_moments: Moments | None
    counts: dict[str, int]
    inferred: tuple[str, ...]
    digest: str
    fill: NDArray[np.float64] | None = None

    @property
    def rows(self) -> int:
        """The number of all rows."""
        last = self.blocks[-1]
        return last.start + last.rows


class _TextAgain(Exception):
    """A column looked like numbers in some blocks, and is text: it must be read as such from the beginning."""

    def __init__(self, column: str) -> None:
        self.column = column


def scan(
    files: Files, target: str | int | None, task: str, fraction: float, seed: int, reading: Reading = PLAIN
) -> Facts:
    """Read all of the files once. Raises :class:`DataError` as whole tables do, naming the column and the place."""
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    if reading.missing in ("median", "indicator"):
        raise ValueError(
            f"missing: {reading.missing!r} needs the median, which takes all rows of a column at once; for data that "
            "are read in blocks, expected 'error', 'mean' or 'drop'; data.load, or train --no-stream, has it"
        )
    chosen = files.default_target
    if target is not None:
        chosen = files.all_names[target_position(files.name, files.all_names, target)]
    if chosen in reading.without:
        raise DataError(f"{files.name}: the target {chosen!r} cannot be left out; name another --target")
    if len(files.names) < 2:
        raise DataError(f"{files.name}: one column only; expected at least one feature and the target")
    texts: frozenset[str] = frozenset()
    while True:
        try:
            return _Pass(files, chosen, task, fraction, seed, reading).facts(texts)
        except _TextAgain as again:
            texts |= {again.column}


class _Pass:
    def __init__(self, files: Files, target: str, task: str, fraction: float, seed: int, reading: Reading) -> None:
        self.files, self.target, self.task, self.fraction, self.seed = files, target, task, fraction, seed
        self.reading, self.holes = reading, Faults()
        self.blocks: list[Block] = []
        self.kept: list[int] = []
        self.held: list[int] = []
        self.texts: dict[str, TextColumn] = {}
        self.numbers_seen: set[str] = set()
        most = MOST_WORDS if task == "classification" else MOST_CLASSES
        self.values, self.kept_values = Counts(most), Counts(most)
        self.digest = hashlib.sha256(repr((files.names, target)).encode())
        self.levels: list[tuple[int, tuple[str, ...], Moments]] = []

    def facts(self, texts: frozenset[str]) -> Facts:
        for block, content in self.files.scanned(texts):
            held = is_held_out(block.start, block.rows, self.fraction, self.seed)
            kept, whole = ~held, np.ones(block.rows, bool)
            if self.reading.missing == "drop":
                whole = ~holes_in(content, self.files.names)
                held, kept = held & whole, kept & whole
            self.blocks.append(block)
            self.kept.append(int(kept.sum()))
            self.held.append(int(held.sum()))
            self._add(content, kept, whole)
        if not self.blocks:
            raise DataError(f"{self.files.name}: has columns but no rows of data")
        self._check_holes()
        self._check_parts()
        for name, text in self.texts.items():
            if self.files.are_guessed:
                text.check(name, self.files.name, self.left)
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
    def left(self) -> int:
        """How many rows are not dropped."""
        return sum(self.kept) + sum(self.held)

    @property
    def rows(self) -> int:
        return self.blocks[-1].start + self.blocks[-1].rows

    def _check_holes(self) -> None:
        """Refuse holes that are not to be filled, with how many there are and where the first of each column is."""
        allowed = self.reading.missing != "error"
        counts = self.holes.counts
        found = {name: counts[name] for name in self.files.names if name in counts}
        found = {name: count for name, count in found.items() if not allowed or name == self.target}
        if self.reading.missing == "drop" or not found:
            return
        name, count = next(iter(found.items()))
        others = f", {count - 1:,} more in it" if count > 1 else ""
        others += f", and {sum(found.values()) - count:,} in other columns" if len(found) > 1 else ""
        advice = "fill in the values, or choose what becomes of them: --missing mean or drop"
        if name == self.target:
            advice = "a target cannot be made up; fill it in, remove the row, or use --missing drop"
        raise DataError(
            f"{self.files.name}: missing value in column {name!r} at {self.holes.first[name]}{others}; {advice}"
        )

    def _check_parts(self) -> None:
        kept, held = sum(self.kept), sum(self.held)
        if not kept or (self.fraction > 0 and not held):
            raise DataError(
                f"{self.files.name}: of {self.rows} rows, {kept} would be trained on and {held} held out, and neither "
                "part may be empty; use more rows, or read them as a whole"
            )

    # A block

    def _add(self, content: Content, kept: NDArray[np.bool_], whole: NDArray[np.bool_]) -> None:
        """Note a block, of which rows that are not ``whole`` are dropped."""
        numbers = [name for name in self.files.names if not isinstance(content.columns[name], Words)]
        for name in self.files.names:
            column = content.columns[name]
            if isinstance(column, Words):
                self.texts.setdefault(name, TextColumn()).add(column, kept, whole, content)
                self.digest.update(np.ascontiguousarray(column.codes).data)
                self.digest.update(repr(column.words).encode("utf-8", "backslashreplace"))
                if None in column.words:
                    holes = column.codes == column.words.index(None)
                    self.holes.add(name, int(holes.sum()), content.place(int(holes.argmax())) if holes.any() else "")
            else:
                self.numbers_seen.add(name)
                if content.matrix is None or name == self.target:
                    self.digest.update(np.ascontiguousarray(column).data)
        if content.matrix is not None:
            self.digest.update(np.ascontiguousarray(content.matrix).data)
        if numbers:
            self._push(tuple(numbers), self._moments(content, numbers, kept))
        if self.target in numbers and not self.values.is_over:
            self._count_target(np.asarray(content.columns[self.target]), kept, whole)

    def _moments(self, content: Content, names: list[str], kept: NDArray[np.bool_]) -> Moments:
        """The moments of the rows that are kept, after a look at all of them."""
        step, parts = max(1, _CHUNK // len(names)), []
        columns: list[Any] = [content.columns[name] for name in names]
        for start in range(0, len(kept), step):
            x = np.empty((len(kept[start : start + step]), len(names)))
            for j, column in enumerate(columns):
                x[:, j] = column[start : start + step]
            if not np.isfinite(x).all():
                self._note_holes(content, names, x, start)
            parts.append(Moments.of(x if kept.all() else x[kept[start : start + step]]))
        return merged(parts)

    def _note_holes(self, content: Content, names: list[str], x: NDArray[np.float64], start: int) -> None:
        infinite = np.argwhere(np.isinf(x))
        if len(infinite):
            row, j = map(int, infinite[0])
            raise DataError(
                f"{self.files.name}: column {names[j]!r} is not finite ({x[row, j]}) at {content.place(start + row)}; "
                "correct the value or remove the row"
            )
        holes = np.isnan(x)
        for j in np.flatnonzero(holes.any(axis=0)).tolist():
            first = start + int(holes[:, j].argmax())
            known = names[j] in self.holes.first
            self.holes.add(names[j], int(holes[:, j].sum()), "" if known else content.place(first))

    def _push(self, names: tuple[str, ...], moments: Moments) -> None:
        """Merge the moments of blocks as a binary counter does, so that rounding grows with the logarithm alone."""
        size = 0
        while self.levels and self.levels[-1][:2] == (size, names):
            moments = self.levels.pop()[2].merged(moments)
            size += 1
        self.levels.append((size, names, moments))

    def _count_target(self, y: NDArray[Any], kept: NDArray[np.bool_], whole: NDArray[np.bool_]) -> None:
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)
        for counts, values in ((self.values, y[known & whole]), (self.kept_values, y[known & kept])):
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
        guessed = {name: self._inferred(name) for name in names}
        faults.check(self.files.name, [fault for guess in guessed.values() for fault in guess.faults])
        features = tuple(feature for guess in guessed.values() for feature in guess.features)
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
            replace(self.reading, dates=tuple((name, guess.form) for name, guess in guessed.items() if guess.form)),
        )
        moments, fill = self._feature_moments(schema)
        return Facts(
            tuple(self.blocks),
            np.array(self.kept, np.int64),
            np.array(self.held, np.int64),
            schema,
            moments,
            None if classes else self._of_column(self.target),
            counts,
            (
                *(f"{name}: {self._described(name, guess)}" for name, guess in guessed.items()),
                *([f"left out, as asked: {shortened(self.reading.without)}"] if self.reading.without else []),
                f"{self.target}: the target; {said}",
            ),
            self.digest.hexdigest(),
            fill,
        )

    def _inferred(self, name: str) -> Inferred:
        if name not in self.texts:
            moments = self._of_column(name)
            if moments.missing[0] == moments.count:
                advice = "leave it out with --without, or fill in values"
                return Inferred((), "", faults=(faults.of_column(name, "has no values", advice, EMPTY),))
            said = f"numbers, from {moments.low[0]:.6g} to {moments.high[0]:.6g}"
            return Inferred((Feature(name),), said)
        text = self.texts[name]
        text.check_count(name, self.files.name, self.left)
        words = [word for word in text.all.values if word is not None]
        cells = self.left - text.all.values.get(None, 0)
        return of_text(name, words, lambda _: text.odd[1] if text.odd else "a row", self.left, cells)

    def _described(self, name: str, guess: Inferred) -> str:
        count = self.holes.counts.get(name, 0)
        if not count or not self.reading.fills:
            return guess.said
        what = "most frequent category" if name in self.texts and guess.features[0].category is not None else "mean"
        return f"{guess.said}; {count:,} missing, filled with the training part's {what}"

    def _feature_moments(self, schema: Schema) -> tuple[Moments, NDArray[np.float64] | None]:
        """The moments of all features, with holes filled, and what they are filled with."""
        parts, fills = [], []
        for name in schema.kinds:
            features = [feature for feature in schema.features if feature.column == name]
            if name not in self.texts:
                moments = self._of_column(name)
                parts.append(moments)
                fills.append(moments.mean)
                continue
            found, fill = self._of_words(name, features, schema)
            parts += found
            fills.append(fill)
        return Moments.beside(parts), np.concatenate(fills) if schema.reading.fills else None

    def _of_words(
        self, name: str, features: list[Feature], schema: Schema
    ) -> tuple[list[Moments], NDArray[np.float64]]:
        counted = self.texts[name].kept.values
        missing, kept = counted.get(None, 0), sum(self.kept)
        if features[0].category is not None:
            ones = np.array([counted.get(feature.category, 0) for feature in features])
            most = int(ones.argmax())
            ones[most] += missing
            return [_of_indicator(int(count), kept) for count in ones], np.eye(len(features))[most]
        words = [word for word in counted if word is not None]
        x = np.zeros((len(words), len(features)))
        encoded.encode(self.files.name, x, name, words, schema, {f: k for k, f in enumerate(features)}, str)
        moments = Moments.of(x, [counted[word] for word in words])
        gap = replace(Moments.none(len(features)), count=missing, missing=np.full(len(features), missing))
        return [moments.merged(gap)], moments.mean

    def _text_target(self) -> tuple[tuple[str, ...], dict[str, int], str]:
        what = f"{self.files.name}: the target {self.target!r}"
        if self.task == "regression":
            raise DataError(f"{what} is text, but a regression needs numbers; choose another target or another task")
        text = self.texts[self.target]
        names = text.classes(self.target, self.files.name, self.left)
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
        if self.task == "classification" and (self.values.is_over or len(distinct) > max(MOST_CLASSES, self.left / 2)):
            many = f"more than {MOST_WORDS:,}" if self.values.is_over else len(distinct)
            raise DataError(
                f"{what} takes {many} different values in {self.left} rows, which is not a set of classes; "
                "treat it as a regression"
            )
        few = not self.values.is_over and len(distinct) <= min(MOST_CLASSES, self.left / 2)
        is_whole = all(value == np.floor(value) for value in distinct)
        if self.task == "regression" or (self.task == "auto" and not (few and is_whole)):
            some = f"more than {self.values.most}" if self.values.is_over else len(distinct)
            why = "as asked" if self.task != "auto" else f"because it takes {some} different values in {self.left} rows"
            return (), {}, f"a regression, {why}"
        names = tuple(class_name(np.float64(value)) for value in distinct)
        counts = {name: self.kept_values.values.get(value, 0) for name, value in zip(names, distinct, strict=True)}
        why = (
            f"because it takes only {len(distinct)} different whole numbers in {self.left} rows; --task regression to "
        )
        said = "as asked" if self.task != "auto" else f"{why}treat it as a quantity"
        return names, counts, f"a classification, {said}"


def _of_indicator(ones: int, rows: int) -> Moments:
    """The moments of a column of zeros and so many ones."""
    share = ones / rows if rows else 0.0
    low, high = float(rows > 0 and ones == rows), float(ones > 0)
    squares = ones * (1.0 - share)
    arrays = (np.array([value]) for value in (1.0, share, squares, low, high))
    return Moments(rows, np.zeros(1, np.int64), *arrays)
