"""Whose threads are alive, in a process of its own: other tests' libraries may keep some."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


NOTEBOOK = """
from chainrule.base.threads import others_run
import threading
print(len(threading.enumerate()) > 3, others_run())
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
print(others_run())
end.set()
"""


@pytest.mark.slow
def test_the_threads_of_a_notebook_do_not_count(monkeypatch):
    manager = pytest.importorskip("jupyter_client.manager", reason="a kernel: pip install '.[notebook]'")
    pytest.importorskip("ipykernel", reason="a kernel: pip install '.[notebook]'")
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    kernel, client = manager.start_new_kernel()
    try:
        printed = []
        client.execute_interactive(
            NOTEBOOK, output_hook=lambda message: printed.append(message["content"].get("text", "")), timeout=60
        )
        assert "".join(printed).split() == ["True", "False", "True"]
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
