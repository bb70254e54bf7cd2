"""Every page of the documentation runs from top to bottom, as its reader would run it.

All blocks of a page share one namespace and one empty folder. The info string says what happens to a block:

==========================  =================================================================================
`python`                    runs; with `>>>` prompts, its output is checked as in a docstring
`python file=layers.py`     is written to that file, for the blocks below it
`python no-run="reason"`    does not run, for the reason given
`text output`               is what the Python block or the commands before it printed
`sh run`, `console run`     each line (in `console`: each `$` line, with its output below it) is a call of
                            `chainrule` or `python`; `exit=1` after `run` is the exit code expected, if not 0
==========================  =================================================================================

Blocks in other languages, and in `sh` or `console` without `run`, are only shown.
"""

import contextlib
import doctest
import importlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.doctest import _get_checker, get_optionflags
from markdown_it import MarkdownIt
from tests.command import chainrule

from chainrule.core.tensor import Tensor

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
# A Korean page has the code of the English one (tests/docs_site, test_course.py, and below): it would run twice.
PAGES += sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "ko")
SLOW = {"check", "distributed", "doctor", "errata", "exercises", "explain", "grading", "graph"}
SLOW |= {"language", "photos", "pytorch_jax", "series", "streams", "tables", "training"}
"""Pages that take seconds: they run with the slow tests."""

OPTIONS = {
    "python": {"file", "no-run"},
    "text": {"output"},
    "sh": {"run", "exit"},
    "console": {"run", "exit"},
}
# Names that a highlighter accepts, and that would pass by the rules above.
OTHER_NAMES = {
    "py": "python",
    "python3": "python",
    "pycon": "python",
    "bash": "sh",
    "shell": "sh",
    "shell-session": "console",
}
SECONDS = 120


class PageError(AssertionError):
    """A block that does not do what its page says."""


def _chainrule(words: list[str]) -> tuple[object, str]:
    """Run a command in this process: what a fresh one imports first would take longer than most commands."""
    done = chainrule(*words, together=True)
    return done.exit_code, done.stdout


