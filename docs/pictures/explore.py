"""Make the pictures of docs/explore.md: python docs/pictures/explore.py, with Playwright and Chromium installed."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from chainrule.explore.server.http import Server
from chainrule.explore.server.hub import Hub

FOLDER = Path(__file__).parent


def main() -> None:
    """Walk through two networks of the gallery, and take a picture of each."""
    server = Server(Hub(lambda: None, "en"), with_gallery=True)
    server.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 760})
        page.goto(server.url())

        def press(*names: str) -> None:
            for name in names:
                page.get_by_role("button", name=name, exact=True).click()
            page.wait_for_function("() => window.explorer.line.then(() => window.explorer.line).then(() => true)")

        press("One neuron", *["Forward"] * 6, *["Backward"] * 4)
        page.locator(".bar").first.scroll_into_view_if_needed()
        page.locator(".work > .columns").first.screenshot(path=FOLDER / "explore_step.png")
        press("A deep sigmoid network")
        page.get_by_role("combobox", name="Compare with").select_option("ReLU")
        press("Train 100")
        page.wait_for_timeout(500)
        page.locator("[data-compared] .side").screenshot(path=FOLDER / "explore_compare.png")
        browser.close()
    server.close()


if __name__ == "__main__":
    main()
