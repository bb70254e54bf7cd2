"""What the command line says of a wrong call, in Korean where `--lang ko` is given.

The sentences are written in English where the mistake is found. Those that a call from the command line leads to are
known here by their pattern; what is not known stays in English behind a Korean heading.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from chainrule.present.josa import josa

from .clauses import of_clauses, said_with

HEADINGS = {"error": "오류", "warning": "경고", "usage": "사용법"}
_PARTICLE = re.compile(r"(\S+?)(['\")\]`]?)\{(이|은|는|을|으로|과)\}")
_AT = re.compile(r" ?\(at ([^()]+)\)")
"""Where the program called what is wrong."""
_FAULTS = re.compile(r"(?P<path>.+): (?P<count>[\d,]+) faults:\n")
"""How the list of what is wrong with a table begins."""
_KIND = re.compile(r", (?=[\d']|and \d)")
_PLACED = re.compile(r" *(?:line (?P<line>\d+): )?(?P<said>.+)")
_PATTERNS: Sequence[tuple[str, str]] = (
    # what argparse says
    (r"argument (?P<name>\S+): invalid (?:int) value: (?P<got>.+)", "{name}: 정수여야 하는데 {got}입니다"),
    (r"argument (?P<name>\S+): invalid (?:float) value: (?P<got>.+)", "{name}: 수여야 하는데 {got}입니다"),
    (
        r"argument (?P<name>\S+): invalid choice: (?P<got>.+?) \(choose from (?P<known>.+)\); did you mean "
        r"(?P<near>.+)\?",
        "{name}: {known} 중 하나여야 하는데 {got}입니다. 혹시 {near}인가요?",
    ),
    (
        r"argument (?P<name>\S+): invalid choice: (?P<got>.+?) \(choose from (?P<known>.+)\)",
        "{name}: {known} 중 하나여야 하는데 {got}입니다",
    ),
    (r"argument (?P<name>\S+): expected (?:one|at least one) argument", "{name}: 값이 하나 필요합니다"),
    (
        r"argument (?P<name>\S+): not allowed with argument (?P<got>.+)",
        "{name}: {got}{과} 함께 쓸 수 없습니다",
    ),
    (
        r"unrecognized arguments: (?P<got>.+?); did you mean (?P<near>.+)\?",
        "모르는 인수입니다: {got}. 혹시 {near}인가요?",
    ),
    (r"unrecognized arguments: (?P<got>.+)", "모르는 인수입니다: {got}"),
    (r"the following arguments are required: (?P<got>.+)", "빠진 인수가 있습니다: {got}"),
    # what the commands say of their target, their files and their options
    (r"(?P<path>.+): no such file", "{path}: 그런 파일이 없습니다"),
    (
        r"(?P<got>'.*'): expected FILE\.py:NAME or module:NAME, as in (?P<example>\S+)",
        "{got}: 파일.py:이름 또는 모듈:이름이어야 합니다. 예: {example}",
    ),
    (
        r"(?P<path>\S+) has no (?P<name>'.*'); it has (?P<known>.+)",
        "{path}에 {name}{이} 없습니다. 있는 것: {known}",
    ),
    (r"(?P<path>\S+) has no (?P<name>'.*')", "{path}에 {name}{이} 없습니다"),
    (r"(?P<path>.+): Python cannot load it", "{path}: Python이 읽을 수 없는 파일입니다"),
    (
        r"there is no module (?P<name>'.*'); for a file write (?P<example>.+)",
        "{name}이라는 모듈이 없습니다. 파일이면 {example}으로 쓰세요",
    ),
    (
        r"(?P<path>.+): expected an ending of (?P<known>.+), got (?P<got>'.*'); or add --format",
        "{path}: 확장자가 {known} 중 하나여야 하는데 {got}입니다. 아니면 --format을 쓰세요",
    ),
    (
        r"(?P<name>\S+): expected one of (?P<known>.+), got (?P<got>.+)",
        "{name}: {known} 중 하나여야 하는데 {got}입니다",
    ),
    (
        r"(?P<name>\S+): expected at least (?P<least>\S+), got (?P<got>.+)",
        "{name}: {least} 이상이어야 하는데 {got}입니다",
    ),
    (
        r"(?P<name>\S+): expected (?P<least>\S+) or more, got (?P<got>.+)",
        "{name}: {least} 이상이어야 하는데 {got}입니다",
    ),
    (
        r"interrupted after (?P<done>\d+) of (?P<all>\d+) epochs?; to resume:",
        "에폭 {all}개 중 {done}개 뒤에 중단했습니다. 이어서 하려면:",
    ),
    (
        r"interrupted after (?P<done>\d+) of (?P<all>\d+) epochs?, without a checkpoint: (?P<why>.+)",
        "에폭 {all}개 중 {done}개 뒤에 중단했습니다. 체크포인트는 없습니다: {why}",
    ),
    (
        r"Ctrl-C is ignored because this runs in the background \(&, nohup\), so it cannot leave a checkpoint; "
        r"use --checkpoint-every",
        "백그라운드(&, nohup)에서는 Ctrl-C가 무시되어 체크포인트를 남길 수 없습니다. --checkpoint-every를 쓰세요",
    ),
    (
        r"--target (?P<name>.+?): it has (?P<got>\d+) rows, but the input has (?P<all>\d+); give one target for each  "
        r"\((?P<why>.+)\)",
        "--target {name}: 목표는 {got}행인데 입력은 {all}행입니다. 행마다 목표를 하나씩 주십시오  ({why})",
    ),
    (
        r"(?P<path>.+): a model needs data: add --data with the name or file that it was trained on",
        "{path}: 모델에는 데이터가 필요합니다. 학습한 데이터의 이름이나 파일을 --data로 주세요",
    ),
)
_KNOWN = tuple((re.compile(pattern, re.DOTALL), said) for pattern, said in _PATTERNS)


def language_of(words: Sequence[str]) -> str:
    """Return the language that a command line asks for, before its options are read: they may be what is wrong.

    >>> language_of(["explain", "f.py:f", "--lang", "ko"]), language_of(["doctor", "--lang=ko"]), language_of([])
    ('ko', 'ko', 'en')
    """
    follows = [after for word, after in pairwise(words) if word == "--lang"]
    joined = [word.partition("=")[2] for word in words if word.startswith("--lang=")]
    return "ko" if "ko" in (*follows, *joined) else "en"


def heading(kind: str, lang: str) -> str:
    """Return the word that a message begins with: error, warning or usage."""
    return HEADINGS[kind] if lang == "ko" else kind


def in_language(text: str, lang: str) -> str:
    """Return a message in a language; unchanged if it is in English or not known.

    >>> in_language("nets.py: no such file", "ko"), in_language("nets.py: no such file", "en")
    ('nets.py: 그런 파일이 없습니다', 'nets.py: no such file')
    >>> in_language("nets has no 'modle'; it has model", "ko")
    "nets에 'modle'이 없습니다. 있는 것: model"
    """
    if lang != "ko":
        return text
    for pattern, said in _KNOWN:
        if found := pattern.fullmatch(text):
            return with_particles(said_with(said, found.groupdict()))
    if faults := _FAULTS.match(text):
        return _faults_in_korean(text, faults)
    place = _AT.search(text)
    said_of_parts = of_clauses(_AT.sub("", text, count=1))
    if said_of_parts is None:
        return text
    return with_particles(said_of_parts) + (f" ({place[1]})" if place else "")


def _faults_in_korean(text: str, faults: re.Match[str]) -> str:
    """Return the list of a table's faults, a line each and then the advice; unchanged if a line is not known."""
    lines = text.split("\n")[1:]
    said = [_listed_in_korean(line) if line.startswith(" ") else _advice_in_korean(line) for line in lines]
    known = [line for line in said if line is not None]
    if len(known) < len(lines):
        return text
    return "\n".join([f"{faults['path']}: 잘못된 곳 {faults['count']}군데:", *map(with_particles, known)])


def _listed_in_korean(line: str) -> str | None:
    part = _PLACED.fullmatch(line)
    said = of_clauses(part["said"], may_be_place=False) if part else None
    place = f"{part['line']}행: " if part and part["line"] else ""
    return None if said is None else f"  {place}{said}"


def _advice_in_korean(line: str) -> str | None:
    """Return what to do about some kinds of faults, which are told before it: `2 missing in 'a', 1 in 'b': …`."""
    kinds, _, advice = line.partition(": ")
    parts = [of_clauses(kind, may_be_place=False) for kind in _KIND.split(kinds)]
    said = of_clauses(advice, may_be_place=False)
    return None if said is None or None in parts else f"{', '.join(map(str, parts))}: {said}"


def with_particles(said: str) -> str:
    """Return a sentence with its particles in the form that the words before them need."""
    return _PARTICLE.sub(lambda match: match[1] + match[2] + josa(match[1], match[3]), said)
