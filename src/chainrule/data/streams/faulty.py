"""What is wrong with the cells of a stream, as tables say it."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from chainrule.data import encoded, faults
from chainrule.data.csv_file import COMMAS, ragged_fault
from chainrule.data.faults import Fault
from chainrule.data.reading import Reading
from chainrule.data.statistics import Faults
from chainrule.data.streams.seen import RAGGED, Seen
from chainrule.data.table import NO_TARGET, to_choose

Place = Callable[[int], str]


def _cells(found: Faults, name: str, place: Place, said: str, advice: str, kind: str) -> Fault:
    """The cells of a column that are noted; ``said`` has a place for what was noted with each."""
    first = found.first.get(name, [])
    return Fault(
        kind,
        np.array([row for row, _ in first], np.int64),
        lambda i: place(first[i][0]),
        lambda i: said.format(first[i][1]),
        advice,
        name,
        more=found.counts.get(name, 0) - len(first),
    )


def unreadable(seen: Seen, names: Sequence[str], mixtures: Collection[str], place: Place, width: int) -> list[Fault]:
    """Rows that do not have so many cells, and in the columns, words among numbers and infinite numbers."""
    noted = [(row, note.rsplit(",", 1)) for row, note in seen.ragged.first.get(RAGGED, [])]
    ragged = [(row, line, int(count)) for row, (line, count) in noted]
    found = [ragged_fault(ragged, width, seen.ragged.counts.get(RAGGED, 0) - len(ragged))]
    for name in names:
        if name in mixtures:
            said = f"column {_braced(name)} contains numbers, but also {{!r}}"
            advice = COMMAS if seen.texts[name].has_commas else "correct it, or make every cell text"
            found.append(_cells(seen.odd, name, place, said, advice, f"in {name!r}"))
        if name in seen.infinite.counts:
            said = f"column {_braced(name)} is not finite ({{}})"
            advice = "correct the value or remove the row"
            found.append(_cells(seen.infinite, name, place, said, advice, f"not finite in {name!r}"))
    return found


def holes_of_target(seen: Seen, target: str, reading: Reading, place: Place) -> list[Fault]:
    """The holes of the target, unless their rows are dropped."""
    if reading.missing == "drop" or target not in seen.holes.counts:
        return []
    if seen.holes.counts[target] == seen.left:
        said = "is the target and has no values"
        return [faults.of_column(target, said, "choose another target", encoded.EMPTY)]
    return [_holes(seen, target, place, NO_TARGET)]


def holes_of_features(seen: Seen, names: Sequence[str], reading: Reading, place: Place) -> list[Fault]:
    """The holes in columns that are neither filled nor dropped; a column without any value is another fault."""
    if reading.fills or reading.missing == "drop":
        return []
    counts = seen.holes.counts
    return [_holes(seen, name, place, to_choose(reading)) for name in names if 0 < counts.get(name, 0) < seen.left]


def _holes(seen: Seen, name: str, place: Place, advice: str) -> Fault:
    said = f"missing value in column {_braced(name)}"
    return _cells(seen.holes, name, place, said, advice, f"missing in {name!r}")


def _braced(name: str) -> str:
    return repr(name).replace("{", "{{").replace("}", "}}")
