"""What the site is made of: units of pages, Korean pages that follow the English ones, links, made pages."""

import doctest
import importlib
import importlib.util
import json
import re
from pathlib import Path

import contents
import gallery
import pages
import pytest
import reference
import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import rules
from chainrule.core.operation import REGISTRY

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "docs" / "site").glob("*.py") if path.stem != "conf")
NEEDS = {"korean_search": "sphinx", "mathml": "sphinx", "together": "sphinx", "build": "babel"}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_builder_are_true(name):
    pytest.importorskip(NEEDS.get(name, "markdown_it"))
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# Korean


@walked("name", translation.names())
def test_a_korean_page_is_as_new_as_its_english_page(name):
    problems = translation.stale(name)
    assert not problems, (
        "\n".join(problems)
        + "\nTranslate these lines in docs/ko and run `python docs/site/translation.py record ko/NAME`. Or run "
        "`python docs/site/translation.py sync`: it copies changed code, and what is new stays English for now."
    )


BLOCKS = st.lists(
    st.sampled_from(
        ["# One\n", "Text of a page.\n", "- an item\n- another one\n", "| a word | b |\n|---|---|\n| c | more |\n"]
    )
    | st.integers(0, 9).map(lambda k: f"```python\nx = {k}\n```\n"),
    max_size=6,
).map("\n".join)


@settings(max_examples=25)
@given(BLOCKS, BLOCKS)
def test_a_korean_page_has_the_code_and_the_order_of_the_english_page_whatever_changes(before, after):
    korean = re.sub("[A-Za-z]{3,}", "한글", before)
    known = [unit.fingerprint for unit in translation.prose_of(before)]
    found = translation.translate(after, korean, known)
    assert [u.text for u in pages.units_of(found.text) if u.is_code] == [
        u.text for u in pages.units_of(after) if u.is_code
    ]
    assert [u.kind for u in pages.units_of(found.text)] == [u.kind for u in pages.units_of(after)]
    assert len(found.fingerprints) == len(translation.prose_of(found.text))
    again = translation.translate(after, found.text, found.fingerprints)
    assert again.text == found.text


def test_what_changed_is_english_and_named(tmp_path):
    docs = tmp_path
    (docs / "ko").mkdir()
    (docs / "a.md").write_text("# Title\n\nIt adds.\n\nIt adds [more](b.md).\n")
    (docs / "ko" / "a.md").write_text("# 제목\n\n더합니다.\n\n[더](../b.md) 더합니다.\n")
    known = [unit.fingerprint for unit in translation.prose_of((docs / "a.md").read_text())]
    (docs / "ko" / "translated.json").write_text(json.dumps({"a": known}))
    assert translation.korean_of("a", docs).left == []
    (docs / "a.md").write_text("# Title\n\nIt subtracts.\n\nIt adds [more](b.md).\n\nSee [b](b.md).\n")
    found = translation.korean_of("a", docs)
    assert [unit.text for unit in found.left] == ["It subtracts.", "See [b](b.md)."]
    assert found.text == "# 제목\n\nIt subtracts.\n\n[더](../b.md) 더합니다.\n\nSee [b](../b.md).\n"
    (docs / "ko" / "a.md").write_text("# 제목\n\n더합니다.\n")
    with pytest.raises(ValueError, match="lists 3 units for it, and it has 2"):
        translation.korean_of("a", docs)


# Links


def link_problems(path):
    text = path.read_text(encoding="utf-8")
    code = {k for unit in pages.units_of(text) if unit.is_code for k in range(unit.start, unit.end)}
    for k, line in enumerate(text.splitlines()):
        if k in code:
            continue
        for link, slug in re.findall(r"\]\((?![a-z]+:|/)([^)#\s]*)(?:#([^)\s]*))?\)", re.sub(r"`[^`]*`", "", line)):
            target = (path.parent / link).resolve() if link else path
            if not target.exists():
                yield f"{path.name}:{k + 1}: no file {link}"
            elif slug and slug not in pages.slugs_of(target.read_text(encoding="utf-8")):
                yield f"{path.name}:{k + 1}: no heading {link}#{slug}"


@walked("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(path):
    assert not list(link_problems(path))


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n\n[a](#one), [b](#two), [c](missing.md), `[d](no-link.md)`\n")
    assert [*link_problems(page)] == ["page.md:3: no heading #two", "page.md:3: no file missing.md"]


def test_every_page_is_in_a_section_and_in_one_only():
    listed = [page for section in contents.sections("en") for page in section.pages]
    assert len(listed) == len(set(listed))
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"} <= set(listed)
    assert [section.pages for section in contents.sections("ko")] == [s.pages for s in contents.sections("en")]


# Pages that are made


def test_the_reference_has_every_public_name():
    made = dict(reference.pages("en"))
    for line in (ROOT / "tests" / "public_names.txt").read_text(encoding="utf-8").split():
        module, _, name = line.partition(":")
        if not reference.is_own(importlib.import_module(module), name):
            continue
        assert re.search(rf"^`+{{py:\w+}} {name}\b", made[f"api/{module}"], re.MULTILINE), line


def test_every_operation_has_its_rules_and_proofs():
    made = dict(rules.pages("ko"))
    for name, record in REGISTRY.items():
        page, _, anchor = rules.page_of(name).partition("#")
        text = made[page.removesuffix(".md")].partition(f"\n## {anchor}\n")[2].partition("\n## ")[0]
        assert all(formula in text for formula in record.formulas().values()), name
        assert all(step.latex in text for proof in record.proofs.values() for step in proof), name


def test_every_formula_becomes_mathml():
    pytest.importorskip("latex2mathml")
    mathml = pytest.importorskip("mathml", reason="the site: pip install '.[app,docs]'").mathml
    for record in REGISTRY.values():
        for formula in record.formulas().values():
            assert mathml(formula, "block").startswith('<math display="block"')


def test_what_takes_long_is_only_shown():
    tests = (ROOT / "tests" / "test_examples.py").read_text(encoding="utf-8")
    slow = set(re.findall(r'"(\w+)\.py"', re.search(r"^SLOW = \{.*\}", tests, re.MULTILINE)[0]))
    assert slow
    assert slow <= gallery.SLOW


def test_an_example_that_fails_stops_the_build(monkeypatch, tmp_path):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "bad.py").write_text('"About."\n\n1 / 0\n')
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match=r"examples/bad\.py fails"):
        gallery.run("bad")


@pytest.mark.slow
def test_the_picture_of_the_layers_is_that_of_the_imports():
    path = ROOT / "docs" / "pictures" / "layers.py"
    spec = importlib.util.spec_from_file_location("layers", path)
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    assert path.with_suffix(".svg").read_text(encoding="utf-8") == layers.picture(), f"run python {path}"
