"""What Sphinx is told about the site; build.py sets the language and the folders."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from korean_search import SearchKorean  # noqa: E402

from chainrule import __version__  # noqa: E402

project = "chainrule"
author = "The chainrule authors"
project_copyright = "The chainrule authors"
release = __version__
version = os.environ.get("SITE_VERSION", "dev")
language = os.environ.get("SITE_LANGUAGE", "en")

extensions = ["myst_parser", "mathml", "together"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
nitpicky = False
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
highlight_language = "python"
suppress_warnings = ["misc.highlighting_failure"]  # output of programs in blocks of code is not Python

html_theme = "pydata_sphinx_theme"
html_title = "chainrule"
html_static_path = [str(HERE / "static")]
templates_path = [str(HERE / "templates")]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"defer": "defer"}), ("site.js", {"defer": "defer"})]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"index": []}
html_theme_options = {
    "logo": {"text": "chainrule"},
    "navbar_end": ["version-and-language", "theme-switcher"],
    "navbar_persistent": ["search-button"],
    "primary_sidebar_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "collapse_navigation": True,
    "navigation_depth": 3,
    "header_links_before_dropdown": 8,
    "show_toc_level": 1,
    "navigation_with_keys": False,
    "search_bar_text": "역전파, 기울기, softmax…" if language == "ko" else "Search",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {
    "default_mode": "auto",
    "version_name": version,
    "languages": {"en": "English", "ko": "한국어"},
    "labels": {
        "language": {"en": "Language", "ko": "언어"}[language],
        "version": {"en": "Version", "ko": "버전"}[language],
    },
}


def setup(app):
    """Teach Sphinx to search Korean, and the theme to speak it."""
    app.add_search_language(SearchKorean)
    if locale := os.environ.get("SITE_LOCALE"):
        app.add_message_catalog("sphinx", locale)
