"""The course: both languages say the same, its mathematics is right, its exercises and pictures are the scripts'."""

import ast
import importlib
import io
import re
import sys
import tokenize
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.formula.chain import Chain
from chainrule.formula.evaluation import FormulaError, parse

from .test_docs import blocks_of

COURSE = Path(__file__).parents[1] / "docs" / "course"
LANGUAGES = ("en", "ko")
CHAPTERS = sorted(path.name for path in (COURSE / "en").glob("*.md"))
PAGES = [COURSE / lang / name for lang in LANGUAGES for name in CHAPTERS]
NETS = sorted(path.stem for path in (COURSE / "nets").glob("[a-z]*.py"))
MATH = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.MULTILINE | re.DOTALL)
EXERCISE = re.compile(r"<!-- exercise (\S+) seed=(\d+) level=(\d) -->.*?<!-- end -->", re.DOTALL)


@pytest.fixture(scope="module")
def scripts():
    """The scripts of docs/course, as modules."""
    sys.path.insert(0, str(COURSE))
    yield importlib.import_module
    sys.path.remove(str(COURSE))


def named(path):
    return "/".join(path.parts[-2:])


def told(path):
    """A page without its exercises, which have tests of their own."""
    return EXERCISE.sub("", path.read_text(encoding="utf-8"))


def without_words(code):
    """Code without its comments and docstrings."""
    if code.lstrip().startswith(">>>"):
        return re.sub(r"\s*#.*", "", code)
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    kept = [t for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type != tokenize.COMMENT]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            node.body = node.body[1:]
    assert kept
    return ast.dump(tree)


def test_both_languages_have_the_same_chapters():
    assert len(CHAPTERS) == 11
    assert sorted(path.name for path in (COURSE / "ko").glob("*.md")) == CHAPTERS


@pytest.mark.parametrize("name", CHAPTERS)
def test_code_and_formulas_are_the_same_in_both_languages(name, tmp_path):
    code, formulas, marks = [], [], []
    for lang in LANGUAGES:
        text = (COURSE / lang / name).read_text(encoding="utf-8")
        page = tmp_path / name
        page.write_text(told(COURSE / lang / name), encoding="utf-8")
        code.append([(b.language, b.options, without_words(b.text)) for b in blocks_of(page)])
        formulas.append([re.sub(r"\\text\{.*?\}|\s", "", m) for m in MATH.findall(told(COURSE / lang / name))])
        marks.append([m.groups() for m in EXERCISE.finditer(text)])
    assert code[0] == code[1]
    assert formulas[0] == formulas[1]
    assert marks[0] == marks[1]
    assert name == "README.md" or 3 <= len(marks[0]) <= 5


# The arithmetic


def numeric_sides(formula):
    """The sides of each equation in a formula that are numbers only, side by side, as (text, value)."""
    for equation in re.split(r",?\s*\\q*quad\s*", formula.replace("\n", " ")):
        sides = re.split(r" = | \\approx ", equation.strip().rstrip(".,"))
        found = []
        for side in sides:
            try:
                value = None if "pmatrix" in side else parse(side).evaluate({})
            except FormulaError:
                value = None
            found.append((side, value))
        known = [pair for pair in found if pair[1] is not None]
        yield from pairwise(known)


def written_digits(text):
    """Half a unit of a number's last digit; nothing for what is to be computed."""
    match = re.fullmatch(r"-?\d+(?:\.(\d+))?(?: \\cdot 10\^\{(-?\d+)\})?", text.strip())
    if match is None:
        return 0.0
    return 0.5 * 10.0 ** (int(match[2] or 0) - len(match[1] or ""))


@walked("name", CHAPTERS)
def test_the_arithmetic_done_by_hand_is_right(name):
    checked = 0
    for formula in MATH.findall(told(COURSE / "en" / name)):
        for (left, a), (right, b) in numeric_sides(formula):
            assert abs(a - b) <= 1.001 * max(written_digits(left), written_digits(right)) + 1e-12, formula
            checked += 1
    assert checked >= {"01-cost.md": 10, "02-one-neuron.md": 8, "04-many-layers.md": 9}.get(name, 0)


PROOFS = {
    "01-cost.md": (
        {"w": 1.3},
        ["u = w^2", "v = 3u + 1", "L = v^2"],
        [
            r"\frac{\partial u}{\partial w} = 2w",
            r"\frac{\partial v}{\partial u} = 3",
            r"\frac{\partial L}{\partial v} = 2v",
        ],
    ),
    "02-one-neuron.md": (
        {"x": 2.0, "w": 0.5, "b": 0.1, "y": 1.0, "s": 0.18736987954752055},  # s: the slope σ'(1.1)
        ["z = w x + b", r"a = \sigma(z)", r"L = \tfrac{1}{2}\,(a - y)^2"],
        [
            r"\sigma'(z) = -(1 + e^{-z})^{-2} \cdot (-e^{-z}) = \frac{e^{-z}}{(1 + e^{-z})^2}",
            r"1 - \sigma(z) = \frac{1 + e^{-z}}{1 + e^{-z}} - \frac{1}{1 + e^{-z}} = \frac{e^{-z}}{1 + e^{-z}}",
            r"\sigma'(z) = \sigma(z)\,(1 - \sigma(z)) = a\,(1 - a)",
            r"\frac{\partial L}{\partial w} = … = (a - y) \cdot a\,(1 - a) \cdot x",
            r"\frac{\partial L}{\partial b} = … = (a - y) \cdot a\,(1 - a)",
        ],
    ),
    "03-two-layers.md": (
        {"z": np.array([0.3, -1.2, 0.8]), "y": np.array([0.0, 1.0, 0.0])},
        [r"\hat y_i = \frac{e^{z_i}}{\sum_k e^{z_k}}", r"L = -\sum_i y_i \log \hat y_i"],
        [
            r"\frac{\partial \hat y_i}{\partial z_j} = \hat y_i\,([i = j] - \hat y_j)",
            r"\frac{\partial L}{\partial z_j} = \sum_i \left(-\frac{y_i}{\hat y_i}\right) \hat y_i\,"
            r"([i = j] - \hat y_j) = -\sum_i y_i\,([i = j] - \hat y_j)",
            r"\frac{\partial L}{\partial z_j} = -y_j + \hat y_j \sum_i y_i = \hat y_j - y_j",
        ],
    ),
}
"""Values, the definitions of a page, and what it derives from them; `…` stands for products of derivatives."""


