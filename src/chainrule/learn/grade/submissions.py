"""Submissions: Python files and notebooks in a folder, one submission each; a folder in it is one as well."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Submission:
    """One student's work: a name, its Python source, or what is wrong with the file."""

    name: str
    source: str
    error: str = ""


def submissions_in(folder: Path) -> list[Submission]:
    """Return the submissions of a folder, by name; a single file is one. Raises ValueError if there are none."""
    if folder.is_file():
        return [_read(folder, folder.stem)]
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder or file")
    found = [_read(path, name) for path, name in _files(folder)]
    if not found:
        raise ValueError(f"{folder}: no .py or .ipynb file in it")
    return sorted(found, key=lambda s: s.name)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            inner = [p for p in sorted(path.iterdir()) if p.suffix in (".py", ".ipynb")]
            if inner:
                yield inner[0], path.name
        elif path.suffix in (".py", ".ipynb"):
            yield path, path.stem


def _read(path: Path, name: str) -> Submission:
    try:
        if path.stat().st_size > MOST_BYTES:
            return Submission(name, "", f"the file is larger than {MOST_BYTES // 2**20} MiB")
        text = path.read_text(encoding="utf-8-sig")
        return Submission(name, _code_of(text) if path.suffix == ".ipynb" else text)
    except (OSError, UnicodeDecodeError) as error:
        return Submission(name, "", f"the file cannot be read: {error}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Submission(name, "", f"no notebook: {error}")


def _code_of(text: str) -> str:
    """The code cells of a notebook; a magic or shell line is commented out, so that lines keep their numbers."""
    parts = []
    for cell in json.loads(text)["cells"]:
        if cell.get("cell_type") == "code":
            source = cell["source"]
            lines = (source if isinstance(source, str) else "".join(source)).splitlines()
            parts += [f"# {line}" if line.lstrip().startswith(("%", "!")) else line for line in lines] + [""]
    return "\n".join(parts) + "\n"
