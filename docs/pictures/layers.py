"""Draw the layers of the package from its imports: python docs/pictures/layers.py writes layers.svg.

A package stands one row above the highest package that it imports, so every line points downwards.
"""

import ast
from functools import cache
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = FOLDER.parents[1] / "src" / "chainrule"
GISTS = {
    "base": "files, blocks, calls",
    "present": "pages, tables, formulas",
    "kernels": "machine code",
    "core": "tensors, records, traces",
    "rules": "the mathematics",
    "formula": "LaTeX that computes",
    "observe": "a run from inside",
    "data": "data sets, loaders",
    "optim": "optimisers",
    "compile": "capture, program, plan",
    "numpy": "NumPy's names",
    "scipy": "SciPy's names",
    "nn": "modules",
    "train": "the training loop",
    "check": "is it right?",
    "explain": "where from?",
    "doctor": "does it flow?",
    "explore": "step by step",
    "learn": "exercises, grading",
    "interop": "PyTorch, JAX, ONNX",
    "torch": "PyTorch's names",
    "autograd": "autograd's names",
    "distributed": "several processes",
    "jobs": "what commands do",
    "cli": "the commands",
}
WIDTH, HEIGHT, GAP, ROW, MARGIN = 150, 44, 14, 84, 16
STYLE = """
svg { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; --ink: #1b1f24; --quiet: #57606a;
  --box: #f6f8fa; --line: #b6bec8; }
@media (prefers-color-scheme: dark) { svg { --ink: #f0f3f6; --quiet: #a9b4bf; --box: #222a32; --line: #545d68; } }
rect { fill: var(--box); stroke: var(--line); }
path { fill: none; stroke: var(--line); stroke-width: 1; opacity: .7; }
text { fill: var(--ink); font-size: 14px; font-weight: 600; text-anchor: middle; }
.gist { fill: var(--quiet); font-size: 11px; font-weight: 400; }
"""


def packages() -> list[str]:
    """Return the packages that stand below the command line, by name."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@cache
def below(package: str) -> frozenset[str]:
    """Return the packages that a package imports, anywhere in its files."""
    known, found = set(packages()), set[str]()
    for path in (PACKAGE / package).rglob("*.py"):
        inside = path.relative_to(PACKAGE.parent).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("chainrule.")}
            elif isinstance(node, ast.ImportFrom):
                start = inside[: len(inside) - node.level] if node.level else ()
                parts = (*start, *(node.module or "").split("."))
                if parts[0] == "chainrule":
                    found |= {parts[1]} if len(parts) > 1 and parts[1] else {alias.name for alias in node.names}
    return frozenset(found & known - {package})


@cache
def row(package: str) -> int:
    """Return the row of a package, 0 at the bottom."""
    return 1 + max(map(row, below(package)), default=-1)


def lines() -> list[tuple[str, str]]:
    """Return the imports that do not follow from others."""
    return [
        (package, under)
        for package in packages()
        for under in sorted(below(package))
        if not any(under in reached(other) for other in below(package) - {under})
    ]


@cache
def reached(package: str) -> frozenset[str]:
    """Return everything below a package."""
    return below(package).union(*map(reached, below(package)))


def picture() -> str:
    """Return the drawing as SVG."""
    rows = [[name for name in packages() if row(name) == k] for k in range(max(map(row, packages())) + 1)]
    width = max(map(len, rows)) * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = len(rows) * ROW - (ROW - HEIGHT) + 2 * MARGIN
    places = {
        name: (
            width / 2 + (k - (len(names) - 1) / 2) * (WIDTH + GAP),
            MARGIN + HEIGHT / 2 + (len(rows) - 1 - level) * ROW,
        )
        for level, names in enumerate(rows)
        for k, name in enumerate(names)
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="The packages of chainrule: each imports only those below it">',
        f"<style>{STYLE}</style>",
    ]
    for upper, lower in lines():
        (x, y), (to_x, to_y) = places[upper], places[lower]
        y, to_y = y + HEIGHT / 2, to_y - HEIGHT / 2
        middle = (y + to_y) / 2
        parts.append(f'<path d="M{x:g} {y:g}C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"/>')
    for name, (x, y) in places.items():
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
            f'<text x="{x:g}" y="{y - 3:g}">{name}</text>'
            f'<text class="gist" x="{x:g}" y="{y + 13:g}">{escape(GISTS.get(name, ""))}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (FOLDER / "layers.svg").write_text(picture(), encoding="utf-8")