def _python(words: list[str]) -> tuple[object, str]:
    done = subprocess.run(
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


COMMANDS = {"chainrule": _chainrule, "python": _python}


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what its info string says, and its text."""

    page: Path
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def runs(self) -> bool:
        return "run" in self.options or (self.language == "python" and "no-run" not in self.options)


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order. An info string that says nothing known is refused."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type != "fence":
            continue
        language, *words = shlex.split(token.info) or [""]
        options = {key: value for key, _, value in (word.partition("=") for word in words)}
        block = Block(page, token.map[0] + 1, language, options, token.content)
        if language.lower() in OTHER_NAMES:
            raise PageError(f"{block.where}: write {OTHER_NAMES[language.lower()]!r} for {language!r}")
        if unknown := options.keys() - OPTIONS.get(language, set()):
            raise PageError(f"{block.where}: a {language!r} block has no option {', '.join(sorted(unknown))}")
        if options.get("no-run") == "":
            raise PageError(f'{block.where}: say why it does not run: no-run="reason"')
        yield block


@dataclass
class Page:
    """Runs the blocks of one page in the current folder."""

    checker: doctest.OutputChecker
    flags: int
    module: ModuleType = field(default_factory=lambda: ModuleType("__main__"))
    printed: str = ""

    def run(self, block: Block) -> None:
        if "no-run" in block.options:
            return
        if "file" in block.options:
            Path(block.options["file"]).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            run = self._examples if block.text.lstrip().startswith(">>>") else self._code
            run(block)
        elif "output" in block.options:
            self._compare(block, block.text, self.printed)
        elif "run" in block.options:
            self._commands(block)

    def _code(self, block: Block) -> None:
        # The empty lines let a traceback, and chainrule's own reports, name the line of the page.
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, self.module.__dict__)
        self.printed = out.getvalue()

    def _examples(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.text, self.module.__dict__, block.where, str(block.page), block.line
        )
        test.globs = self.module.__dict__  # the parser copies it: names would be lost to the blocks below
        report: list[str] = []
        runner = doctest.DocTestRunner(self.checker, optionflags=self.flags, verbose=False)
        if runner.run(test, out=report.append, clear_globs=False).failed:
            raise PageError("".join(report))

    def _commands(self, block: Block) -> None:
        self.printed = ""
        for command, expected in commands_of(block):
            name, *arguments = shlex.split(command)
            if name not in COMMANDS:
                raise PageError(f"{block.where}: {name!r} is not one of {', '.join(COMMANDS)}")
            code, printed = COMMANDS[name](arguments)
            if code != int(block.options.get("exit", 0)):
                raise PageError(f"{block.where}: {command!r} exits {code}:\n{printed}")
            if expected:
                self._compare(block, expected, printed)
            self.printed += printed

    def _compare(self, block: Block, expected: str, printed: str) -> None:
        if not self.checker.check_output(expected, printed, self.flags):
            example = doctest.Example(block.text, expected)
            difference = self.checker.output_difference(example, printed, self.flags)
            raise PageError(f"{block.where}: the page shows another output\n{difference}")


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a shell block, each with the output that the page shows for it, or with nothing."""
    text = block.text.replace("\\\n", " ")
    if block.language == "sh":
        yield from ((line.strip(), "") for line in text.splitlines() if line.strip())
        return
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


@pytest.fixture
def run_page(request, tmp_path, monkeypatch, skip_without_imports):
    """Runs a page in an empty folder, with the output checker that pytest has for docstrings."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(path: Path) -> None:
        blocks = list(blocks_of(path))
        if not any(block.runs for block in blocks):
            raise PageError(f"{path.name}: no block runs")
        page = Page(_get_checker(), get_optionflags(request.config))
        monkeypatch.setitem(sys.modules, "__main__", page.module)
        for block in blocks:
            if block.runs:
                skip_without_imports(block.text)
            page.run(block)

    return run


# The runner, held against bad pages


def fenced(info: str, text: str) -> str:
    return f"```{info}\n{text}\n```\n"


GOOD = {
    "one namespace": fenced("python", "x = 1 / 3") + fenced("python", ">>> x\n0.333"),
    "names from a doctest": fenced("python", ">>> x = 2") + fenced("python", "assert x == 2"),
    "printed": fenced("python", "print('a b')") + fenced("text output", "a ...") + fenced("text", "other"),
    "not run": fenced("python", "1") + fenced('python no-run="takes a week"', "1 / 0"),
    "a file": fenced("python file=one.py", "print('one')") + fenced("console run", "$ python one.py\none"),
    "exit code": fenced("sh run exit=3", "python -c \\\n  'import sys; sys.exit(3)'"),
    "pickled": fenced("python", "import pickle\n\nclass A: ...\n\nassert type(pickle.loads(pickle.dumps(A()))) is A"),
    "in a list": "1. first\n\n   ```python\n   if True:\n       x = 1\n   ```\n",
    "a fence within a fence": "````\n```python\n1 / 0\n```\n````\n" + fenced("python", "1"),
}
BAD = {
    "no block runs": fenced("sh", "pip install chainrule") + fenced('python no-run="a reason"', "1"),
    "no option rn": fenced("sh rn", "chainrule info"),
    "no option no-runs": fenced("python no-runs", "1"),
    "say why": fenced("python no-run", "1"),
    "write 'python' for 'py'": fenced("py", "1"),
    "write 'sh' for 'bash'": fenced("bash", "true"),
    r"page\.md:2[\s\S]*Expected": "\n" + fenced("python", ">>> 1 + 1\n3"),
    "another output": fenced("python", "print(1)") + fenced("text output", "2"),
    r"another output[\s\S]*two": fenced("console run", "$ python -c '1'\n$ python -c 'print(1)'\ntwo"),
    "exits 1": fenced("sh run", "python -c 'assert 0'"),
    "exits 0": fenced("sh run exit=1", "python -c 'pass'"),
    "'pip' is not one of": fenced("sh run", "pip list"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_good_page_runs(run_page, tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    run_page(page)


@pytest.mark.parametrize(("message", "text"), BAD.items(), ids=BAD)
def test_a_bad_page_is_found(run_page, tmp_path, message, text):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(PageError, match=message):
        run_page(page)


def test_a_traceback_names_the_line_of_the_page(run_page, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n" + fenced("python", "x = 1\nx / 0"), encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == (page, 5)


# The pages


def test_the_korean_readme_has_the_code_of_the_english():
    """But for comments."""

    def code(path):
        blocks = [block for block in blocks_of(path) if block.runs or block.options]
        return [(b.language, b.options, re.sub(r"  # .*", "", b.text)) for b in blocks]

    assert code(ROOT / "README.ko.md") == code(ROOT / "README.md")


@contextlib.contextmanager
def kept_apart():
    """Undo what `chainrule.autograd.install()` changes for the whole process, and so for the tests after this one."""
    modules = [importlib.import_module(f"chainrule.autograd.numpy{part}") for part in ("", ".linalg", ".fft")]
    named, spaces, known = vars(Tensor)["_named"], [dict(vars(m)) for m in modules], set(sys.modules)
    try:
        yield
    finally:
        Tensor._named = named
        for module, space in zip(modules, spaces, strict=True):
            vars(module).clear()
            vars(module).update(space)
        for name in set(sys.modules) - known:
            if name.partition(".")[0] == "autograd":
                del sys.modules[name]


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=str(p.relative_to(ROOT)), marks=[pytest.mark.slow] * (p.stem in SLOW)) for p in PAGES],
)
@pytest.mark.usefixtures("alone")
def test_a_page_runs(run_page, path):
    with kept_apart() if path.stem == "autograd" else contextlib.nullcontext():
        run_page(path)
