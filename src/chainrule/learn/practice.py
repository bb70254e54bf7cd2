"""One question after another: harder after a right answer, easier after a wrong one, and what was answered is kept."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from chainrule.present.escape import csv_cell

from .exercise import LEVELS, Exercise, exercise
from .topics import TOPICS

RIGHT_IN_A_ROW = 2
"""After so many right answers in a row the level rises."""
SEEDS = 1000
"""A session whose seed nobody chose draws one below this number."""


@dataclass(frozen=True)
class Answered:
    """One answer, as it is kept."""

    time: str
    topic: str
    kind: str
    level: int
    seed: int
    answer: str
    right: bool
    hints: int


@dataclass
class Practice:
    """A session: what comes next, and the score so far.

    >>> session = Practice("neuron", seed=3)
    >>> question = session.next()
    >>> session.judge(question.key.answer)
    (True, 'Right.')
    >>> session.right, session.asked
    (1, 1)
    """

    topic: str | None = None
    seed: int = 0
    level: int = 1
    lang: str = "en"
    right: int = 0
    asked: int = 0
    hints: int = 0
    answers: list[Answered] = field(default_factory=list, init=False)
    current: Exercise | None = field(default=None, init=False)
    _streak: int = field(default=0, init=False)
    _shown: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        exercise(
            self.topic or "neuron", self.seed, self.level, self.lang
        )  # a wrong setting is an error before the first question

    def next(self) -> Exercise:
        """Return the next question: one that is answered here, so none that asks for a program."""
        topics = [self.topic] if self.topic else list(TOPICS)
        topic = topics[self._shown % len(topics)]
        for attempt in range(50):
            found = exercise(topic, self.seed + 1000 * attempt + self._shown, self.level, self.lang)
            if found.kind != "write":
                break
        self.current, self.hints, self._shown = found, 0, self._shown + 1
        return found

    @property
    def is_near(self) -> bool:
        """Whether one more right answer raises the level."""
        return self._streak == RIGHT_IN_A_ROW - 1

    def choose(self, topic: str | None, level: int) -> None:
        """Go on with another topic (None: all in turn) or level; the score stays. Raises ValueError."""
        exercise(topic or "neuron", self.seed, level, self.lang)
        self.topic, self.level, self._streak = topic, level, 0

    def hint(self) -> str | None:
        """Return the next hint, or None if there is no other."""
        if self.current is None or self.hints >= len(self.current.hints):
            return None
        self.hints += 1
        return self.current.hints[self.hints - 1]

    def judge(self, answer: str) -> tuple[bool, str]:
        """Judge an answer to the current question, and choose the level of the next; ValueError without a question."""
        question = self.current
        if question is None:
            raise ValueError("practice: there is no question yet; call next() first")
        right, why = question.check(answer)
        self.asked += 1
        self.right += right
        self._streak = self._streak + 1 if right else 0
        if self._streak == RIGHT_IN_A_ROW and self.level < LEVELS[-1]:
            self.level, self._streak = self.level + 1, 0
        elif not right and self.level > LEVELS[0]:
            self.level -= 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        said = (question.topic, question.kind, question.level, question.seed, answer[:200], right, self.hints)
        self.answers.append(Answered(now, *said))
        return right, why


def data_folder() -> Path:
    """Return the user's data folder for chainrule: `CHAINRULE_DATA_DIR`, or where the system keeps such data."""
    chosen = os.environ.get("CHAINRULE_DATA_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "chainrule"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "chainrule"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "chainrule"


def keep(answers: list[Answered], folder: Path | None = None) -> Path:
    """Append answers to the user's record, one line of JSON each, and return its path. Raises OSError."""
    path = (folder or data_folder()) / "practice.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers)
    return path


def kept(folder: Path | None = None) -> Iterator[Answered]:
    """Yield what was answered before; a line that is none of ours, such as half of one, is passed over."""
    path = (folder or data_folder()) / "practice.jsonl"
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Answered(**json.loads(line))
        except (ValueError, TypeError):
            continue


COLUMNS = ("time", "topic", "kind", "level", "seed", "answer", "right", "hints")


def as_csv(answers: Iterable[Answered]) -> str:
    """Return answers as CSV, one row each; no cell can be taken for a formula by a spreadsheet.

    >>> as_csv([Answered("2026-01-01", "neuron", "compute", 1, 3, "1,5", False, 0)]).splitlines()[1]
    '2026-01-01,neuron,compute,1,3,"1,5",False,0'
    """
    rows = [[_quoted(csv_cell(str(asdict(answer)[name]))) for name in COLUMNS] for answer in answers]
    return "".join(f"{','.join(row)}\n" for row in [list(COLUMNS), *rows])


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\n') else cell
