"""Write each chapter's network as a page of the explorer: python docs/course/explorer_pages.py FOLDER

For the site: FOLDER gets NAME.en.html and NAME.ko.html for every docs/course/nets/NAME.py. They need no server.
"""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TRAINED = {"neuron": 20, "flow": 40, "xor": 60, "everyday": 60}
"""How many training steps a page records; the others have nothing to train."""

sys.path.insert(0, str(FOLDER))


def write(folder: Path) -> list[Path]:
    """Write the pages, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted((FOLDER / "nets").glob("[a-z]*.py")):
        net = importlib.import_module(f"nets.{path.stem}")
        for lang in ("en", "ko"):
            explorer = net.explore(lang=lang)
            if path.stem in TRAINED:
                explorer.session.train(TRAINED[path.stem])
            written.append(folder / f"{path.stem}.{lang}.html")
            explorer.to_html(written[-1])
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/course/explorer_pages.py FOLDER")
    print(f"{len(write(Path(sys.argv[1])))} pages written")
