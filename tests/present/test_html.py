"""The builder of HTML and tables: text stays text, whatever it is."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.present.axes import axis, named
from chainrule.present.html import Markup, join, tag
from chainrule.present.image import grey_image
from chainrule.present.page import CSP, fragment, page
from chainrule.present.table import table


class Read(HTMLParser):
    """What a browser would read: elements, attributes, text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.attributes = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attrs):
        self.elements.append(name)
        self.attributes += [value for _, value in attrs]

    def handle_data(self, data):
        self.text += data


LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp"]))


@given(LETTERS)
def test_text_and_attributes_are_read_as_they_were_written(text):
    read = Read(tag("p", text, title=text))
    assert read.elements == ["p"]
    assert read.text == text
    assert read.attributes == [text]


@given(LETTERS)
def test_a_table_holds_its_cells_and_nothing_else(text):
    read = Read(table([text, "b"], [[text, 1]], text))
    assert sorted(read.elements) == ["div", "table", "tbody", "td", "td", "th", "th", "thead", "tr", "tr"] or not text
    assert read.text == f"{text}b{text}1"


@pytest.mark.parametrize("wrapped", [page, fragment])
def test_a_page_closes_what_it_opens_and_hides_nothing(wrapped):
    nasty = "</style></title><script>\x1b\u202e"
    text = wrapped(nasty, "en", tag("p", nasty)) if wrapped is page else wrapped("en", tag("p", nasty))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("<style>") == 1
    assert (CSP in text) == (wrapped is page)


def test_children_are_flattened_and_nothing_is_left_out():
    assert join("<", [Markup("<b>x</b>"), None, [1, (2.5,)]]) == "&lt;<b>x</b>12.5"
    assert tag("input", disabled=True, value=None, hidden=False, data_x=1 / 3) == (
        '<input disabled data-x="0.33333"></input>'
    )


@walked(
    ("cells", "is_number"),
    [
        (["1", "−2.5", "1e-08", "", "…"], True),
        (["47%", "5 %", "‖1.5‖", "1.67/0.093"], True),
        (["1.2 ms", "3 µs", "2 s"], True),
        (["1", "a"], False),
        (["8 × 5", "256"], False),
        (["", ""], False),
    ],
)
def test_a_column_of_numbers_is_set_to_the_right(cells, is_number):
    assert ('class="number"' in table(["head"], [[cell] for cell in cells], "label")) == is_number


def test_an_empty_table_keeps_its_head():
    assert "<th" in table(["a", "b"], [], "nothing")
    assert "<td></td></tr></thead>" in table(["a", ""], [], "nothing")


def test_an_image_says_what_it_shows():
    text = grey_image(np.zeros((3, 2)), '"a < b"')
    assert Read(text).attributes[1] == '"a < b"'
    assert text.startswith('<img src="data:image/png;base64,')


# Axes


@example([0.998046875], True)  # near 1, whose logarithm is 0
@example([1.0, 1.0001], False)  # marks that three digits do not tell apart
@example([1.0, 1.0001], True)
@given(st.lists(st.floats(1e-12, 1e12) | st.just(0.0), min_size=1, max_size=20), st.booleans())
def test_every_value_has_a_place_on_its_axis(values, is_log):
    found = axis(values, is_log)
    for value in values:
        assert -1e-9 <= found.place(value) <= 1 + 1e-9
    assert all(-1e-9 <= place <= 1 + 1e-9 for place, _ in found.marks)
    assert len({text for _, text in found.marks}) == len(found.marks) <= 20


@given(st.lists(st.floats(1e-12, 1e12), min_size=2, max_size=20, unique=True))
def test_places_keep_the_order(values):
    for is_log in (False, True):
        found = axis(values, is_log)
        places = [found.place(value) for value in sorted(values)]
        assert places == sorted(places)


def test_zero_lies_below_every_other_value_of_a_logarithmic_axis():
    found = axis([0.0, 1e-9, 1.0], is_log=True)
    assert found.place(0.0) == 0 < found.place(1e-9) < found.place(1.0) == 1
    assert found.marks[0] == (0.0, "0")
    assert axis([0.0, 0.0], is_log=True).place(0.0) == 0


@walked("values", [[], [np.nan], [np.inf, np.nan]])
def test_without_a_value_there_is_no_axis(values):
    assert axis(values) is None
    assert axis(values, is_log=True) is None


def test_whole_numbers_have_whole_marks():
    assert [text for _, text in axis([1.0, 2.0, 3.0], is_tight=True).marks] == ["1", "2", "3"]


def test_as_many_names_are_written_as_there_is_room_for():
    assert len(named([f"encoder.layers.{k}.linear" for k in range(50)]).marks) < 5
    assert len(named(list("abcdefgh")).marks) == 8


JUPYTER = """
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td, :not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon th,
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon tr { text-align: right; vertical-align: middle; }
.jp-RenderedHTMLCommon tbody tr:nth-child(even) { background: rgb(1, 2, 3); }
"""
"""How JupyterLab and what nbconvert writes show tables."""


@pytest.mark.slow  # starts a browser
def test_a_notebook_aligns_words_to_the_left_and_numbers_to_the_right(chromium):
    shown = fragment("en", table(("layer", "mean"), [("first", 0.5), ("second", 1.5)], "t"))
    page = chromium.new_page()
    page.set_content(f"<style>{JUPYTER}</style><div class='jp-RenderedHTMLCommon'>{shown}</div>")
    asked = "[...document.querySelectorAll('tr:last-child > *')].map(x => getComputedStyle(x).textAlign)"
    assert page.evaluate(asked)[-2:] == ["left", "right"]
    background = "getComputedStyle(document.querySelector('tbody tr:nth-child(2)')).backgroundColor"
    assert page.evaluate(background) == "rgba(0, 0, 0, 0)"
    page.close()
