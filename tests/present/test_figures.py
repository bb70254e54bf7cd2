"""Charts and heat maps: what is drawn, what is said of it, and that its letters can be read everywhere."""

import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
from tests.named import walked

from chainrule.present.chart import histograms, line_chart, scatter
from chainrule.present.heat_map import heat_map, shade
from chainrule.present.html import tag
from chainrule.present.mathematics import formula
from chainrule.present.page import fragment, page, style
from chainrule.present.table import table

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def runs(drawn):
    return [
        [tuple(map(float, p.split(","))) for p in points.split()] for points in re.findall(r'points="(.*?)"', drawn)
    ]


def test_a_line_has_gaps_where_it_has_no_value():
    drawn = line_chart("t", [1, 2, 3, 4, 5], [("a", [1.0, 2.0, math.nan, 3.0, math.inf])], "en")
    assert [len(run) for run in runs(drawn)] == [2, 1]
    assert drawn.count("<circle") == 3
    assert drawn.count("<tr>") == 6


def test_zeros_stand_on_the_floor_of_a_logarithmic_chart():
    drawn = line_chart(
        "t", list(range(100)), [("a", [0.0 if k == 7 else 1e-6 * k + 1e-9 for k in range(100)])], "en", log_y=True
    )
    assert re.findall(r'<circle [^>]*cy="([\d.]+)%"[^>]*class="zero"', drawn) == ["100"]
    assert drawn.count("<circle") == 1
    assert re.search(r'y="100%"[^>]*>0</text>', drawn)


def test_a_chart_of_nothing_is_no_picture():
    assert line_chart("t", [], [("a", [])], "en") == ""
    assert line_chart("t", [1.0], [("a", [math.nan])], "en") == ""
    assert scatter("t", [], "en", x_label="x", y_label="y", diagonal=True, numbers=tag("p")) == ""
    assert heat_map("t", [[math.nan, 0.0]], ["a"], ["1", "2"], "en") == ""
    assert histograms("t", [], "en", ["a"]) == ""


def test_every_picture_has_a_title_a_description_and_its_table():
    numbers = table(["x"], [[1]], "numbers")
    pictures = [
        line_chart("a < b", ["p", "q"], [("a", [1.0, 2.0]), ("b", [2.0, 3.0])], "ko", level=("limit", 1.5)),
        scatter("a < b", [(1.0, 2.0)], "ko", x_label="x", y_label="y", diagonal=False, numbers=numbers),
        heat_map("a < b", [[1.0, 2.0]], ["r"], ["c", "d"], "ko"),
    ]
    for drawn in pictures:
        assert drawn.count('role="img"') == 1
        assert re.search(r'role="img"[^>]*><title>a &lt; b</title><desc>[^<]+</desc>', drawn)
        assert re.search(r"<details><summary>수치 보기</summary><div class=\"scroll\"", drawn)
    bars = histograms("bars", [("one", ([1, 2], 0.0, 1.0)), ("two", ([0, 0], 0.0, 1.0))], "en", ["n", "l", "h", "c"])
    assert bars.count('role="img"') == 2
    assert bars.count("<details>") == 1


def test_a_long_table_shows_rows_at_equal_distances():
    drawn = line_chart("t", list(range(1000)), [("a", list(map(float, range(1000))))], "en")
    assert drawn.count("<tr>") <= 61
    assert "at equal distances" in drawn


@walked("shape", [(1, 1), (3, 5), (200, 2), (2, 200)])
def test_a_heat_map_has_a_cell_for_each_value(shape):
    values = 10.0 ** np.random.default_rng(0).uniform(-6, 0, shape)
    rows, columns = ([f"{c}{k}" for k in range(n)] for c, n in zip("rc", shape, strict=True))
    drawn = heat_map("t", values.tolist(), rows, columns, "en")
    assert drawn.count('class="cell h') == values.size
    assert f"<title>r0, c0: {values[0, 0]:.3g}" in drawn


def test_zero_and_no_value_look_each_their_own_way():
    drawn = heat_map("t", [[0.0, math.nan, 1e-3, 1.0, math.inf]], ["r"], list("abcde"), "en")
    assert re.findall(r'class="cell (\w+)"', drawn) == ["none", "gap", "h0", "h8", "gap"]
    assert "no value" in drawn
    clipped = heat_map("t", [[0.0, 1e-3, math.inf]], ["r"], list("abc"), "en", ends=(1e-8, 1.0))
    assert re.findall(r'class="cell (\w+)"', clipped) == ["h0", "h5", "h8"]
    assert "≤ 1e-8" in clipped


