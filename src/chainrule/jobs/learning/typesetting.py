"""A LaTeX document as PDF; for what is missing on this machine, an error that names it."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ENGINES = {"en": ("pdflatex", "xelatex", "lualatex"), "ko": ("xelatex", "lualatex")}
"""The programs that can typeset a language, the best first."""
SECONDS = 120
_NO_HANGUL = re.compile(r"Missing character: There is no ([가-힣])", re.DOTALL)
_NO_FILE = re.compile(r"File `([^']+)' not found")
INSTEAD = "or use --format html, which a browser prints"


def typeset(latex: str, lang: str) -> bytes:
    """Return a document as PDF. Raises ValueError, which names the program, package or font that is missing."""
    program = next((found for name in ENGINES[lang] if (found := shutil.which(name))), None)
    if program is None:
        raise ValueError(f"--format pdf needs {' or '.join(ENGINES[lang])}: install {_packages(lang)}, {INSTEAD}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sheet.tex").write_text(latex, encoding="utf-8")
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "sheet.tex"]
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS
        )
        made, log = Path(folder, "sheet.pdf"), _log(Path(folder), done.stdout)
        if (missing := _NO_FILE.search(log)) is not None:
            raise ValueError(
                f"--format pdf: {Path(program).name} has no {missing[1]}: install {_packages(lang)}, {INSTEAD}"
            )
        if done.returncode or not made.is_file():
            last = log.strip().splitlines()[-8:]
            raise ValueError("--format pdf: LaTeX stopped:\n" + "\n".join(last))
        if (lost := _NO_HANGUL.search(log)) is not None:
            # LaTeX counts this as success, and leaves every such letter out.
            raise ValueError(
                f"--format pdf: no Korean font has {lost[1]}: install one (Debian: fonts-nanum), {INSTEAD}"
            )
        return made.read_bytes()


def _packages(lang: str) -> str:
    korean = lang == "ko"
    return "TeX Live with XeLaTeX and kotex (Debian: texlive-xetex, texlive-lang-korean)" if korean else "TeX Live"


def _log(folder: Path, printed: bytes) -> str:
    """Return LaTeX's log, whose lines it breaks after 79 bytes, or what it printed if there is none."""
    log = folder / "sheet.log"
    return (log.read_bytes() if log.is_file() else printed).decode("utf-8", "replace")
