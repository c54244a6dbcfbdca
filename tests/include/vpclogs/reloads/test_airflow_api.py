"""What the command asks of Airflow, and what it says when Airflow does not do it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.fake_airflow import PASSWORD, FakeAirflow, fake_airflow
from vpclogs.config.settings import AirflowSettings
from vpclogs.reloads.airflow_api import AirflowApi, AirflowRefused, AirflowUnavailable

DAG = "vpc_dns_partition"
KEY = "123456789012|us-west-2|2022-10-07"


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with fake_airflow() as server:
        yield server


def connect(airflow: FakeAirflow, **login: str) -> AirflowApi:
    return AirflowApi(AirflowSettings(url=f"{airflow.url}/", **(login or {"username": "me", "password": PASSWORD})))


def test_run_is_started_for_its_key_and_followed(airflow):
    api = connect(airflow)

    started = api.start(DAG, KEY, run_id="reload__1", note="by hand")

    assert (started.key, started.state) == (KEY, "queued")
    assert started.url == f"{airflow.url}/dags/{DAG}/runs/reload__1"
    assert [api.get(DAG, started.id).state for _ in range(2)] == ["running", "success"]


def test_calls_use_the_api_address_and_links_the_ui(airflow):
    ui = "https://airflow.example.com/site/"
    api = AirflowApi(AirflowSettings(url=ui, api_url=f"{airflow.url}/", username="me", password=PASSWORD))

    started = api.start(DAG, KEY, run_id="reload__1", note="by hand")

    assert started.url == f"https://airflow.example.com/site/dags/{DAG}/runs/reload__1"
    assert api.get(DAG, started.id).url == started.url


def test_error_names_the_setting_of_the_address_that_was_called():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
        for settings, key in (
            (AirflowSettings(url=nowhere, token="t"), "airflow.url"),
            (AirflowSettings(url="http://ui", api_url=nowhere, token="t"), "airflow.api_url"),
        ):
            with pytest.raises(AirflowUnavailable, match=rf"check {key},"):
                AirflowApi(settings).require_running(DAG)


def test_all_active_runs_are_found_however_many(airflow):
    for number in range(230):
        airflow.add(DAG, str(number))

    assert [run.key for run in connect(airflow).active(DAG)] == [str(number) for number in range(230)]


def test_login_is_reused_until_it_expires(airflow):
    api = connect(airflow)
    api.require_running(DAG)
    api.require_running(DAG)
    airflow.token += 10  # the old token is worth nothing now

    api.require_running(DAG)

    assert sum("auth/token" in request for request in airflow.requests) == 2


def test_a_ready_token_needs_no_login(airflow):
    connect(airflow, token="ready").require_running(DAG)

    assert airflow.requests == [f"GET /api/v2/dags/{DAG}"]


@pytest.mark.parametrize(
    ("login", "message"),
    [
        pytest.param({"username": "me", "password": "wrong"}, "does not accept the password of me", id="password"),
        pytest.param({"token": "none"}, "does not accept the token", id="token"),
    ],
)
def test_a_wrong_login_is_named(airflow, login, message):
    with pytest.raises(AirflowRefused, match=message):
        connect(airflow, **login).require_running(DAG)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param((403, "Forbidden"), "a role that may see and trigger DAGs", id="not allowed"),
        pytest.param((422, "no such key"), "answered 422 to .* no such key", id="not understood"),
    ],
)
def test_a_refusal_is_said_with_what_to_do(airflow, answer, message):
    airflow.answers.append(answer)

    with pytest.raises(AirflowRefused, match=message) as raised:
        connect(airflow).start(DAG, KEY, run_id="reload__1", note="")
    assert not raised.value.transient


def test_missing_or_paused_dag_is_reported_before_any_wait(airflow):
    airflow.dags["vpc_flow_partition"] = True

    with pytest.raises(AirflowRefused, match="is paused"):
        connect(airflow).require_running("vpc_flow_partition")
    with pytest.raises(AirflowRefused, match="has no DAG nothing"):
        connect(airflow).require_running("nothing")


def test_busy_or_absent_server_may_be_retried(airflow):
    airflow.answers.append((503, "starting"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = AirflowApi(AirflowSettings(url=f"http://127.0.0.1:{free.getsockname()[1]}", token="t"))

    with pytest.raises(AirflowUnavailable, match="answered 503: starting"):
        connect(airflow).require_running(DAG)
    with pytest.raises(AirflowUnavailable, match="cannot be reached"):
        away.require_running(DAG)


def test_redirect_is_not_followed_with_the_login(airflow):
    airflow.answers.append((302, "elsewhere"))

    with pytest.raises(AirflowRefused, match=r"set airflow\.url to Airflow's own address"):
        connect(airflow).require_running(DAG)
