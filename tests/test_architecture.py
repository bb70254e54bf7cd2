"""The rules of the house: where imports point, how long a file is, what an import costs, which words are out.

Every rule is a function from a tree to its list of violations. It is first held against small bad trees, so
that it is known to find what it looks for, and then against the repository.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "chainrule"

# From the ground up. "__init__" is the package's own top-level file: only the command line stands on it.
LAYERS = (
    *("base", "present", "kernels", "core", "formula", "rules", "scipy", "numpy", "compile", "nn", "optim", "data"),
    *(
        "train",
        "distributed",
        "observe",
        "check",
        "explain",
        "doctor",
        "interop",
        "explore",
        "learn",
        "__init__",
        "autograd",
    ),
    *("torch", "jobs", "cli"),
)
MAX_LINES = 600
# What an import of chainrule must not bring in: the modules of the extras, and Numba's compiler.
LATE = {
    *("rich", "latex2mathml", "sklearn", "scipy"),
    *("torch", "jax", "jaxlib", "onnx", "onnxruntime", "mpi4py", "numba", "llvmlite", "anywidget"),
}
# Put together here, so that this file may hold them to account without holding them.
FORBIDDEN_WORDS = ("NotImplemented" + "Error", "TO" + "DO", "FIX" + "ME", "X" * 3)


@dataclass(frozen=True)
class Import:
    """One import of a module of the package: who, whom, and where."""

    source: str
    target: str
    line: int


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement of a file, wherever it stands."""
    todo = [tree]
    for node in todo:
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, ())
            todo += inner if isinstance(inner, list) else ()


@dataclass(frozen=True)
class Tree:
    """The modules of the package in a folder, by dotted name, and the imports between them."""

    package: Path

    @cached_property
    def modules(self) -> dict[str, Path]:
        named = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.package.parent).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return named

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(found for name in self.modules for found in self._imports_of(name))

    def layer(self, module: str) -> str:
        return [*module.split("."), "__init__"][1]

    def height(self, module: str) -> int:
        """The place of a module in LAYERS; a file that is no layer stands on the highest that it imports."""
        layer = self.layer(module)
        if layer in LAYERS:
            return LAYERS.index(layer)
        reached = self._reached_by(module, {module})
        return max((LAYERS.index(self.layer(m)) for m in reached if self.layer(m) in LAYERS), default=-1)

    def where(self, found: Import) -> str:
        return f"{self.modules[found.source].relative_to(self.package.parent)}:{found.line}"

    def _reached_by(self, module: str, seen: set[str]) -> set[str]:
        """Every module that a file which is no layer imports, straight or by way of another such file."""
        for found in self.imports:
            if found.source == module and found.target not in seen:
                seen.add(found.target)
                if self.layer(found.target) not in LAYERS:
                    self._reached_by(found.target, seen)
        return seen

    def _imports_of(self, module: str) -> Iterator[Import]:
        text = self.modules[module].read_text(encoding="utf-8")
        # Only a call stands inside an expression, and there are ten times as many of those as of statements.
        walk = ast.walk if "import_module" in text or "__import__" in text else statements
        for node in walk(ast.parse(text)):
            for target in dict.fromkeys(self._targets(module, node)):
                if target.split(".")[0] == self.package.name:
                    yield Import(module, target, getattr(node, "lineno", 0))

    def _targets(self, module: str, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=name, names=names, level=level):
                base = self._absolute(module, level, name)
                for alias in names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in self.modules else base
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                bare = name.lstrip(".")
                yield self._absolute(module, len(name) - len(bare), bare or None)

    def _absolute(self, module: str, level: int, name: str | None) -> str:
        if level == 0:
            return name or ""
        parts = module.split(".")
        is_package = self.modules[module].name == "__init__.py"
        base = parts[: len(parts) - level + is_package]
        return ".".join([*base, name] if name else base)


