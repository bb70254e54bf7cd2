"""The built site in a browser, opened from the disk: search in both languages, no network, narrow screens, axe."""

import json
import re
import shutil

import pytest
from tests.explore.conftest import SETTLED

pytestmark = pytest.mark.slow

PAGES = (
    *("en/index.html", "ko/index.html", "ko/tables.html", "en/explain.html", "en/rules/network-softmax.html"),
    *("en/api/chainrule.compile.html", "ko/gallery/xor.html", "ko/attention.html"),
    "ko/course/07-flow.html",
)
"""One page of each kind, and of that kind a short one: axe takes time in proportion to the square of a page."""


@pytest.fixture(scope="module")
def version(site):
    """The folder of the one version that was built."""
    (name,) = json.loads((site / "versions.json").read_text(encoding="utf-8"))
    return site / name


@pytest.fixture
def tab(chromium):
    """A page; an error in it, or a request that leaves the disk, fails the test."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.on("request", lambda sent: sent.url.startswith(("file:", "data:")) or problems.append(sent.url))
    yield page
    context.close()
    assert not problems


def test_both_languages_have_the_same_pages(version):
    english, korean = (
        {path.relative_to(version / lang) for path in (version / lang).rglob("*.html")} for lang in ("en", "ko")
    )
    assert english == korean
    assert len(english) > 100


def test_links_inside_the_site_lead_to_files(version):
    for path in version.rglob("*.html"):
        if "_static" in path.parts:  # the theme's templates
            continue
        for link in re.findall(r'href="([^"#?]+)', path.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (path.parent / link).exists(), f"{path}: {link}"


def found(tab, version, lang, query):
    tab.goto((version / lang / "search.html").as_uri() + f"?q={query}")
    tab.wait_for_selector("#search-results .search-summary:not(:empty)")
    return {link.get_attribute("href").partition("#")[0] for link in tab.locator("#search-results li a").all()}


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("역전파", "backpropagation.html"),  # 역전파는, 역전파의
        ("전파", "backpropagation.html"),  # inside a compound
        ("기울기", "explain.html"),
        ("체크포인트", "training.html"),
        ("값", "tensors.html"),  # one syllable
        ("softmax를", "rules/network-softmax.html"),  # a particle typed after a word in Latin letters
        ("여접벡터 테이프", "tensors.html"),
    ],
)
def test_a_korean_word_is_found_in_compounds_and_before_particles(tab, version, query, page):
    assert page in found(tab, version, "ko", query)


def test_what_is_nowhere_is_not_found(tab, version):
    assert found(tab, version, "ko", "냉장고") == set()


def test_an_english_word_is_found(tab, version):
    assert {"check.html", "api/chainrule.html"} <= found(tab, version, "en", "gradients")


def test_what_was_typed_is_marked_on_the_page(tab, version):
    found(tab, version, "ko", "역전파")
    tab.locator("#search-results li a[href^='backpropagation.html']").first.click()
    tab.wait_for_selector("span.highlighted")
    assert set(tab.locator("span.highlighted").all_inner_texts()) == {"역전파"}


def test_the_language_is_switched_on_the_same_page(tab, version):
    tab.goto((version / "en" / "training.html").as_uri())
    tab.locator(".site-language a[hreflang='ko']").first.click()
    tab.wait_for_url("**/ko/training.html")
    assert tab.locator("h1").inner_text().startswith("학습")


def test_a_version_is_chosen(chromium, version, tmp_path):
    here, other = tmp_path / version.name / "en", tmp_path / "9.9" / "en"
    shutil.copytree(version / "en" / "_static", here / "_static")
    shutil.copyfile(version / "en" / "training.html", here / "training.html")
    versions = f'window.siteVersions = ["9.9", "{version.name}"];\n'
    (here / "_static" / "versions.js").write_text(versions, encoding="utf-8")
    other.mkdir(parents=True)
    (other / "index.html").write_text("<title>9.9</title>", encoding="utf-8")
    page = chromium.new_page()
    page.goto((here / "training.html").as_uri())
    page.locator(".site-version").first.select_option("9.9")
    page.wait_for_url("**/9.9/en/index.html")
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light")])
def test_pages_are_accessible_and_fit(chromium, version, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    problems = []
    for name in PAGES:
        page.goto((version / name).as_uri())
        page.wait_for_load_state("load")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            problems.append((name, "wider than the screen"))
        problems += [(name, v["id"], v["nodes"][0]["html"][:200]) for v in axe.run(page).response["violations"]]
    context.close()
    assert not problems


def test_a_printed_page_has_no_navigation(tab, version):
    tab.goto((version / "en" / "explain.html").as_uri())
    tab.emulate_media(media="print")
    assert not tab.locator(".bd-header").first.is_visible()
    assert tab.locator("h1").first.is_visible()


# The explorer in the chapters of the course


def recordings(version):
    """Each chapter with a recording: the chapter, the recording, the title of its frame."""
    for chapter in sorted(version.glob("*/course/*.html")):
        for src, title in re.findall(
            r'<iframe class="site-explorer" src="([^"]+)" title="([^"]+)"', chapter.read_text(encoding="utf-8")
        ):
            yield chapter, chapter.parent / src, title


def test_every_chapter_shows_the_recording_of_its_network(version):
    found = [*recordings(version)]
    assert len({chapter for chapter, _, _ in found}) == len(found) == 20
    assert {page for _, page, _ in found} == {*version.glob("*/course/explorer/*.html")}
    for chapter, page, title in found:
        text = chapter.read_text(encoding="utf-8")
        assert len(re.findall(rf'href="explorer/{page.name}"', text)) == 2, chapter
        assert re.search(rf"<h1>{re.escape(title.rpartition(': ')[0])}", text), title
        assert page.stat().st_size < 1.5e6, page


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light")])
def test_the_recording_in_a_chapter_can_be_stepped_through(chromium, version, width, scheme):
    # an emulated scheme would reach into the frame; without one, a frame follows the page that it is in
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme="null")
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.add_init_script(f"localStorage.mode = localStorage.theme = '{scheme}'")  # the switch of the site
    page.goto((version / "ko" / "course" / "02-one-neuron.html").as_uri())
    frame = page.locator("iframe.site-explorer")
    frame.scroll_into_view_if_needed()
    inside = page.frame_locator("iframe.site-explorer")
    inside.locator("[data-node]").first.wait_for()
    assert "0.5" in inside.locator("main").inner_text()  # w of the chapter, not the trained one
    before = inside.locator("main").inner_text()
    inside.get_by_role("button", name="순전파", exact=True).click()
    inside.locator("main").evaluate(SETTLED.replace("%s", "window.explorer"))
    assert inside.locator("main").inner_text() != before
    assert frame.bounding_box()["height"] == 560
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    red = int(re.search(r"\d+", inside.locator("body").evaluate("e => getComputedStyle(e).backgroundColor"))[0])
    assert (red < 128) == (scheme == "dark")
    context.close()
    assert not problems
