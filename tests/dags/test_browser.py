"""What an operator does in Airflow's UI about a failed partition: a real Airflow, its scheduler, a browser.

A picture of each step stays in pytest's temporary folder; `docs/images/rerun.png` is ``3-clear.png``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect, sync_playwright

from demo.airflow_server import PASSWORD, USER, AirflowServer
from demo.seaweed import Seaweed
from tests.dags.live_airflow import ended, eventually, log, make_lake, runs, started_airflow, switch_on
from tests.integration.deployments import dns_body, dns_key, partition_key
from tests.pipelines import run_hour
from vpclogs.config.settings import load_settings
from vpclogs.pipeline import Pipeline
from vpclogs.warehouse.tables import Warehouse

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: install chromium or google-chrome and put it on the PATH"),
]

BUCKET = "browsed"
GOOD, POOR = "111111111111", "222222222222"
"""The accounts; the objects of the second one cannot be read."""

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
KEY = partition_key(POOR, YESTERDAY)
OLD, NEW = {1000}, {*range(2000, 2020), *range(3000, 3020)}
"""The source ports of each account's records, before and during the outage."""

PATIENCE_MS = 120_000
RUN_MS = 600_000


@pytest.fixture(scope="module")
def lake(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both accounts were loaded once; then more came, and the second account's policy forbids to read it."""
    folder = tmp_path_factory.mktemp("lake")
    make_lake(seaweed, folder, BUCKET)
    deliver(seaweed, "0005", min(OLD), len(OLD))
    settings = load_settings(folder / "vpclogs.yaml", {})
    run_hour(Pipeline(settings, client_for=lambda source: seaweed.client()), "before the outage")
    seaweed.deny(BUCKET, f"AWSLogs/{POOR}/", listing=False)
    deliver(seaweed, "0010", 2000, 20)
    deliver(seaweed, "0015", 3000, 20)
    return folder


@pytest.fixture(scope="module")
def airflow(seaweed: Seaweed, lake: Path) -> Iterator[AirflowServer]:
    with started_airflow(seaweed, lake) as server:
        switch_on(server)
        yield server


@pytest.fixture
def operator(airflow: AirflowServer, tmp_path: Path) -> Iterator[Operator]:
    """Somebody who has logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(
            base_url=airflow.url, viewport={"width": 1280, "height": 800}, locale="en-US", timezone_id="UTC"
        )
        page.set_default_timeout(PATIENCE_MS)
        operator = Operator(page, tmp_path)
        try:
            operator.log_in()
            yield operator
        finally:
            operator.picture("last")
            browser.close()


@dataclass
class Operator:
    """The pages, buttons and fields of Airflow that our runbook names, by what is written on them."""

    page: Page
    pictures: Path

    def log_in(self) -> None:
        self.page.goto("/")
        self.page.get_by_label("Username").fill(USER)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name="Dags", exact=True).wait_for()

    def find_runs(self, dag: str, key: str) -> None:
        """The tab *Runs* of a DAG, with the runs of one partition only."""
        self.page.goto(f"/dags/{dag}/runs")
        self.page.get_by_role("button", name="Filter", exact=True).last.click()
        self.page.get_by_role("menuitem", name="Partition Key").click()
        self.page.get_by_text("Partition Key:").locator("..").get_by_role("textbox").fill(key)
        self.page.keyboard.press("Enter")

    def open_run(self, run_id: str) -> None:
        self.page.get_by_role("link", name=run_id).click()
        self.page.get_by_role("heading", name=run_id).wait_for()

    def clear_run(self) -> None:
        """Clear the run that is open, all its tasks, as the dialog proposes."""
        self.page.get_by_role("button", name="Press shift+c to clear").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Affected Tasks: 6")).to_be_visible(timeout=PATIENCE_MS)
        self.picture("3-clear")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog).to_be_hidden(timeout=PATIENCE_MS)

    def trigger(self, dag: str, key: str) -> None:
        self.page.goto(f"/dags/{dag}")
        self.page.get_by_role("button", name="Trigger Dag").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Advanced Options").click()
        dialog.get_by_label("Partition Key").fill(key)
        self.picture("trigger")
        dialog.get_by_role("button", name="Trigger", exact=True).click()
        expect(dialog).to_be_hidden(timeout=PATIENCE_MS)

    def reload_from(self, page: FrameLocator) -> None:
        """Reload the partition whose page is open, and confirm."""
        page.get_by_role("link", name="Reload…").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Reload")
        self.picture("page-confirm")
        page.get_by_role("button", name="Reload").click()

    def sees(self, task: str, state: str, timeout: float = PATIENCE_MS) -> None:
        """Wait until the page of a run shows this state of a task; it refreshes itself."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=task, exact=True))
        expect(row.get_by_role("cell", name=state)).to_be_visible(timeout=timeout)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self.pictures / f"{name}.png", animations="disabled")


def deliver(seaweed: Seaweed, name: str, port: int, count: int) -> None:
    """One object for each account, its records told apart by their source ports."""
    for account in (GOOD, POOR):
        body = dns_body(count, account=account, day=YESTERDAY, port=port)
        seaweed.client().put_object(Bucket=BUCKET, Key=dns_key(name, account=account, day=YESTERDAY), Body=body)


