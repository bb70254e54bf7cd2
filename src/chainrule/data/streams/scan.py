"""The one pass over a stream before training: what its columns are, their statistics, and whether all can be used."""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import encoded, faults
from chainrule.data.checks import DataError
from chainrule.data.encoded import EMPTY, IDENTIFIES, Inferred, of_text
from chainrule.data.reading import PLAIN, Reading
from chainrule.data.schema import MISSING, Feature, Schema, shortened
from chainrule.data.statistics import Moments
from chainrule.data.streams.blocks import Block, Content
from chainrule.data.streams.encode import holes_in
from chainrule.data.streams.faulty import holes_of_features, holes_of_target, unreadable
from chainrule.data.streams.files import Files
from chainrule.data.streams.held_out import is_held_out
from chainrule.data.streams.medians import Medians
from chainrule.data.streams.seen import Look, Seen
from chainrule.data.streams.sketch import weighted_median
from chainrule.data.streams.text_column import MOST_WORDS
from chainrule.data.streams.together import ALONE, Together
from chainrule.data.target import MOST_CLASSES, TASKS, class_name, target_position

MOST_FEATURES = 100_000


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
    """Columns looked like numbers in some blocks, and are text: they must be read as such from the beginning."""

    def __init__(self, columns: frozenset[str]) -> None:
        self.columns = columns


def scan(
    files: Files,
    target: str | int | None,
    task: str,
    fraction: float,
    seed: int,
    reading: Reading = PLAIN,
    together: Together = ALONE,
    memory: int = 1 << 26,
) -> Facts:
    """Read all of the files once. Raises :class:`DataError` as whole tables do, naming the column and the place.

    Processes that read ``together`` all return what one would. ``memory`` is for the medians, if they are needed.
    """
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
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
            return _Pass(files, chosen, task, (fraction, seed), reading, together, memory).facts(texts)
        except _TextAgain as again:
            texts |= again.columns


