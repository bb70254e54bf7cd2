"""Builds the site: `.ci/site [FOLDER]`, by default into build/site, where index.html is its first page.

The pages of one version are in FOLDER/VERSION/en and FOLDER/VERSION/ko, with the same names in both. The site works
from the disk: nothing is loaded from elsewhere, and the search needs no server. `versions.json` in FOLDER lists the
versions that are there; `versions.js` in each language's `_static` is the same for pages that are opened from the disk.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

try:
    import myst_parser  # noqa: F401 - for the message below
    import pydata_sphinx_theme  # noqa: F401
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
except ModuleNotFoundError as missing:
    raise SystemExit(f"the site needs {missing.name}: python -m pip install '.[app,docs]'") from None

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "src")]

import gallery  # noqa: E402
from stage import stage  # noqa: E402

from chainrule import __version__  # noqa: E402

LANGUAGES = ("en", "ko")
START = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>chainrule</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="0; url={version}/en/index.html">
</head>
<body><main>
<p><a href="{version}/en/index.html">English</a> · <a href="{version}/ko/index.html" lang="ko">한국어</a></p>
</main></body>
</html>
"""


def version_of(release: str) -> str:
    """Return the folder of a release: those that differ in the last number share one.

    >>> version_of("0.1.3")
    '0.1'
    """
    return ".".join(release.split(".")[:2])


def build(out: Path, work: Path) -> None:
    """Build both languages at the same time."""
    version = version_of(__version__)
    began = time.perf_counter()
    examples = gallery.run_all()
    _say("gallery", began)
    locale = _compiled_locale(work / "locale")
    for lang in LANGUAGES:
        stage(work / lang, lang, examples)
    _say("sources", began)
    _versions(out, version)
    shutil.rmtree(out / version, ignore_errors=True)
    drawn = _explorers(work / "explorer")
    running = [_sphinx(work / lang, out / version / lang, lang, version, locale) for lang in LANGUAGES]
    codes = [process.wait() for process in (drawn, *running)]
    if any(codes):
        raise SystemExit("the site has errors: see above")
    for lang in LANGUAGES:
        _take_explorers(work / "explorer", out / version / lang / "course" / "explorer", lang)
        (out / version / lang / "_static" / "versions.js").write_text(
            f"window.siteVersions = {(out / 'versions.json').read_text(encoding='utf-8')};\n", encoding="utf-8"
        )
    (out / "index.html").write_text(START.format(version=version), encoding="utf-8")
    (out / ".nojekyll").touch()
    _say("pages", began)


def _say(what: str, began: float) -> None:
    print(f"site: {what} after {time.perf_counter() - began:.0f} s", flush=True)


def _versions(out: Path, version: str) -> None:
    """List the versions in the folder, the newest first."""
    out.mkdir(parents=True, exist_ok=True)
    there = {path.parent.name for path in out.glob("*/en")} | {version}
    ordered = sorted(there, key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    (out / "versions.json").write_text(json.dumps(ordered), encoding="utf-8")


def _compiled_locale(folder: Path) -> Path:
    """Compile the Korean words of the theme."""
    source = HERE / "locale" / "ko.po"
    target = folder / "ko" / "LC_MESSAGES" / "sphinx.mo"
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8") as po, target.open("wb") as mo:
        write_mo(mo, read_po(po, locale="ko"))
    return folder


def _explorers(folder: Path) -> subprocess.Popen[bytes]:
    """Begin to write the recordings of the course's networks: NAME.LANGUAGE.html."""
    shutil.rmtree(folder, ignore_errors=True)
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, ROOT / "docs" / "course" / "explorer_pages.py", folder]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})


def _take_explorers(source: Path, target: Path, lang: str) -> None:
    """Copy the recordings in a language; the name of a page is the same in both."""
    target.mkdir(parents=True, exist_ok=True)
    for page in source.glob(f"*.{lang}.html"):
        shutil.copyfile(page, target / page.name.replace(f".{lang}.", "."))


def _sphinx(source: Path, target: Path, lang: str, version: str, locale: Path) -> subprocess.Popen[bytes]:
    more = {
        "SITE_LANGUAGE": lang,
        "SITE_VERSION": version,
        "SITE_LOCALE": str(locale),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-E"]
    return subprocess.Popen(
        [*command, "-c", HERE, "-d", source.with_name(f"{lang}-doctrees"), source, target],
        env={**os.environ, **more},
    )


def main() -> None:
    """Build into the folder of the command line."""
    parser = argparse.ArgumentParser(prog=".ci/site", description=str(__doc__).partition("\n\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    out = parser.parse_args().folder.resolve()
    build(out, ROOT / "build" / "site-sources")
    print(f"site: {out / 'index.html'}")


if __name__ == "__main__":
    main()