@walked("name", PROOFS)
def test_the_derivations_are_right(name):
    """Each line holds in numbers: derivatives are compared with difference quotients of the page's definitions."""
    values, definitions, lines = PROOFS[name]
    text = (COURSE / "en" / name).read_text(encoding="utf-8")
    chain = Chain(values, output="L")
    for line in [*definitions, *lines]:
        assert all(part in text for part in line.split("…")), line
        assert chain.check(line.replace("… = ", "").replace(r"\sigma'(z)", "s")) < 1e-9, line


# The exercises


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=named(p), marks=[pytest.mark.slow] * (p.parent.name == "ko")) for p in PAGES]
)
def test_the_exercises_are_written_by_the_script(path, scripts):
    text = path.read_text(encoding="utf-8")
    made = scripts("exercises").filled(text, path.parent.name)
    assert numbers_hidden(made) == numbers_hidden(text), "python docs/course/exercises.py writes them anew"


def numbers_hidden(text):
    """A page whose measured tables have # for their numbers: they may differ in their last digits."""
    return re.sub(r"^```text\n.*?^```$", lambda m: re.sub(r"[\d.e/-]+\s*", "#", m[0]), text, flags=re.M | re.S)


def test_the_key_of_every_exercise_is_right(scripts):
    made = scripts("exercises").made
    found = {m.groups() for path in PAGES for m in EXERCISE.finditer(path.read_text(encoding="utf-8"))}
    for topic, seed, level in sorted(found):
        exercise = made(topic, int(seed), int(level), "en")
        assert exercise.check(exercise.key)[0]
        assert exercise.key.worst < 1e-6
    assert {topic for topic, _, _ in found} == set(importlib.import_module("chainrule.learn").TOPICS)


@pytest.mark.slow
def test_what_a_reader_is_told_to_try_works():
    for name in CHAPTERS:
        for line in re.findall(r"^chainrule .*", (COURSE / "en" / name).read_text(encoding="utf-8"), re.MULTILINE):
            words = line.split()
            options = dict(pairwise(words))
            if words[1] in ("exercise", "practice") and len(words) > 2 and not words[2].startswith("--"):
                cr.exercise(words[2], int(options.get("--seed", 0)), int(options.get("--level", 1)))


# Pictures, networks, links


def similar(made, kept):
    """Whether two drawings are the same, up to what other machines round differently."""
    numbers = re.compile(r"-?\d+(?:\.\d+)?")
    same_words = numbers.sub("#", made) == numbers.sub("#", kept)
    pairs = zip(numbers.findall(made), numbers.findall(kept), strict=False)
    return same_words and all(abs(float(a) - float(b)) <= 0.3 + 1e-3 * abs(float(a)) for a, b in pairs)


@pytest.mark.slow
def test_the_pictures_are_those_of_the_script(scripts):
    made = scripts("pictures").made()
    kept = {path.name: path.read_text(encoding="utf-8") for path in (COURSE / "pictures").glob("*.svg")}
    assert made.keys() == kept.keys()
    for name, svg in made.items():
        assert similar(svg, kept[name]), f"{name}: python docs/course/pictures.py makes it anew"
        assert "light-dark(" in svg


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_picture_is_shown_and_has_a_text_in_the_language_of_its_page(lang):
    shown = {}
    for name in CHAPTERS:
        text = (COURSE / lang / name).read_text(encoding="utf-8")
        shown |= {Path(src).name: alt for alt, src in re.findall(r"!\[([^\]]+)\]\((\S+?)\)", text)}
    assert shown.keys() == {path.name for path in (COURSE / "pictures").glob(f"*.{lang}.svg")}
    assert all(bool(re.search("[가-힣]", alt)) == (lang == "ko") for alt in shown.values())


@pytest.mark.parametrize("name", NETS)
def test_every_network_can_be_explored(name, scripts):
    explorer = scripts(f"nets.{name}").explore(lang="ko")
    assert np.isfinite(explorer.session.run.loss)
    linked = [(COURSE / lang / page).read_text(encoding="utf-8") for lang in LANGUAGES for page in CHAPTERS]
    assert sum(f"](../nets/{name}.py)" in text for text in linked) == 2


def anchors(page):
    """The anchors that GitHub gives to the headings of a page."""
    found = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[*`]", "", heading).strip().lower()).replace(" ", "-") for heading in found
    }


@walked("path", PAGES, ids=named)
def test_every_link_goes_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\((\S+?)\)", text):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.is_file(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


@walked("path", PAGES, ids=named)
def test_formulas_within_a_line_are_read_by_github(path):
    """GitHub takes `$…$` for a formula only where no letter touches its dollars from outside."""
    text = re.sub(r"^```.*?^```$|^\$\$\n.*?^\$\$$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for before, after in re.findall(r"(?:^|(.))\$[^$\n]+\$(?=(.)|$)", re.sub(r"`[^`\n]*`", "", text), re.MULTILINE):
        assert not re.match(r"\w", before or " "), (before, after)
        assert not re.match(r"\w", after or " "), (before, after)
