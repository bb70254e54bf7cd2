"""Sheets of exercises in every format, a session of practice, and the export of what was answered."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from chainrule.base.files import check_output, write_text
from chainrule.learn import TOPICS, Exercise, exercise
from chainrule.learn.practice import Practice, as_csv, keep, kept
from chainrule.learn.words import words
from chainrule.learn.write.html import write_html
from chainrule.learn.write.latex import write_latex
from chainrule.learn.write.markdown import write_markdown
from chainrule.learn.write.moodle import write_moodle
from chainrule.learn.write.notebook import write_notebook
from chainrule.learn.write.qti import write_qti
from chainrule.learn.write.text import inline, to_text

from .typesetting import typeset

FORMATS = ("text", "markdown", "html", "latex", "pdf", "moodle", "qti", "ipynb")
BINARY = frozenset({"pdf", "qti"})
MOST = 1000


def sheet(topic: str | None, seed: int, level: int, count: int, lang: str) -> list[Exercise]:
    """Return the exercises of a sheet: one topic with consecutive seeds, or all topics in turn."""
    if not 1 <= count <= MOST:
        raise ValueError(f"--count: expected 1 to {MOST}, got {count}")
    topics = [topic] if topic is not None else list(TOPICS)
    return [exercise(topics[k % len(topics)], seed + k // len(topics), level, lang) for k in range(count)]


def written(exercises: Sequence[Exercise], form: str, lang: str, *, key: bool) -> str | bytes:
    """Return a sheet in a format. Raises ValueError for one there is none of, and without pdflatex for "pdf"."""
    match form:
        case "text":
            return _as_text(exercises, lang, key)
        case "markdown":
            return write_markdown(exercises, lang, key=key)
        case "html":
            return write_html(exercises, lang, key=key)
        case "latex":
            return write_latex(exercises, lang, key=key)
        case "pdf":
            return typeset(write_latex(exercises, lang, key=key), lang)
        case "moodle":
            return write_moodle(exercises, lang)
        case "qti":
            return write_qti(exercises, lang)
        case "ipynb":
            return json.dumps(write_notebook(exercises, lang, key=key), ensure_ascii=False, indent=1) + "\n"
    raise ValueError(f"--format: expected one of {', '.join(FORMATS)}, got {form!r}")


def save(path: Path, content: str | bytes) -> None:
    """Write a sheet. Raises OSError, and ValueError for a place that cannot be written."""
    check_output(path, {})
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write_text(path, content)


def form_of(path: Path | None, form: str | None) -> str:
    """Return the format asked for, or the one that the file's name means; text in a terminal."""
    if form is not None:
        return form
    endings = {".html": "html", ".htm": "html", ".md": "markdown", ".tex": "latex", ".pdf": "pdf", ".ipynb": "ipynb"}
    endings |= {".xml": "moodle", ".zip": "qti", ".txt": "text"}
    if path is None:
        return "text"
    if path.suffix.lower() not in endings:
        raise ValueError(f"{path}: its ending names no format; add --format, one of {', '.join(FORMATS)}")
    return endings[path.suffix.lower()]


def _as_text(exercises: Sequence[Exercise], lang: str, key: bool) -> str:
    say, parts = words(lang), []
    for number, ex in enumerate(exercises, 1):
        parts.append(f"{say('exercise', number=number, title=ex.title)} ({say('level', level=ex.level)})")
        parts.append(to_text(ex.question))
        if key:
            parts += [f"{say['answer']}: {ex.key.answer}", to_text(str(ex.key))]
    return "\n\n".join(part for part in parts if part) + "\n"


def practise(session: Practice, ask: Callable[[str], str], tell: Callable[[str], None]) -> None:
    """Ask until the reader stops, and keep what was answered; `ask` raises EOFError or KeyboardInterrupt at the end."""
    say = words(session.lang)
    tell(say["practice_how"])
    try:
        while True:
            question = session.next()
            heading = say("exercise", number=session.asked + 1, title=question.title)
            tell(f"\n{heading} ({say('level', level=question.level)})\n")
            tell(to_text(question.question))
            _answered(session, ask, tell)
    except (EOFError, KeyboardInterrupt):
        tell("")
    tell(say("practice_score", right=session.right, asked=session.asked))
    if session.answers:
        tell(say("practice_kept", path=str(keep(session.answers))))


def _answered(session: Practice, ask: Callable[[str], str], tell: Callable[[str], None]) -> None:
    say = words(session.lang)
    while True:
        answer = ask("> ").strip()
        if answer.lower() in ("quit", "q", "exit"):
            raise EOFError
        if answer.lower() in ("hint", "h", "힌트"):
            tell(inline(session.hint() or say["practice_no_hint"]))
        elif answer.lower() in ("key", "k", "정답") and session.current is not None:
            tell(to_text(f"{session.current.key.answer}\n\n{session.current.key}"))
            return
        elif answer:
            tell(inline(session.judge(answer)[1]))
            tell(say("practice_score", right=session.right, asked=session.asked))
            return


def export(path: Path) -> int:
    """Write what was answered in practice as CSV, and return the number of answers."""
    check_output(path, {})
    answers = list(kept())
    write_text(path, as_csv(answers))
    return len(answers)
