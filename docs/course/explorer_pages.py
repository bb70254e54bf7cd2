"""Write each chapter's network as a page of the explorer: python docs/course/explorer_pages.py FOLDER

For the site: FOLDER gets NAME.en.html and NAME.ko.html for every docs/course/nets/NAME.py. They need no server, and
open with the numbers of the chapter, before any training.
"""

import importlib
import sys
from pathlib import Path

from chainrule.explore.export import MOST_FRAMES, recorded

FOLDER = Path(__file__).parent
TRAINED = {"neuron": 20, "flow": 40, "xor": 60, "everyday": 60}
"""How many training steps a page records; the others have nothing to train."""
KEPT = {"flow": 3, "xor": 31, "everyday": 31}
"""How many moments of the training can be looked at: the numbers of one take up to 200 kB to download."""

sys.path.insert(0, str(FOLDER))


def write(folder: Path) -> list[Path]:
    """Write the pages, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted((FOLDER / "nets").glob("[a-z]*.py")):
        net = importlib.import_module(f"nets.{path.stem}")
        for lang in ("en", "ko"):
            session = net.explore(lang=lang).session
            if path.stem in TRAINED:
                session.train(TRAINED[path.stem])
                session.time(0)
            written.append(folder / f"{path.stem}.{lang}.html")
            page = recorded(session, lang, KEPT.get(path.stem, MOST_FRAMES))
            written[-1].write_text(page, encoding="utf-8")
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/course/explorer_pages.py FOLDER")
    print(f"{len(write(Path(sys.argv[1])))} pages written")
