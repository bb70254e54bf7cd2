"""A sheet as PDF: what is missing on a machine is named, and a PDF without its Korean letters is none."""

import shutil
import sys

import pytest

import chainrule as cr
from chainrule.jobs.learning.typesetting import typeset

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")
KOREAN = cr.exercise("neuron", seed=1, lang="ko").to_latex()


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Puts a program on an otherwise empty path, which writes a log and, if it is to succeed, a PDF."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name, log, fails=False):
        (tmp_path / "log").write_text(log, encoding="utf-8")
        cat, pdf = shutil.which("cat", path="/usr/bin:/bin"), "" if fails else "echo %PDF > sheet.pdf\n"
        script = tmp_path / name
        script.write_text(
            f"#!/bin/sh\n{cat} {tmp_path / 'log'} > sheet.log\n{pdf}exit {int(fails)}\n", encoding="utf-8"
        )
        script.chmod(0o755)

    return make


@pytest.mark.parametrize(("lang", "needed"), [("en", "pdflatex or xelatex"), ("ko", "xelatex or lualatex.*kotex")])
def test_without_latex_the_error_says_what_to_install(engine, lang, needed):
    with pytest.raises(ValueError, match=f"{needed}.*--format html"):
        typeset(KOREAN, lang)


def test_a_missing_package_is_named(engine):
    engine("xelatex", "! LaTeX Error: File `kotex.sty' not found.", fails=True)
    with pytest.raises(ValueError, match=r"xelatex has no kotex\.sty: install TeX Live"):
        typeset(KOREAN, "ko")


def test_a_pdf_without_korean_letters_is_an_error(engine):
    engine("xelatex", "Missing character: There is no 뉴 (U+B274) in font [lmroman10-regular]!")
    with pytest.raises(ValueError, match=r"no Korean font has 뉴.*fonts-nanum"):
        typeset(KOREAN, "ko")


def test_any_other_error_shows_the_end_of_the_log(engine):
    engine("xelatex", "! Undefined control sequence.\nl.3 \\oops", fails=True)
    with pytest.raises(ValueError, match="LaTeX stopped:\n! Undefined"):
        typeset(KOREAN, "ko")


def test_another_missing_letter_is_no_reason_to_stop(engine):
    engine("lualatex", "Missing character: There is no ∂ in font cmr10!")
    assert typeset(KOREAN, "ko").startswith(b"%PDF")


def test_a_korean_sheet_chooses_among_installed_fonts():
    assert r"\IfFontExistsTF{NanumMyeongjo}{\setmainhangulfont{NanumMyeongjo}" in KOREAN
    assert KOREAN.count("{") == KOREAN.count("}")
    assert "kotex" not in cr.exercise("neuron", seed=1).to_latex()
