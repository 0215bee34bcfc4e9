"""Prefect's pages in headless Chromium, as a person on call uses them: form, run, progress, report.

With ``FASTLSTM_SCREENSHOTS=FOLDER`` the screenshots are kept there.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        told = "Chromium is not installed; run 'apt-get install chromium'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def page(browser, company):
    """A page that takes addresses below the company's."""
    opened = browser.new_page(base_url=company.ui, viewport={"width": 1300, "height": 1000})
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


def shoot(page, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("FASTLSTM_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 20_000


def test_form_run_and_report(page, company, tmp_path):
    """One walk, because each page leads to the next."""
    nightly = company.deployment("retrain/retrain-nightly")["id"]
    page.goto(f"/deployments/deployment/{nightly}/run")
    page.get_by_text("Parameters", exact=True).wait_for()
    page.get_by_text("Maximum number of epochs.").wait_for()
    form = page.inner_text("body")
    for words in (
        "Look-back: past rows in the input of a window.",  # a description
        "Rebuild every step without using the cache, and train even if nothing changed.",
        "Why this run was started; shown in its report.",
        "Server-side encryption of uploaded files",
        "reduce_on_plateau",  # a choice, and a default
        "StandardScaler",
        "Model Name (Optional)",
    ):
        assert words in form, words
    assert "undefined" not in form and "[object Object]" not in form
    shoot(page, "form", tmp_path)

    # Fields, not JSON: one is changed as a person does.
    seed = page.locator("input[type=number]").nth(_seed_field(page))
    seed.fill("11")
    before = {run["id"] for run in company.runs_of("retrain/retrain-nightly")}
    page.get_by_role("button", name="Submit").click()

    def submitted():
        return [r for r in company.runs_of("retrain/retrain-nightly") if r["id"] not in before]

    (run,) = company.appears(submitted)
    assert run["parameters"]["config"]["hyperparameters"]["seed"] == 11

    company.shows(run["id"], lambda: company.artifact("small-training"))  # it trains
    _open_artifacts(page, run["id"])
    page.get_by_text("val_loss").first.wait_for()
    ended = company.ended(run["id"])
    message = ended["state"]["message"]
    assert ended["state"]["type"] == "COMPLETED", company.logs(run["id"])
    page.get_by_text("Completed", exact=True).first.wait_for()
    assert "retrain · small · 20" in page.inner_text("body")
    shoot(page, "run", tmp_path)

    report = company.artifact("small-report")
    page.set_viewport_size({"width": 1300, "height": 2400})
    page.goto(f"/artifacts/artifact/{report['latest_id']}")
    # The page sets typographic apostrophes.
    page.get_by_role("heading", name=message.split("'")[0]).wait_for()
    page.get_by_role("heading", name="Test metrics", exact=True).wait_for()
    pictures = page.evaluate(
        "[...document.images].map(i => [i.src.slice(0, 21), i.naturalWidth, i.clientWidth])"
    )
    shown = [p for p in pictures if p[0] == "data:image/png;base64"]
    assert len(shown) >= 3 and all(natural > 300 and seen > 300 for _, natural, seen in shown)
    links = page.evaluate("[...document.links].map(a => a.href)")
    assert any(link.startswith(f"{company.s3.endpoint_url}/models/production/") for link in links)
    shoot(page, "report", tmp_path)

    page.goto("/artifacts/key/small-report")  # the history over the nights
    page.get_by_text("Created small-report").first.wait_for()


def _open_artifacts(page, run_id) -> None:
    """Open the list of a run's artifacts, which the page reads once, until the training's is in it."""
    from playwright.sync_api import TimeoutError as NotShown

    for _ in range(6):
        page.goto(f"/runs/flow-run/{run_id}")
        try:
            page.get_by_text("Artifacts", exact=True).click()
            page.get_by_text("small-training").first.wait_for(timeout=10_000)
        except NotShown:
            continue
        return
    raise AssertionError("the run's page lists no artifact of its training")


def _seed_field(page) -> int:
    """Number of the field that holds the seed, found by its description."""
    found = page.evaluate(
        """() => {
          const fields = [...document.querySelectorAll('input[type=number]')];
          const words = 'Random seed of weights, dropout and shuffling.';
          return fields.findIndex(f => {
            let up = f;
            for (let i = 0; i < 6 && up; i++, up = up.parentElement)
              if (up.innerText && up.innerText.includes(words))
                return up.querySelectorAll('input[type=number]').length === 1;
            return false;
          });
        }"""
    )
    assert found >= 0
    return found