class _Pass:
    def __init__(
        self,
        files: Files,
        target: str,
        task: str,
        split: tuple[float, int],
        reading: Reading,
        together: Together,
        memory: int,
    ) -> None:
        self.files, self.target, self.task, self.split = files, target, task, split
        self.reading, self.together = reading, together
        self.most = MOST_WORDS if task == "classification" else MOST_CLASSES
        self.seen = Seen(self.most)
        needs_medians = reading.missing in ("median", "indicator")
        wanted = [name for name in files.names if name != target] if needs_medians else []
        self.medians = Medians(files.name, wanted, memory, together)

    def facts(self, texts: frozenset[str]) -> Facts:
        turns = self.files.in_turns(texts, self.together)
        for found in turns:
            mine = None if found is None else self._look(*found)
            for seen in self.together.all(None if mine is None else mine.seen):
                if seen is not None:
                    self.seen.add(seen)
            self.medians.add({} if mine is None else mine.content.columns, None if mine is None else mine.kept)
        if not self.seen.ragged.counts:
            self.files.check_filled(turns.rows)
        if not self.seen.blocks and not self.seen.ragged.counts:
            raise DataError(f"{self.files.name}: has columns but no rows of data")
        self._settle_types()
        return self._found()

    def _look(self, block: Block, content: Content) -> Look:
        held, whole = is_held_out(block.start, block.rows, *self.split), np.ones(block.rows, bool)
        if self.reading.missing == "drop" and block.rows:
            whole = ~holes_in(content, self.files.names)
        return Look(block, content, self.files.names, self.target, self.most, held, whole)

    def _settle_types(self) -> None:
        """Read a column that is text again as text where it looked like numbers; files that say so are refused."""
        again = {name for name in self.texts if name in self.seen.numbers and not self._is_mixture(name)}
        if again and not self.files.are_guessed:
            name = min(again)
            row, odd = self.seen.odd.first.get(name, [(-1, "")])[0]
            where = "a later row" if row < 0 else self.place(row)
            raise DataError(
                f"{self.files.name}: column {name!r} contains numbers, but text at {where} ({odd!r}); the files of a "
                "stream need the same types"
            )
        if again:
            raise _TextAgain(frozenset(again))

    def _is_mixture(self, name: str) -> bool:
        words = self.seen.odd.counts.get(name, 0)
        return self.files.are_guessed and self.texts[name].is_mixture(words, self.left)

    @property
    def texts(self) -> dict[str, Any]:
        return self.seen.texts

    @property
    def left(self) -> int:
        """How many rows are not dropped."""
        return self.seen.left

    def place(self, row: int) -> str:
        """Where a row is, of all files."""
        blocks = self.seen.blocks
        block = blocks[bisect_right([one.start for one in blocks], row) - 1]
        return self.files.place(block, row - block.start)

    def _check(self, guessed: dict[str, Inferred]) -> None:
        """Raise :class:`DataError` for everything in the columns that keeps them from being trained on."""
        seen, place = self.seen, self.place
        names = [name for name in self.files.names if name != self.target]
        mixtures = [name for name in self.files.names if name in self.texts and self._is_mixture(name)]
        found = unreadable(seen, self.files.names, mixtures, place, len(self.files.all_names))
        found += holes_of_target(seen, self.target, self.reading, place)
        found += encoded.useless_together([fault for guess in guessed.values() for fault in guess.faults])
        found += holes_of_features(seen, names, self.reading, place)
        faults.check(self.files.name, found)

    def _check_parts(self) -> None:
        kept, held = sum(self.seen.kept), sum(self.seen.held)
        if not kept or (self.split[0] > 0 and not held):
            raise DataError(
                f"{self.files.name}: of {self.seen.rows} rows, {kept} would be trained on and {held} held out, and "
                "neither part may be empty; use more rows, or read them as a whole"
            )

    # The end

    def _found(self) -> Facts:
        names = [name for name in self.files.names if name != self.target]
        guessed = {name: self._inferred(name) for name in names if name not in self.texts or not self._is_mixture(name)}
        self._check(guessed)
        self._check_parts()
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
        self.medians.share()
        moments, fill = self._feature_moments(schema)
        digest = hashlib.sha256(repr((self.files.names, self.target)).encode() + b"".join(self.seen.digests))
        return Facts(
            tuple(self.seen.blocks),
            np.array(self.seen.kept, np.int64),
            np.array(self.seen.held, np.int64),
            schema,
            moments,
            None if classes else self.seen.moments(self.target),
            counts,
            (
                *(f"{name}: {self._described(name, guess)}" for name, guess in guessed.items()),
                *([f"left out, as asked: {shortened(self.reading.without)}"] if self.reading.without else []),
                f"{self.target}: the target; {said}",
            ),
            digest.hexdigest(),
            fill,
        )

    def _inferred(self, name: str) -> Inferred:
        found = self._of_numbers(name) if name not in self.texts else self._of_words(name)
        if self.reading.missing == "indicator" and self.seen.holes.counts.get(name) and found.features:
            return replace(found, features=(*found.features, Feature(name, part=MISSING)))
        return found

    def _of_numbers(self, name: str) -> Inferred:
        holes = self.seen.holes.counts.get(name, 0)
        if holes and holes == self.left:
            advice = f"leave it out with --without {name}, or fill in values"
            return Inferred((), "", faults=(faults.of_column(name, "has no values", advice, EMPTY),))
        moments = self.seen.moments(name)
        return Inferred((Feature(name),), f"numbers, from {moments.low[0]:.6g} to {moments.high[0]:.6g}")

    def _of_words(self, name: str) -> Inferred:
        text = self.texts[name]
        if text.all.is_over:
            said = (
                f"has more than {MOST_WORDS:,} different texts in {self.left:,} rows, which is not a set of categories"
            )
            advice = f"leave it out with --without {name}, or turn it into numbers"
            return Inferred((), "", faults=(faults.of_column(name, said, advice, IDENTIFIES),))
        words = [word for word in text.all.values if word is not None]
        if not words and text.holes:
            advice = f"leave it out with --without {name}, or fill in values"
            return Inferred((), "", faults=(faults.of_column(name, "has no values", advice, EMPTY),))
        row, odd = self.seen.odd.first.get(name, [(0, "")])[0]
        found = of_text(name, words, lambda _: self.place(row), self.left, self.left - text.holes)
        if 0 < self.seen.odd.counts.get(name, 0) < self.left - text.holes and found.faults:
            fault = found.faults[0]
            said = f"{fault.said(0)}; some are numbers, and the first that is none is {odd!r} at {self.place(row)}"
            return replace(found, faults=(replace(fault, said=lambda _: said),))
        return found

    def _described(self, name: str, guess: Inferred) -> str:
        count = self.seen.holes.counts.get(name, 0)
        if not count or not self.reading.fills:
            return guess.said
        error = self.medians.error(name)
        within = f", known to within {error:,} places among {sum(self.seen.kept):,} rows" if error else ""
        return f"{guess.said}; {count:,} missing, {encoded.becomes(guess, self.reading.missing)}{within}"

    def _feature_moments(self, schema: Schema) -> tuple[Moments, NDArray[np.float64] | None]:
        """The moments of all features, with holes filled, and what they are filled with."""
        parts, fills, kept = list[Moments](), list[NDArray[np.float64]](), sum(self.seen.kept)
        for name in schema.kinds:
            features = [feature for feature in schema.features if feature.column == name]
            values = [feature for feature in features if feature.part != MISSING]
            found, fill = self._column_moments(name, values, schema)
            missing = int(found[0].missing[0]) if name not in self.texts else self._missing(name)
            if schema.reading.fills and missing == kept:
                raise DataError(
                    f"{self.files.name}: {name!r} has no value in the training part to fill its holes with; leave its "
                    "column out"
                )
            parts += found
            fills.append(fill)
            if len(values) < len(features):
                parts.append(_of_indicator(missing, kept))
                fills.append(np.array([weighted_median(np.array([0.0, 1.0]), np.array([kept - missing, missing]))]))
        moments = Moments.beside(parts)
        if not schema.reading.fills:
            return moments, None
        fill = np.concatenate(fills)
        return moments.filled(fill), fill

    def _missing(self, name: str) -> int:
        return int(self.texts[name].kept.values.get(None, 0))

    def _column_moments(
        self, name: str, features: list[Feature], schema: Schema
    ) -> tuple[list[Moments], NDArray[np.float64]]:
        """The moments of a column's features, but for that which says what is missing, and what fills their holes."""
        if name not in self.texts:
            moments = self.seen.moments(name)
            return [moments], self.medians.of(name, moments.mean)
        counted, missing, kept = self.texts[name].kept.values, self._missing(name), sum(self.seen.kept)
        if features[0].category is not None:
            ones = np.array([counted.get(feature.category, 0) for feature in features])
            most = int(ones.argmax())
            ones[most] += missing if schema.reading.missing in ("mean", "median") else 0
            return [_of_indicator(int(count), kept) for count in ones], np.eye(len(features))[most]
        words = [word for word in counted if word is not None]
        x = np.zeros((len(words), len(features)))
        encoded.encode(self.files.name, x, name, words, schema, {f: k for k, f in enumerate(features)}, str)
        times = np.array([counted[word] for word in words])
        moments = Moments.of(x, times)
        gap = replace(Moments.none(len(features)), count=missing, missing=np.full(len(features), missing))
        fill = moments.mean
        if schema.reading.missing in ("median", "indicator") and times.sum():
            fill = np.array([weighted_median(column, times) for column in x.T])
        return [moments.merged(gap)], fill

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
        distinct = sorted(self.seen.values.values)
        if len(distinct) == 1:
            raise DataError(f"{what} is constant: every value is {distinct[0]!r}, so there is nothing to learn")
        if self.task == "classification" and (
            self.seen.values.is_over or len(distinct) > max(MOST_CLASSES, self.left / 2)
        ):
            many = f"more than {MOST_WORDS:,}" if self.seen.values.is_over else len(distinct)
            raise DataError(
                f"{what} takes {many} different values in {self.left} rows, which is not a set of classes; "
                "treat it as a regression"
            )
        few = not self.seen.values.is_over and len(distinct) <= min(MOST_CLASSES, self.left / 2)
        is_whole = all(value == np.floor(value) for value in distinct)
        if self.task == "regression" or (self.task == "auto" and not (few and is_whole)):
            some = f"more than {self.seen.values.most}" if self.seen.values.is_over else len(distinct)
            why = "as asked" if self.task != "auto" else f"because it takes {some} different values in {self.left} rows"
            return (), {}, f"a regression, {why}"
        names = tuple(class_name(np.float64(value)) for value in distinct)
        counts = {name: self.seen.kept_values.values.get(value, 0) for name, value in zip(names, distinct, strict=True)}
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