def misplaced(tree: Tree) -> list[str]:
    """Folders of the package that are no layer."""
    folders = {path.parent.name for path in tree.modules.values() if path.parent.parent == tree.package}
    return [f"{folder}/ has no place in LAYERS" for folder in sorted(folders - {*LAYERS})]


def upward_imports(tree: Tree) -> list[str]:
    """Imports of a higher layer: at the top of a file, inside a function, or for types alone."""
    return [
        f"{tree.where(i)}: {i.source} imports {i.target}, which stands above it"
        for i in tree.imports
        if tree.height(i.target) > tree.height(i.source)
    ]


def import_cycle(tree: Tree) -> list[str]:
    """The modules of one import cycle, or nothing: also of imports inside a function, and of those for types alone."""
    graph: dict[str, set[str]] = {name: set() for name in tree.modules}
    for i in tree.imports:
        if i.target != i.source:
            graph[i.source].add(i.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def long_files(tree: Tree, limit: int = MAX_LINES) -> list[str]:
    """Files with more lines than the limit."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in tree.modules.values()}
    return [f"{path.name}: {n} lines, at most {limit}" for path, n in lengths.items() if n > limit]


def forbidden_words(root: Path, paths: Iterable[Path]) -> list[str]:
    """Places of words that stand for unfinished work. Files that are not UTF-8 text are not read."""
    pattern = re.compile(rf"\b({'|'.join(FORBIDDEN_WORDS)})\b")
    found = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(root)}:{n}" for n, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def files_of_checkout(root: Path) -> list[Path]:
    """The files that git tracks or is about to: all but the ignored ones."""
    # A container may run as another user than the one that cloned; git would refuse to list the files.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True, encoding="utf-8")
    return [root / name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter, which sees the source, holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


# The checks, held against bad trees


@pytest.fixture
def tree_of(tmp_path):
    """Writes a package `chainrule` from {path: text} and returns its tree."""

    def write(files: dict[str, str]) -> Tree:
        for name, text in files.items():
            path = tmp_path / "chainrule" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Tree(tmp_path / "chainrule")

    return write


def test_every_pair_of_layers_may_import_downwards_only(tree_of):
    packages = [layer for layer in LAYERS if layer != "__init__"]
    tree = tree_of(
        {f"{low}/a_{high}.py": f"import chainrule.{high}.b\n" for low, high in product(packages, repeat=2)}
        | {f"{layer}/b.py": "" for layer in packages}
    )
    expected = {(low, high) for low, high in product(packages, repeat=2) if LAYERS.index(low) < LAYERS.index(high)}
    assert {tuple(re.findall(r"chainrule\.(\w+)\.", line)) for line in upward_imports(tree)} == expected


@pytest.mark.parametrize(
    "text",
    [
        "import chainrule.nn.linear",
        "import os, chainrule.nn.linear as linear",
        "from chainrule.nn.linear import Linear",
        "from chainrule.nn import linear",
        "from chainrule import nn",
        "from chainrule import tensor",
        "import chainrule",
        "from ..nn import linear",
        "from .. import nn",
        "from ..nn.linear import *",
        "def f():\n    from chainrule.nn import linear",
        "class A:\n    def f(self):\n        if self:\n            import chainrule.nn",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from chainrule.nn import linear",
        "try:\n    import chainrule.nn\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('chainrule.nn.linear')",
        "from importlib import import_module\nimport_module('..nn', __package__)",
        "__import__('chainrule.nn')",
    ],
)
def test_an_upward_import_is_found_however_it_is_written(tree_of, text):
    tree = tree_of({"__init__.py": "", "core/a.py": text, "nn/__init__.py": "", "nn/linear.py": ""})
    (line,) = upward_imports(tree)
    assert line.startswith(str(Path("chainrule/core/a.py")) + f":{text.count(chr(10)) + 1 - ('except' in text) * 2}:")


@pytest.mark.parametrize(
    "text",
    [
        "from chainrule.core import a",
        "from . import b\nfrom .b import f\nfrom .. import core",
        "import numpy.nn\nimport chainrule_nn",
        "text = 'import chainrule.nn'",
    ],
)
def test_other_imports_are_not_found(tree_of, text):
    assert upward_imports(tree_of({"core/__init__.py": "", "core/a.py": "", "core/b.py": "", "rules/a.py": text})) == []


def test_a_file_beside_the_layers_stands_on_the_highest_that_it_imports(tree_of):
    files = {
        "__init__.py": "from chainrule import numpy, doctor",
        "_version.py": "",
        "numpy.py": "from chainrule import _names",
        "_names.py": "from chainrule import rules, numpy",
        "rules/__init__.py": "from chainrule import _version",
        "doctor/__init__.py": "import chainrule.numpy",
    }
    assert upward_imports(tree_of(files)) == []
    (line,) = upward_imports(tree_of({"core/a.py": "from chainrule import numpy"}))
    assert "chainrule.core.a imports chainrule.numpy" in line


def test_a_folder_that_is_no_layer_is_found(tree_of):
    assert misplaced(tree_of({"core/a.py": "", "helpers/a.py": "", "core/deep/a.py": ""})) == [
        "helpers/ has no place in LAYERS"
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"core/a.py": "from . import b", "core/b.py": "from . import a"},
        {"core/a.py": "from . import b", "core/b.py": "def f():\n    from .a import g"},
        {"core/a.py": "from . import b", "core/b.py": "import typing\nif typing.TYPE_CHECKING:\n    from . import a"},
        {
            "core/a.py": "from . import b",
            "core/b.py": "from . import c",
            "core/c.py": "from chainrule.core import a",
        },
        {"core/__init__.py": "from .a import f", "core/a.py": "from chainrule.core import g"},
        {"core/a.py": "import chainrule._b", "_b.py": "import chainrule.core.a"},
    ],
)
def test_a_cycle_is_found(tree_of, files):
    names = {name for name in tree_of(files).modules if name.startswith(("chainrule.core", "chainrule._"))}
    assert set(import_cycle(tree_of(files))) == names


def test_a_long_file_is_found(tree_of):
    tree = tree_of({"core/a.py": "x = 1\n" * 10, "core/b.py": "x = 1\n" * 11})
    assert long_files(tree, limit=10) == ["b.py: 11 lines, at most 10"]


@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_a_forbidden_word_is_found(tmp_path, word):
    (tmp_path / "a.md").write_text(f"one\n# {word}: two\n", encoding="utf-8")
    (tmp_path / "b.py").write_text(f"return NotImplemented\n{word}S, {word.lower()}, MA{word}\n", encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"\xff " + word.encode())
    assert forbidden_words(tmp_path, sorted(tmp_path.iterdir())) == ["a.md:2"]


def test_a_module_that_a_statement_loads_is_found():
    assert loaded_by("import rich.text") & LATE == {"rich"}


# The repository


@pytest.fixture(scope="module")
def house():
    tree = Tree(PACKAGE)
    assert tree.modules, f"no module found in {PACKAGE}"
    return tree


@pytest.mark.parametrize("violations", [misplaced, upward_imports, import_cycle, long_files])
def test_the_package_keeps(house, violations):
    assert violations(house) == []


def test_importing_chainrule_imports_no_extra():
    assert loaded_by("import chainrule") & LATE == set()


@pytest.mark.slow
def test_no_file_holds_a_forbidden_word():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of the project's files")
    paths = files_of_checkout(ROOT)
    assert Path(__file__).resolve() in [path.resolve() for path in paths]
    # Code written for autograd catches this class of errors, so the door has to raise it.
    allowed = re.compile(r"src/chainrule/autograd/primitives\.py:\d+")
    assert [line for line in forbidden_words(ROOT, paths) if not allowed.fullmatch(line)] == []
