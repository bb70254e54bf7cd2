"""Texts in two languages: every catalogue has both, with the same fields; Korean particles follow the word before."""

import re

import pytest
from tests.named import walked

from chainrule.check.report import korean
from chainrule.check.report import words as check
from chainrule.doctor.report import words as doctor
from chainrule.explain.graph import texts as graph
from chainrule.explain.write import catalogue
from chainrule.jobs.training import text as training
from chainrule.present.josa import PARTICLES, josa
from chainrule.present.texts import LANGUAGES, SHARED, Words, check_lang, fields_of, filled

CATALOGUES = {
    "present": SHARED,
    "check": check.TEXT,
    "doctor": doctor.TEXT,
    "graph": graph.TEXT,
    "explain": catalogue.TEXT,
    "titles": catalogue.TITLES,
    "training": training.TEXT,
}
ALL = [(name, key) for name, texts in CATALOGUES.items() for key in texts]
UNTRANSLATED = re.compile(r"[‖∂L/z0-9.\s{}:–\-…×]*")


@walked("name", CATALOGUES)
def test_a_catalogue_says_the_same_in_both_languages(name):
    for key, text in CATALOGUES[name].items():
        assert text.keys() == set(LANGUAGES), key
        assert fields_of(text["en"]) == fields_of(text["ko"]), key
        assert not set(re.findall(r"\{(\w+)\}", text["en"])) & PARTICLES.keys(), key
        assert re.search("[가-힣]", text["ko"]) or UNTRANSLATED.fullmatch(text["ko"]), key


@walked("name", CATALOGUES)
def test_korean_leaves_no_particle_open_and_has_one_word_for_a_thing(name):
    for key, text in CATALOGUES[name].items():
        assert not re.search(r"\((가|는|를|과|와|으|이)\)", text["ko"]), key
        for other in ("형상", "인자", "특징", "전방"):  # 모양, 인수, 특성, 순방향
            assert other not in text["ko"], key


def test_the_sentences_of_a_check_leave_no_particle_open():
    for text in [*(ko for _, ko in korean.SENTENCES), *korean.REASONS.values()]:
        assert not re.search(r"\((가|는|를|과|와|으)\)", text)


@walked(
    ("word", "shown"),
    [
        ("값", "값을"), ("기울기", "기울기를"), ("층", "층을"), ("f", "f를"), ("l", "l을"), ("x", "x를"),
        ("7", "7을"), ("2", "2를"), ("0.10", "0.10을"), ("1e-05", "1e-05를"), ("50%", "50%를"), ("∞", "∞를"),
        ("sum", "sum을"), ("mean", "mean을"), ("matmul", "matmul을"), ("clip", "clip을"), ("tanh", "tanh를"),
        ("log", "log를"), ("softmax", "softmax를"), ("ReLU", "ReLU를"), ("LayerNorm", "LayerNorm을"),
        ("BatchNorm1d", "BatchNorm1d를"), ("Dropout", "Dropout을"), ("float", "float를"), ("float16", "float16을"),
        ("`g @ w.T`", "`g @ w.T`를"), ("(3, 4)", "(3, 4)를"), ("", "를"), ("?!", "?!를"),
    ],
)  # fmt: skip
def test_the_object_particle(word, shown):
    assert word + josa(word, "을") == shown


def test_after_an_l_the_direction_loses_its_vowel():
    assert [w + josa(w, "으로") for w in ("kaiming", "xavier", "kernel", "3", "8", "0.5", "값", "물", "서")] == [
        *("kaiming으로", "xavier로", "kernel로", "3으로", "8로", "0.5로", "값으로", "물로", "서로")
    ]


def test_a_value_with_braces_is_a_value():
    assert filled("{name}{이} 끊습니다", name="{을}") == "{을}이 끊습니다"
    assert filled("{0!r}", "a") == "'a'"


def test_what_was_not_measured_is_said_so():
    words = Words({"size": {"en": "size {size:.3g}", "ko": "크기 {size:.3g}"}}, "en")
    assert words("size", size=float("nan")) == "size not measured"
    assert words("size", size=0.5) == "size 0.5"
    assert "size" in words
    assert words.get("none", "other") == "other"


def test_another_language_is_refused():
    assert check_lang("ko") == "ko"
    with pytest.raises(ValueError, match="graph: lang: expected one of en, ko, got 'fr'"):
        check_lang("fr", "graph: ")
