"""Whose threads are alive, in a process of its own: other tests' libraries may keep some."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

SCRIPT = """
import threading
from chainrule.base.threads import OwnThread, others_run

end = threading.Event()
print(others_run())
for kind in (OwnThread, threading.Thread):
    thread = kind(target=end.wait)
    thread.start()
    print(others_run())
end.set()
"""


def test_only_threads_that_are_not_ours_count():
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
