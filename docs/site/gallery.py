"""The gallery: every program of `examples/` with what it prints and shows, run when the site is built.

A program is divided into cells where a line begins with `# %%`; the value of a cell's last expression is shown as a
notebook would show it. Each program also becomes a notebook to download.
"""

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from texts import words

from chainrule.present.texts import Words

ROOT = Path(__file__).parents[2]
SLOW = {"character_transformer", "digits", "fashion_mnist", "mnist5k", "private_digits", "tabular", "torch_distributed"}
"""Programs that are only shown: a page should not take ten seconds."""
SECONDS = 300
_WANTING = re.compile(r"^skipped: |No module named '(?!chainrule)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """Code, what it printed, and the HTML of its last expression."""

    code: str
    printed: str = ""
    html: str = ""


@dataclass(frozen=True)
class Example:
    """One program: its name, what it is about, its cells, and why it was not run, if it was not ("slow", "missing")."""

    name: str
    about: str
    cells: list[Cell]
    missing: str = ""

    @property
    def title(self) -> str:
        """The name of its file, as a title."""
        return self.name.replace("_", " ").capitalize()

    @property
    def first(self) -> str:
        """The first paragraph of what it is about."""
        return " ".join(self.about.partition("\n\n")[0].split())


def cells_of(source: str) -> tuple[str, list[str]]:
    r"""Return a program's docstring, and its code in cells.

    >>> cells_of('"About."\n\nx = 1\n\n# %%\nprint(x)\n')
    ('About.', ['x = 1', 'print(x)'])
    """
    tree = ast.parse(source)
    about = ast.get_docstring(tree)
    if about is None:
        raise ValueError(f"an example begins with a docstring that says what it is about, got {source[:60]!r}")
    code = "\n".join(source.splitlines()[tree.body[0].end_lineno :])
    cells = re.split(r"^# %%.*\n", code, flags=re.MULTILINE)
    return about, [cell.strip() for cell in cells if cell.strip()]


def run(name: str) -> Example:
    """Return a program with what it printed and showed, in a process and a folder of its own."""
    source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    about, cells = cells_of(source)
    if name in SLOW:
        return Example(name, about, [Cell(code) for code in cells], "slow")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "error", __file__, name],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
        if done.returncode and _WANTING.search(done.stderr):
            return Example(name, about, [Cell(code) for code in cells], "missing")
        if done.returncode:
            raise RuntimeError(f"examples/{name}.py fails:\n{done.stderr}")
    return Example(name, about, [Cell(**cell) for cell in json.loads(done.stdout)])


def run_all(workers: int = 2) -> list[Example]:
    """Return all programs by name, the long ones not run."""
    names = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    with ThreadPoolExecutor(workers) as pool:
        return [*pool.map(run, names)]


def executed(source: str, path: str) -> list[Cell]:
    r"""Run a program cell by cell, and return the cells.

    >>> executed('"About."\nx = 2\nprint(x)\n# %%\nx + 1\n', "a.py")
    [Cell(code='x = 2\nprint(x)', printed='2\n', html=''), Cell(code='x + 1', printed='3\n', html='')]
    """
    namespace: dict[str, object] = {"__name__": "__main__", "__file__": path}
    found = []
    for code in cells_of(source)[1]:
        above = source[: source.index(code)].count("\n")  # what the program says of its lines is true of the file
        tree = ast.parse("\n" * above + code)
        last = tree.body[-1]
        shown = ast.Expression(tree.body.pop().value) if isinstance(last, ast.Expr) else None  # type: ignore[attr-defined]
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(tree, path, "exec"), namespace)
            value = None if shown is None else eval(compile(shown, path, "eval"), namespace)
            html = value._repr_html_() if hasattr(value, "_repr_html_") else ""
            if value is not None and not html:
                print(repr(value))
        found.append(Cell(code, out.getvalue(), html))
    return found


def pages(lang: str, examples: list[Example]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every page of the gallery."""
    say = words(lang)
    rows = "\n".join(f"- [{example.title}]({example.name}.md): {example.first}" for example in examples)
    toctree = "\n".join(example.name for example in examples)
    yield (
        "gallery/index",
        f"# {say['gallery']}\n\n{say['gallery intro']}\n\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n",
    )
    for example in examples:
        yield f"gallery/{example.name}", _page(say, example)


def _page(say: Words, example: Example) -> str:
    parts = [f"# {example.title}\n", f"{example.about}\n"]
    if example.missing:
        parts.append(f"```{{note}}\n{say['not run' if example.missing == 'slow' else 'skipped']}\n```\n")
    links = " · ".join(f"{{download}}`{example.name}{suffix} <{example.name}{suffix}>`" for suffix in (".py", ".ipynb"))
    parts.append(f"{say['download']}: {links}\n")
    for cell in example.cells:
        parts.append(f"````python\n{cell.code}\n````\n")
        if cell.printed:
            parts += [f"{say['output']}\n", f"````text\n{cell.printed.rstrip()}\n````\n"]
        if cell.html:
            parts += [f"{say['shown']}\n", f'````{{raw}} html\n<div class="shown">{cell.html}</div>\n````\n']
    return "\n".join(parts)


def notebook(example: Example) -> str:
    """Return a program as a notebook, with its outputs.

    >>> cells = json.loads(notebook(Example("a", "About.", [Cell("print(1)", "1")])))["cells"]
    >>> [cell["cell_type"] for cell in cells], cells[1]["outputs"][0]["text"]
    (['markdown', 'code'], '1')
    """
    cells: list[dict[str, object]] = [_cell("markdown", 0, example.about)]
    for k, cell in enumerate(example.cells, 1):
        outputs: list[dict[str, object]] = []
        if cell.printed:
            outputs.append({"output_type": "stream", "name": "stdout", "text": cell.printed})
        if cell.html:
            outputs.append({"output_type": "display_data", "metadata": {}, "data": {"text/html": cell.html}})
        cells.append(_cell("code", k, cell.code) | {"outputs": outputs, "execution_count": k if outputs else None})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False)


def _cell(kind: str, k: int, source: str) -> dict[str, object]:
    return {"cell_type": kind, "id": f"cell-{k}", "metadata": {}, "source": source}


if __name__ == "__main__":
    program = ROOT / "examples" / f"{sys.argv[1]}.py"
    ran = executed(program.read_text(encoding="utf-8"), str(program))
    sys.stdout.write(json.dumps([asdict(cell) for cell in ran]))
