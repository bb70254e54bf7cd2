"""The explorer in JupyterLab: a cell that ends in it shows the widget, and its buttons work."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

SOURCE = Path(__file__).parents[2] / "src"
CELL = """import numpy as np, chainrule as cr
def loss(w, x, t):
    z = w * x
    a = np.tanh(z)
    return (a - t) ** 2
cr.explore(loss, 0.5, 2.0, 1.0)"""


def loss(w, x, t):
    return (np.tanh(w * x) - t) ** 2


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """JupyterLab on a free port, with one notebook; the address of the notebook."""
    pytest.importorskip("jupyterlab", reason="a notebook in a browser: pip install jupyterlab")
    pytest.importorskip("anywidget", reason="the widget: pip install anywidget")
    cells = [{"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": CELL}]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "demo.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    settings = [
        "--allow-root",
        "--no-browser",
        f"--port={port}",
        "--ServerApp.token=t",
        f"--ServerApp.root_dir={tmp_path}",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *settings],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **folders},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"{address}/api?token=t", timeout=5):
                break
            time.sleep(0.2)
        yield f"{address}/lab/tree/demo.ipynb?token=t"
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
def test_a_cell_shows_the_explorer_and_its_buttons_work(lab, chromium):
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(lab)
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-node]")
    for done in range(1, 4):
        page.get_by_role("button", name="Forward", exact=True).click()
        page.wait_for_function(f"document.querySelectorAll('[data-state=forward]').length >= {3 + done}")
    page.get_by_role("button", name="End", exact=True).click()
    page.wait_for_selector("[data-loss]")
    assert float(page.locator("[data-loss]").first.get_attribute("data-loss")) == loss(0.5, 2.0, 1.0)
    page.get_by_role("button", name="w", exact=True).click()
    step = page.get_by_role("region", name="Step", exact=True)
    expected = float(cr.grad(loss)(0.5, 2.0, 1.0))
    # The region shows the last box until the page has the answer to the click.
    page.wait_for_function(
        """expected => {
            const found = document.querySelector('[aria-label=Step] [data-gradient]')?.dataset.gradient;
            return Math.abs(found - expected) < 1e-12;
        }""",
        arg=expected,
    )
    # Jupyter's own style must not break the names in this list.
    heights = step.locator("dt").evaluate_all("names => names.map(name => name.getBoundingClientRect().height)")
    assert heights
    assert max(heights) < 40
    page.close()
