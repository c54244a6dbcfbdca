"""The page as Airflow's own API application serves it, with logins of each role and a ledger of real loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.pipelines import dns_key, event, flow_key, make_pipeline, put_lines, reload, run_hour
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.pipeline import Pipeline

if TYPE_CHECKING:
    from fastapi import FastAPI
    from httpx import Response
    from starlette.testclient import TestClient

KEY = "123456789012/us-west-2/2022-10-07"
PARTITION = f"/vpclogs/vpc_dns/{KEY}"
AROUND = "until=2022-10-08&days=7"
HOSTILE = '<img src=x onerror="alert(1)">\x1b[31m'


@pytest.fixture
def pipeline(tmp_path, bucket, s3, monkeypatch) -> Pipeline:
    """A ledger with one partition that was loaded, and the page's login for it."""
    made = make_pipeline(tmp_path, bucket, s3)
    put_lines(s3, bucket, dns_key("2100"), [event(srcport=str(port)) for port in range(40)])
    run_hour(made, "vpc_dns_hourly/scheduled__1")
    monkeypatch.setenv("VPCLOGS_PAGE_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    return made


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> Iterator[FastAPI]:
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    from tests.airflow_home import REPOSITORY

    with create_session() as session:
        if session.get(DagBundleModel, "dags-folder") is None:
            session.add(DagBundleModel(name="dags-folder"))
    sync_bag_to_db(DagBag(REPOSITORY / "dags"), "dags-folder", None)
    yield create_app(apps="core")
    purge_cached_app()


def browser(airflow: FastAPI, role: str | None, *, raise_errors: bool = True) -> TestClient:
    """A client with the cookie of a user who has this role; None has no login."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    cookies = {}
    if role is not None:
        user = SimpleAuthManagerUser(username="someone", role=role or None)
        cookies["_token"] = get_auth_manager().generate_jwt(user)
    return TestClient(
        airflow,
        base_url="http://localhost:8080",
        cookies=cookies,
        follow_redirects=False,
        raise_server_exceptions=raise_errors,
    )


def text_of(answer: Response) -> str:
    """The visible text, with single spaces."""
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def routes() -> list[tuple[str, str]]:
    """Every route of the page, so that a new one cannot be forgotten."""
    from vpclogs_airflow.page.app import make_app

    values = {
        "log_type": "vpc_dns",
        "account": "123456789012",
        "region": "us-west-2",
        "day": "2022-10-07",
        "dag_id": "vpc_dns_hourly",
        "run_id": "scheduled__1",
        "task_id": "stage",
        "map_index": "0",
        "name": "page.css",
        "alert": "1",
    }
    return [
        (method, "/vpclogs" + route.path.format(**values)) for route in make_app().routes for method in route.methods
    ]


def test_no_route_answers_without_a_login(airflow, pipeline):
    found = {(method, path): browser(airflow, None).request(method, path).status_code for method, path in routes()}

    assert len(found) >= 8
    assert set(found.values()) == {401}


def test_no_route_shows_data_to_a_role_without_permissions(airflow, pipeline):
    client = browser(airflow, "")
    found = {
        (method, path): client.request(method, path).status_code
        for method, path in routes()
        if not path.startswith("/vpclogs/static/")
    }

    assert set(found.values()) == {403}


def test_overview_counts_what_the_command_counts(airflow, pipeline):
    text = text_of(browser(airflow, "viewer").get(f"/vpclogs/?{AROUND}"))

    (status,) = pipeline.ledger.partitions.status("vpc_dns")
    assert status.certificate.rows == 40
    assert "40 rows, 0 quarantined" in text
    assert "123456789012 us-west-2 2022-10-07 published" in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("account=123456789012", True),
        ("account=999999999999", False),
        ("region=us-west-2", True),
        ("region=eu-west-1", False),
        ("state=published", True),
        ("state=failed", False),
        ("log=vpc_flow", False),
    ],
)
def test_filters(airflow, pipeline, query, shown):
    answer = browser(airflow, "viewer").get(f"/vpclogs/?{AROUND}&{query}")

    text = text_of(answer)
    assert (PARTITION in answer.text) is shown
    assert ("Choose other filters" in text) is not shown


def test_partition_shows_counts_that_add_up_its_objects_and_runs(airflow, pipeline):
    answer = browser(airflow, "viewer").get(PARTITION)

    text = text_of(answer)
    assert "1 listed = 1 loaded + 0 refused + 0 empty + 0 gone + 0 pending" in text
    assert "40 = 40 rows + 0 quarantined" in text
    assert dns_key("2100") in text
    assert 'href="/dags/vpc_dns_hourly/runs/scheduled__1"' in answer.text


def test_objects_are_paged(airflow, pipeline, bucket, s3):
    for minute in range(10, 60):
        put_lines(s3, bucket, dns_key(f"10{minute}"), [event()])
        put_lines(s3, bucket, dns_key(f"11{minute}"), [event()])
    run_hour(pipeline, "more")
    client = browser(airflow, "viewer")

    seen: list[str] = []
    address = PARTITION
    while address:
        page = client.get(address)
        assert page.status_code == 200
        seen += re.findall(r'class="key">[^<]*_(\d{8}T\d{4}Z)_', page.text)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = f"{PARTITION}{following[1]}" if following else ""

    assert len(seen) == len(set(seen)) == 101


def test_run_lists_its_partitions_and_why_one_failed(airflow, pipeline):
    pipeline.ledger.partitions.fail(
        {KEY.replace("/", "|"): "2 of 2 objects could not be read"},
        log_type="vpc_dns",
        run_key="vpc_dns_hourly/scheduled__1",
        now=pipeline.clock(),
    )
    client = browser(airflow, "viewer")

    assert "123456789012 us-west-2 2022-10-07 ✕ failed 40 0" in text_of(
        client.get("/vpclogs/dag/vpc_dns_hourly/run/scheduled__1")
    )
    assert "failed : 2 of 2 objects could not be read" in text_of(client.get(PARTITION)).replace("failed:", "failed :")


def test_task_shows_the_objects_of_its_batch(airflow, pipeline):
    run = "/vpclogs/dag/vpc_dns_hourly/run/scheduled__1"
    client = browser(airflow, "viewer")

    assert dns_key("2100") in text_of(client.get(f"{run}/stage/0"))
    assert "no such batch" in text_of(client.get(f"{run}/stage/7"))
    assert "1 objects" in text_of(client.get(f"{run}/publish/-1"))


def test_dag_of_somebody_else_is_named_as_such(airflow, pipeline):
    assert "loads no partitions" in text_of(browser(airflow, "admin").get("/vpclogs/dag/vpclogs_maintenance"))


def test_text_from_logs_is_never_markup(airflow, pipeline):
    pipeline.ledger.partitions.fail(
        {KEY.replace("/", "|"): HOSTILE}, log_type="vpc_dns", run_key=HOSTILE, now=pipeline.clock()
    )

    answer = browser(airflow, "viewer").get(PARTITION)

    assert "<img" not in answer.text
    assert "\x1b" not in answer.text
    assert "&lt;img" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/vpclogs/vpc_dns/{KEY.replace('2022', '2021')}", 404),
        (f"/vpclogs/vpc_dns/{KEY.replace('123456789012', 'x')}", 422),
        (f"/vpclogs/vpc_dns/{KEY.replace('2022-10-07', 'today')}", 422),
        (f"/vpclogs/other/{KEY}", 422),
        ("/vpclogs/?state=nice", 422),
        ("/vpclogs/static/app.py", 404),
        ("/vpclogs/nothing", 404),
    ],
)
def test_addresses_that_make_no_sense(airflow, pipeline, path, status):
    answer = browser(airflow, "viewer").get(path)

    assert (answer.status_code, "<h1>" in answer.text) == (status, True)


def test_broken_ledger_shows_no_path(airflow, pipeline, monkeypatch, tmp_path):
    (tmp_path / "broken.db").write_text("not a database, but long enough to be one" * 10)
    monkeypatch.setenv("VPCLOGS_PAGE_LEDGER", f"sqlite:///{tmp_path}/broken.db")
    client = browser(airflow, "viewer")
    client = type(client)(
        airflow, base_url="http://localhost:8080", cookies=client.cookies, raise_server_exceptions=False
    )

    answer = browser(airflow, "viewer", raise_errors=False).get("/vpclogs/")

    assert answer.status_code == 500
    assert "The ledger could not be read" in answer.text
    assert str(tmp_path) not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_no_view_runs_inline_script_or_loads_from_elsewhere(airflow, pipeline):
    client = browser(airflow, "admin")
    for method, path in routes():
        if method != "GET" or "/static/" in path:
            continue
        answer = client.get(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=|javascript:", answer.text), path
        assert not re.search(r"(?:src|href)=\"https?:", answer.text), path


def test_viewer_may_look_but_not_reload(airflow, pipeline):
    client = browser(airflow, "viewer")

    answer = client.post(f"{PARTITION}/reload", headers={"Origin": "http://localhost:8080"})

    assert (client.get(PARTITION).status_code, answer.status_code) == (200, 403)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost:8081"])
def test_reload_from_another_site_is_refused(airflow, pipeline, origin):
    headers = {} if origin is None else {"Origin": origin}

    answer = browser(airflow, "op").post(f"{PARTITION}/reload", headers=headers)

    assert answer.status_code == 403


def test_reload_starts_a_run_that_names_its_partition(airflow, pipeline):
    client = browser(airflow, "op")
    client.patch("/api/v2/dags/vpc_dns_partition", json={"is_paused": False}).raise_for_status()
    assert "replaces its rows with one commit" in text_of(client.get(f"{PARTITION}/reload"))

    answer = client.post(f"{PARTITION}/reload", headers={"Origin": "http://localhost:8080"})

    assert answer.status_code == 303, answer.text
    (run,) = client.get("/api/v2/dags/vpc_dns_partition/dagRuns").json()["dag_runs"]
    assert run["dag_run_id"].startswith("reload__123456789012_us-west-2_2022-10-07__")
    assert (run["partition_key"], run["triggering_user_name"]) == ("123456789012|us-west-2|2022-10-07", "someone")
    assert f"Reload {run['dag_run_id']}: queued" in text_of(client.get(answer.headers["location"]))


def test_reload_of_a_paused_dag_explains_what_to_do(airflow, pipeline):
    client = browser(airflow, "op")
    client.patch("/api/v2/dags/vpc_dns_partition", json={"is_paused": True}).raise_for_status()

    answer = client.post(f"{PARTITION}/reload", headers={"Origin": "http://localhost:8080"})

    assert answer.status_code == 409
    assert "vpc_dns_partition is paused in Airflow" in answer.text


def test_flow_partitions_have_pages_of_their_own(airflow, pipeline, bucket, s3):
    header = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    line = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 443 1024 6 10 8000 1665178740 1665178790 ACCEPT OK"
    put_lines(s3, bucket, flow_key("2100"), [header + b"log-status", line])
    run_hour(pipeline, "vpc_flow_hourly/1", "vpc_flow")

    text = text_of(browser(airflow, "viewer").get(f"/vpclogs/vpc_flow/{KEY}"))

    assert "1 = 1 rows + 0 quarantined" in text


def test_quarantine_shows_reasons_with_samples_and_advice(airflow, pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2105"), [event(), b'{"query_name": "<script>alert(1)</script>', event(srcport="x")])
    s3.put_object(Bucket=bucket, Key=dns_key("2110"), Body=b"PK\x03\x04 an archive")
    run_hour(pipeline, "more")

    answer = browser(airflow, "viewer").get(PARTITION)

    text = text_of(answer)
    assert "not_json : 1 records." in text
    assert "bad_port : 1 records." in text
    assert "not_gzip : 1 objects refused whole" in text
    assert f"{dns_key('2105')} line 3, srcport" in text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_a_reload_starts_the_reasons_anew(airflow, pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2105"), [event(), b"{"])
    run_hour(pipeline, "more")
    pipeline.ledger.statistics.add_up(now=pipeline.clock())
    client = browser(airflow, "viewer")
    assert "not_json : 1 records." in text_of(client.get(PARTITION))

    put_lines(s3, bucket, dns_key("2105"), [event()])
    reload(pipeline, KEY.replace("/", "|"), "again")

    assert "not_json" not in text_of(client.get(PARTITION))


def test_partition_shows_its_hours(airflow, pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("0315"), [event(), event()])
    pipeline.plan("vpc_dns", run_key="planned")

    text = text_of(browser(airflow, "viewer").get(PARTITION))

    assert "10-07 03:00 1 1 0 10-07 21:00 1 40" in text


def test_overview_shows_days_and_what_was_not_loaded(airflow, pipeline, bucket, s3):
    put_lines(s3, bucket, dns_key("2120"), [event()])
    pipeline.plan("vpc_dns", run_key="planned")
    (status,) = pipeline.ledger.partitions.status("vpc_dns")
    waiting = status.certificate.bytes_listed - status.certificate.bytes_settled

    text = text_of(browser(airflow, "viewer").get(f"/vpclogs/?{AROUND}"))

    assert f"1 objects, {waiting} bytes" in text
    assert re.search(r"S3 requests of the last 30 days: \d+ to list, \d+ to read", text)


def raise_alert(pipeline: Pipeline) -> int:
    finding = MonitorFinding("silence/dns/123456789012", "silence", Severity.ERROR, f"silent {HOSTILE}", action="Look")
    pipeline.ledger.alerts.keep([finding], judged=["silence"], now=pipeline.clock(), quiet=timedelta(hours=1))
    return pipeline.ledger.alerts.all()[0].id


def test_alert_is_acknowledged_with_a_note(airflow, pipeline):
    alert = raise_alert(pipeline)
    client = browser(airflow, "op")
    assert "What to do: Look" in text_of(client.get("/vpclogs/"))

    answer = client.post(
        f"/vpclogs/alerts/{alert}", data={"note": HOSTILE}, headers={"Origin": "http://localhost:8080"}
    )

    assert answer.status_code == 303, answer.text
    page = client.get("/vpclogs/")
    assert "Acknowledged by someone" in text_of(page)
    assert "<img" not in page.text
    (kept,) = pipeline.ledger.alerts.all()
    assert (kept.acknowledged_by, kept.note, kept.open) == ("someone", HOSTILE, True)


@pytest.mark.parametrize(
    ("role", "origin", "number", "status"),
    [
        ("viewer", "http://localhost:8080", 0, 403),
        ("op", "https://evil.example", 0, 403),
        ("op", "http://localhost:8080", 99, 404),
    ],
)
def test_alert_that_may_not_be_acknowledged(airflow, pipeline, role, origin, number, status):
    alert = raise_alert(pipeline) + number

    answer = browser(airflow, role).post(f"/vpclogs/alerts/{alert}", data={}, headers={"Origin": origin})

    assert answer.status_code == status
    assert pipeline.ledger.alerts.all()[0].acknowledged_at is None
