"""One page's session of practice: what is asked, said and counted, as pieces of HTML that Python has escaped."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.learn.answers import ChoiceAnswer, letter
from chainrule.learn.exercise import LEVELS
from chainrule.learn.practice import Practice, as_csv, data_folder, keep, kept
from chainrule.learn.topics import TOPICS
from chainrule.learn.write.blocks import answer_text, blocks
from chainrule.learn.write.html import all_as_html, inline
from chainrule.present.html import join, tag
from chainrule.present.table import table
from chainrule.present.texts import LANGUAGES

from .texts import words

MOST_TEXT = 4000
"""The most characters of an answer."""


class PracticeDesk:
    """Answers the requests of one page; `folder` is where answers are kept (default: the user's data folder).

    >>> import tempfile
    >>> desk = PracticeDesk(Practice("neuron", seed=1), folder=Path(tempfile.mkdtemp()))
    >>> asked = desk.handle({"do": "look"})
    >>> asked["score"]
    '0 of 0 right · level 1'
    >>> desk.handle({"do": "answer", "text": "-1/8"})["verdict"]["right"]
    True
    """

    def __init__(self, session: Practice, folder: Path | None = None) -> None:
        self.session, self.folder = session, folder
        self.say = words(session.lang)
        self.lock = threading.Lock()
        self._verdict: dict[str, Any] | None = None
        self._hints: list[str] = []
        self._is_judged = self._is_key_shown = False

    def handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the page shows after a request; ValueError for one that is not known."""
        acts: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "look": self._look, "next": self._next, "answer": self._answer, "hint": self._hint, "key": self._key,
            "choose": self._choose, "export": self._look,
        }  # fmt: skip
        act = acts.get(str(request.get("do")))
        if act is None:
            raise ValueError(f"do: expected one of {', '.join(acts)}, got {str(request.get('do'))[:40]!r}")
        with self.lock:
            act(request)
            view = self._view()
            if request.get("do") == "export":
                view["file"] = {"name": "practice.csv", "type": "text/csv", "text": as_csv(kept(self.folder))}
            return view

    # What a page asks for

    def _look(self, _: Mapping[str, Any]) -> None:
        if self.session.current is None:
            self._next({})

    def _next(self, _: Mapping[str, Any]) -> None:
        self.session.next()
        self._verdict, self._hints = None, []
        self._is_judged = self._is_key_shown = False

    def _choose(self, request: Mapping[str, Any]) -> None:
        topic, level = request.get("topic") or None, request.get("level", self.session.level)
        if topic is not None and (not isinstance(topic, str) or topic not in TOPICS):
            raise ValueError(f"topic: expected one of {', '.join(TOPICS)}, got {str(topic)[:40]!r}")
        if isinstance(level, bool) or level not in LEVELS:
            raise ValueError(f"level: expected 1 to 5, got {str(level)[:40]!r}")
        self.session.choose(topic, int(level))
        self._next({})

    def _hint(self, _: Mapping[str, Any]) -> None:
        hint = self.session.hint()
        if hint is not None:
            title = self.say("hint number", number=self.session.hints)
            self._hints.append(tag("p", tag("b", f"{title}. "), inline(hint)))

    def _key(self, _: Mapping[str, Any]) -> None:
        self._is_key_shown = self.session.current is not None

    def _answer(self, request: Mapping[str, Any]) -> None:
        text = request.get("text")
        question = self.session.current
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise ValueError(f"text: expected at most {MOST_TEXT} characters")
        if question is None or not text.strip():
            return
        if self._is_judged or self._is_key_shown:
            right, why = question.check(text)
            self._verdict = self._said(right, why, [self.say["uncounted"]])
            return
        before = self.session.level
        right, why = self.session.judge(text)
        self._is_judged = True
        notes = [self._level_note(before), "" if right else self.say["again"], self._kept()]
        self._verdict = self._said(right, why, notes)

    def _level_note(self, before: int) -> str:
        after = self.session.level
        if after == before:
            return ""
        return self.say("harder" if after > before else "easier", level=after)

    def _kept(self) -> str:
        """Keep the last answer; what is said if that fails."""
        try:
            keep(self.session.answers[-1:], self.folder)
        except OSError as error:
            return self.say("not kept", why=error.strerror or str(error))
        return ""

    # What a page shows

    def _said(self, right: bool, why: str, notes: list[str]) -> dict[str, Any]:
        head = tag("b", self.say["correct" if right else "incorrect"], class_="good" if right else "bad")
        rest = [tag("p", note, class_="soft") for note in notes if note]
        return {"right": right, "html": join(tag("p", head), tag("p", inline(why)), rest)}

    def _view(self) -> dict[str, Any]:
        session, question = self.session, self.session.current
        score = self.say("score said", right=session.right, asked=session.asked, level=session.level)
        near = f" · {self.say['streak']}" if session.is_near and session.level < LEVELS[-1] else ""
        shown: dict[str, Any] = {"score": score + near, "topic": session.topic or "", "level": session.level}
        shown |= {"verdict": self._verdict, "hints": join(self._hints), "record": self._record()}
        if question is None:
            return shown
        choices = question.answer.reasons if isinstance(question.answer, ChoiceAnswer) else ()
        key = ""
        if self._is_key_shown:
            told = [*blocks(answer_text(question)), *blocks(str(question.key))]
            key = join(tag("h3", self.say["key"]), all_as_html(told))
        return shown | {
            "number": len(session.answers) + 1 - self._is_judged,
            "id": f"{question.topic}/{question.level}/{question.seed}",
            "title": self.say("question of", title=question.title, level=question.level),
            "question": join(all_as_html(blocks(question.question))),
            "choices": [letter(k) for k in range(len(choices))],
            "hasHint": session.hints < len(question.hints),
            "key": key,
            "isJudged": self._is_judged,
        }

    def _record(self) -> str:
        asked, right = Counter[str](), Counter[str]()
        for answered in kept(self.folder):
            asked[answered.topic] += 1
            right[answered.topic] += answered.right
        place = tag("p", self.say("record said", path=str((self.folder or data_folder()) / "practice.jsonl")))
        if not asked:
            return join(tag("p", self.say["no record"]), place)
        at = LANGUAGES.index(self.session.lang)
        names = [name for name in TOPICS if name in asked]
        rows = [[TOPICS[name].title[at], str(right[name]), str(asked[name])] for name in names]
        head = [self.say["topic"], self.say["right"], self.say["answered"]]
        return join(table(head, rows, self.say["record"], named=True), place)
