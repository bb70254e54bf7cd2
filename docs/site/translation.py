"""The Korean pages: docs/ko/NAME.md is docs/NAME.md with its prose translated unit by unit, and its code as it is.

`docs/ko/translated.json` says, for each unit of prose on a Korean page, which English text it translates (by its
fingerprint; "" while it still is in English). So whatever happens to the English page,

- the site shows a Korean unit only where the English one is still what was translated, and the English text otherwise;
- the tests name the pages and lines that are older than their English ones;
- the code of a Korean page is the English page's, which the tests run.

    python docs/site/translation.py sync            follow the English pages; new texts stay English for now
    python docs/site/translation.py record ko/NAME  what is in Korean on that page translates the English of today
    python docs/site/translation.py status          what is left to translate
"""

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pages import LINK, Unit, units_of

DOCS = Path(__file__).parents[1]
KOREAN = DOCS / "ko"
RECORD = KOREAN / "translated.json"


@dataclass(frozen=True)
class Translated:
    """A Korean page made from an English one: its text, the fingerprints, and the units that are in English yet."""

    text: str
    fingerprints: list[str]
    left: list[Unit]


def prose_of(text: str) -> list[Unit]:
    """Return the units of a page that are not code."""
    return [unit for unit in units_of(text) if not unit.is_code]


def moved(text: str, siblings: Collection[str]) -> str:
    """Return an English text as it stands in the folder of the Korean pages: its links lead to the same files.

    >>> moved("[a](a.md#x), [b](b.md), [c](../c)", {"a"})
    '[a](a.md#x), [b](../b.md), [c](../../c)'
    """
    return LINK.sub(
        lambda link: link[0] if link[2].removesuffix(".md") in siblings else f"{link[1]}../{link[2]}",
        text,
    )


def translate(english: str, korean: str, fingerprints: list[str], siblings: Collection[str] = ()) -> Translated:
    r"""Return the Korean page of an English text, from an earlier Korean page and its fingerprints.

    >>> first = translate("# One\n\nIt adds.\n", "", [])
    >>> first.text == "# One\n\nIt adds.\n", len(first.left)
    (True, 2)
    >>> known = [unit.fingerprint for unit in prose_of("# One\n\nIt adds.\n")]
    >>> print(translate("# One\n\nIt adds twice.\n", "# 하나\n\n더합니다.\n", known).text)
    # 하나
    <BLANKLINE>
    It adds twice.
    <BLANKLINE>
    """
    known = {
        fingerprint: unit.text.splitlines()
        for fingerprint, unit in zip(fingerprints, prose_of(korean), strict=True)
        if fingerprint
    }
    lines, kept, left, at = english.splitlines(), [], list[Unit](), 0
    found: list[str] = []
    for unit in prose_of(english):
        kept += lines[at : unit.start]
        at = unit.end
        is_known = unit.fingerprint in known
        if not is_known and unit.has_words:
            left.append(unit)
        found.append(unit.fingerprint if is_known or not unit.has_words else "")
        kept += known.get(unit.fingerprint) or moved(unit.text, siblings).splitlines()
    kept += lines[at:]
    return Translated("\n".join(kept) + "\n", found, left)


def recorded() -> dict[str, list[str]]:
    """Return the fingerprints of every Korean page, by its name."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def korean_of(name: str, docs: Path = DOCS) -> Translated | None:
    """Return the Korean page of a name as it follows from today's English one, or None if there is none."""
    path = docs / "ko" / f"{name}.md"
    if not path.exists():
        return None
    fingerprints = json.loads((docs / "ko" / "translated.json").read_text(encoding="utf-8")).get(name)
    english, korean = (docs / f"{name}.md").read_text(encoding="utf-8"), path.read_text(encoding="utf-8")
    if fingerprints is None or len(fingerprints) != len(prose_of(korean)):
        units = "no" if fingerprints is None else len(fingerprints)
        raise ValueError(
            f"docs/ko/{name}.md: translated.json lists {units} units for it, and it has {len(prose_of(korean))}; "
            f"run `python docs/site/translation.py record ko/{name}` after adding or removing any"
        )
    return translate(english, korean, fingerprints, names(docs))


def stale(name: str) -> list[str]:
    """Return what is not as in the English page: each line to translate, and whether the code differs."""
    translated = korean_of(name)
    if translated is None:
        return [f"docs/ko/{name}.md: there is no such page"]
    problems = [
        f"docs/ko/{name}.md is older than docs/{name}.md:{unit.start + 1}: {' '.join(unit.text.split())[:60]!r}"
        for unit in translated.left
    ]
    if not problems and translated.text != (KOREAN / f"{name}.md").read_text(encoding="utf-8"):
        problems.append(f"docs/ko/{name}.md: code or layout differs from docs/{name}.md")
    return problems


def names(docs: Path = DOCS) -> list[str]:
    """Return the names of the Korean pages."""
    return sorted(path.stem for path in (docs / "ko").glob("*.md"))


def write_record(pages: dict[str, list[str]]) -> None:
    """Write the fingerprints, one in each line, so that two changes seldom meet in one."""
    RECORD.write_text(json.dumps(pages, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def sync() -> None:
    """Bring the code and the order of every Korean page up to date; what is new in English stays in English."""
    pages = recorded()
    for name in names():
        translated = korean_of(name)
        assert translated is not None
        pages[name] = translated.fingerprints
        (KOREAN / f"{name}.md").write_text(translated.text, encoding="utf-8")
    write_record({name: pages[name] for name in names()})


def record(name: str) -> None:
    """Record that a Korean page translates the English page of today, except where both have the same words."""
    english = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    korean = (KOREAN / f"{name}.md").read_text(encoding="utf-8")
    pairs = [*zip(units_of(english), units_of(korean), strict=False)]
    for ours, theirs in pairs:
        if ours.kind != theirs.kind or (ours.is_code and ours.text != theirs.text):
            raise ValueError(
                f"docs/ko/{name}.md:{theirs.start + 1}: expected the {ours.kind} of docs/{name}.md:{ours.start + 1}, "
                f"{ours.text[:60]!r}, got {theirs.text[:60]!r}"
            )
    if len(units_of(english)) != len(units_of(korean)):
        raise ValueError(f"docs/ko/{name}.md: expected {len(units_of(english))} units, got {len(units_of(korean))}")
    pages = recorded()
    pages[name] = [
        "" if ours.has_words and moved(ours.text, names()).split() == theirs.text.split() else ours.fingerprint
        for ours, theirs in pairs
        if not ours.is_code
    ]
    write_record(pages)


def main(arguments: list[str]) -> int:
    """Run one of the three commands of the module's docstring."""
    match arguments:
        case ["sync"]:
            sync()
        case ["record", *paths] if paths:
            for path in paths:
                record(Path(path).stem)
        case ["status"]:
            print("\n".join(line for name in names() for line in stale(name)) or "every Korean page is up to date")
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