def records(lake: Path) -> list[tuple[str, int]]:
    """Account and source port of every row that a reader sees, sorted."""
    settings = load_settings(lake / "vpclogs.yaml", {})
    table = Warehouse(settings.catalog, namespace=settings.namespace).table("vpc_dns")
    found = table.scan(selected_fields=("p_account", "srcport")).to_arrow().to_pylist()
    return sorted((row["p_account"], int(row["srcport"])) for row in found)


def once(good: set[int], poor: set[int]) -> list[tuple[str, int]]:
    """`records`, if each of these ports has one row."""
    return sorted([(GOOD, port) for port in good] + [(POOR, port) for port in poor])


def runs_of(airflow: AirflowServer, key: str) -> list[dict[str, Any]]:
    return [run for run in runs(airflow, "vpc_dns_partition") if run["partition_key"] == key]


def test_failed_partition_is_repaired_by_clearing_in_the_ui(airflow, operator, seaweed, lake):
    hour = eventually(lambda: runs(airflow, "vpc_dns_hourly"), "the hour is scheduled")[0]["dag_run_id"]
    assert ended(airflow, "vpc_dns_hourly", hour) == "failed"
    said = log(airflow, "vpc_dns_hourly", hour, "verdict")
    assert f"{KEY}: 2 of 2 objects could not be read (denied): S3 refuses s3:GetObject" in said
    assert GOOD not in said
    own = eventually(lambda: runs_of(airflow, KEY), "the partition's own run")[0]["dag_run_id"]
    assert ended(airflow, "vpc_dns_partition", own) == "failed"
    assert records(lake) == once(OLD | NEW, OLD)

    seaweed.deny(BUCKET)  # nothing is denied any more
    operator.find_runs("vpc_dns_partition", KEY)
    operator.picture("1-runs")
    operator.open_run(own)
    operator.sees("verdict", "Failed")
    expect(operator.page.get_by_text(KEY, exact=True)).to_be_visible()
    operator.picture("2-failed")
    operator.clear_run()
    operator.sees("verdict", "Success", RUN_MS)
    operator.picture("4-success")

    assert ended(airflow, "vpc_dns_partition", own) == "success"
    assert [run["dag_run_id"] for run in runs(airflow, "vpc_dns_partition")] == [own]
    assert records(lake) == once(OLD | NEW, OLD | NEW)


def test_partition_is_reloaded_from_the_page(airflow, operator, seaweed, lake):
    """Red, then the cause is removed, then green, without leaving the page."""
    operator.page.goto("/plugin/vpclogs")
    page = operator.page.frame_locator("iframe")
    day = page.get_by_role("link", name=f"{KEY.replace('|', ' ')} ")
    expect(day).to_have_count(1)
    operator.picture("page-overview")
    day.click()
    status = page.get_by_role("status")
    expect(status.first).to_contain_text("published")

    seaweed.deny(BUCKET, f"AWSLogs/{POOR}/", listing=False)
    operator.reload_from(page)
    expect(status.last).to_contain_text("failed", timeout=RUN_MS)
    expect(status.first).to_contain_text("failed: 3 of 3 objects could not be read", timeout=PATIENCE_MS)
    operator.picture("page-failed")
    seaweed.deny(BUCKET)
    operator.reload_from(page)
    expect(status.last).to_contain_text("success", timeout=RUN_MS)
    expect(status.first).to_contain_text("published", timeout=PATIENCE_MS)
    operator.picture("page-published")

    assert records(lake) == once(OLD | NEW, OLD | NEW)
    ids = [run["dag_run_id"] for run in runs_of(airflow, KEY)]
    named = f"reload__{KEY.replace('|', '_')}__"
    assert [one.startswith(named) for one in ids[-2:]] == [True, True]
    operator.page.reload()  # the address leads here again
    expect(status.first).to_contain_text("published", timeout=PATIENCE_MS)
    page.get_by_role("link", name="Open in Airflow").click()
    operator.page.get_by_role("heading", name=ids[-1]).wait_for()
    operator.picture("page-run-in-airflow")


def test_the_page_follows_the_theme_and_narrow_windows(airflow, operator):
    operator.page.goto("/plugin/vpclogs")
    operator.page.evaluate("localStorage.setItem('theme', 'dark')")
    operator.page.reload()
    page = operator.page.frame_locator("iframe")
    page.get_by_role("table").wait_for()
    operator.picture("page-dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.locator("body").evaluate(f"() => {paper}") == "rgb(20, 24, 31)"

    operator.page.set_viewport_size({"width": 420, "height": 800})
    operator.picture("page-narrow")
    assert page.locator("body").evaluate("body => body.scrollWidth <= body.clientWidth + 1")


def test_the_trigger_form_takes_the_key_of_a_partition(airflow, operator, lake):
    key = partition_key(GOOD, YESTERDAY)

    operator.trigger("vpc_dns_partition", key)

    run = eventually(lambda: runs_of(airflow, key), "the run by hand")[0]
    assert run["run_type"] == "manual"
    assert ended(airflow, "vpc_dns_partition", run["dag_run_id"]) == "success"
    operator.sees("verdict", "Success")
    assert [record for record in records(lake) if record[0] == GOOD] == once(OLD | NEW, set())