def test_shades_rise_with_the_value():
    found = [shade(10.0**k, 1e-8, 1.0) for k in np.linspace(-9, 1, 40)]
    assert found == sorted(found)
    assert {*found} == {*range(9)}


def test_counts_are_written_into_their_cells():
    drawn = heat_map("t", [[9, 0], [1, 3]], ["a", "b"], ["a", "b"], "en", counts=True)
    assert re.findall(r'class="(?:weak|middle|strong)">(\d)</text>', drawn) == ["9", "1", "3"]
    many = heat_map("t", np.eye(50).tolist(), list(map(str, range(50))), list(map(str, range(50))), "en", counts=True)
    assert "<text" in many
    assert 'class="strong"' not in many


def test_a_formula_without_the_converter_is_a_line_of_text(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "latex2mathml.converter", None)
    assert formula.__wrapped__(r"W^{(1)\top} < 1") == "<code>W⁽¹⁾ᵀ &lt; 1</code>"


# The style sheet


def luminance(colour):
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def colour(name, dark):
    found = re.search(rf"(?:--{name}:|\.{name} \{{ fill:) (?:light-dark\((#\w+), (#\w+)\)|(#\w+))", style())
    return found[3] or found[1 + dark]


@pytest.mark.parametrize(("dark", "paper"), [(False, "#ffffff"), (True, "#14171d")])
def test_colours_stand_out(dark, paper):
    """WCAG 2.2, success criteria 1.4.3 (text, 4.5 to 1) and 1.4.11 (lines, 3 to 1)."""
    for name in ("good", "bad", "accent"):
        assert contrast(colour(name, dark), paper) >= 4.5
    for k in range(4):
        assert contrast(colour(f"c{k}", dark), paper) >= 3
    texts = {"weak": ("#10141a", "#ffffff"), "middle": ("#10141a", "#10141a"), "strong": ("#ffffff", "#10141a")}
    for k in range(9):
        look = "weak" if k < 3 else "middle" if k < 6 else "strong"
        assert contrast(colour(f"h{k}", dark), texts[look][dark]) >= 4.5
    shades = [luminance(colour(f"h{k}", dark)) for k in range(9)]
    assert shades == sorted(shades, reverse=not dark)


def test_the_style_touches_nothing_outside():
    css = re.sub(r"/\*.*?\*/", "", style(), flags=re.DOTALL).strip()
    assert css.startswith(".chainrule {")
    depth = 0
    for k, mark in enumerate(css):
        depth += (mark == "{") - (mark == "}")
        assert depth > 0 or k in (len(css) - 1, *range(len(".chainrule {")))


HOSTS = {
    "lab-light": ('data-jp-theme-light="true"', "light"),
    "lab-dark": ('data-jp-theme-light="false"', "dark"),
    "code-light": ('class="vscode-light"', "light"),
    "code-dark": ('class="vscode-dark"', "dark"),
    "other": ("", "normal"),
}
SCRIPT = """<script>document.title = JSON.stringify(Object.fromEntries([...document.querySelectorAll("[id]")].map(e => {
  const own = e.querySelector(".chainrule"), text = own.querySelector("svg.chart text"), box = own.querySelector("svg");
  return [e.id, [getComputedStyle(own).colorScheme, getComputedStyle(own.querySelector("p")).color,
    getComputedStyle(text).fontSize, box.getBoundingClientRect().right <= e.getBoundingClientRect().right]];
})))</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_piece_follows_its_notebook_and_its_letters_keep_their_size(tmp_path):
    lines = [("a", [1e-9, 1.0, 0.0])]
    piece = fragment("en", tag("p", "text"), line_chart("t", [1, 2, 3], lines, "en", x_label="x", log_y=True))
    body = "".join(
        f'<div {said} style="color:rgb(1, 2, 3);width:360px"><div id="{name}">{piece}</div></div>'
        for name, (said, _) in HOSTS.items()
    )
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{body}{SCRIPT}</body>", encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [CHROMIUM, *flags, "--dump-dom", path.as_uri()],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(re.search(r"<title>(\{.*?\})</title>", done.stdout)[1])
    assert found == {name: [scheme, "rgb(1, 2, 3)", "12px", True] for name, (_, scheme) in HOSTS.items()}


def test_a_page_follows_the_reader():
    text = page("t", "ko", tag("h1", "t"))
    assert "html { color-scheme: light dark; }" in text
    assert '<html lang="ko">' in text
    assert "script" not in text
