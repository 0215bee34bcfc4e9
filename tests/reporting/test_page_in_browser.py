"""A run's page in headless Chromium, as people look at it: screen, dark, phone, paper."""

from __future__ import annotations

import os
import shutil

import pytest

from fastlstm.runs.page import stored_page
from fastlstm.runs.saved_run import SavedRun
from tests.conftest import ROOT

pytestmark = [pytest.mark.soak, pytest.mark.figures]
_DRAWN = """[...document.querySelectorAll('.chart:not([hidden]) canvas')].filter(c =>
  c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)).length"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        told = "Chromium is not installed; run 'apt-get install chromium'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light")])
def test_charts_search_and_width(browser, tmp_path, width, scheme):
    (folder,) = (ROOT / "tests/stored_runs/small").glob("*09-48")
    (tmp_path / "page.html").write_text(stored_page(SavedRun(folder)))
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, told, asked = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_timeout(300)
    assert page.evaluate(_DRAWN) == page.locator("canvas").count() >= 7
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#forecasts h3").inner_text().startswith("b: load")
    page.fill("#series-search", "A")
    assert page.locator("#forecasts h3").inner_text().startswith("a: load")
    page.fill("#series-search", "nowhere")
    assert "none on this page" in page.inner_text("#forecasts")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    page.emulate_media(media="print")
    assert not page.locator(".choose").first.is_visible()
    assert not told and all(url.startswith(("file:", "data:")) for url in asked)
    context.close()
