"""The parts of the demo that need no Airflow: options, ports, background processes, configuration."""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import UTC, datetime, timedelta

import pytest

from demo.airflow_server import choose_port
from demo.counts import Counts
from demo.options import DemoError, Options
from demo.ports import free_port
from demo.processes import Background
from demo.runs import error_in
from demo.stack import Stack
from vpclogs.config.settings import load_settings

NOW = datetime(2026, 1, 16, 9, 20, tzinfo=UTC)


@pytest.fixture
def stack(tmp_path):
    return Stack(Options(tmp_path / "demo", port=free_port(), scale=0.05), now=NOW)


@pytest.mark.parametrize("value", ["http", "80", "70000"])
def test_a_port_that_is_none_is_refused_by_name(value):
    with pytest.raises(DemoError, match=f"DEMO_PORT={value}: give a number from 1024 to 65535"):
        Options.from_env({"DEMO_PORT": value})


def test_a_port_that_is_asked_for_but_taken_is_refused():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(DemoError, match=rf"port {port} \(DEMO_PORT\) is taken by another program: name another"):
            choose_port(port, None, own=False)
        assert choose_port(port, port, own=True) == port
        assert choose_port(None, port, own=False) != port


def test_the_port_of_last_time_is_taken_again():
    port = free_port()

    assert choose_port(None, port, own=False) == port


def test_background_process_is_found_again_and_stopped_with_children(tmp_path):
    # The child leaves the process group and does not hear the signal, as a task of Airflow may.
    forks = (
        "import os, signal, time\n"
        "if os.fork() == 0: os.setpgid(0, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "time.sleep(60)"
    )
    Background("sleeper", tmp_path, tmp_path / "log").start(
        [sys.executable, "-c", forks], env=dict(os.environ), cwd=tmp_path
    )
    found = Background("sleeper", tmp_path, tmp_path / "log")
    assert found.running

    found.ask_to_stop()
    found.wait_stopped(patience=0.5)

    assert not found.running


def test_a_process_that_died_does_not_count_as_running(tmp_path):
    sleeper = Background("sleeper", tmp_path, tmp_path / "log")
    sleeper.start([sys.executable, "-c", "print('so long')"], env=dict(os.environ), cwd=tmp_path)

    sleeper.wait_stopped()

    assert (tmp_path / "sleeper.pid").exists()
    assert not sleeper.running
    assert sleeper.log_end() == f"The end of {tmp_path / 'log'}:\nso long"


def test_configuration_is_valid_and_its_lookback_reaches_the_sample(stack):
    assert [day.isoformat() for day in stack.sample.days] == ["2026-01-14", "2026-01-15"]
    stack.write_config()

    settings = load_settings(stack.config, {})

    assert [source.log_type for source in settings.sources] == ["vpc_dns", "vpc_flow", "vpc_dns"]
    assert [source.lookback_days for source in settings.sources] == [3, 3, 15]
    assert settings.ledger == f"sqlite:///{stack.folder / 'ledger.db'}"


def test_the_sample_that_is_there_is_used_again(stack):
    before = stack.sample.days

    again = Stack(Options(stack.folder), now=NOW + timedelta(days=4)).sample

    assert (again.days, again.scale) == (before, 0.05)


@pytest.mark.parametrize(
    ("options", "now", "problem"),
    [
        pytest.param({"scale": 1.0}, NOW, "another DEMO_SEED or DEMO_SCALE", id="another size"),
        pytest.param({}, NOW + timedelta(days=44), "too old", id="another month"),
    ],
)
def test_unusable_sample_is_reported_with_the_next_step(stack, options, now, problem):
    assert stack.sample

    with pytest.raises(DemoError, match=f"{problem}.*make demo-down"):
        assert Stack(Options(stack.folder, **options), now=now).sample


def test_airflow_listens_only_on_loopback_and_its_own_port(stack):
    settings = stack.airflow.settings()

    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{stack.options.port}/execution/"


def test_counts_that_differ_are_named():
    found = Counts(3, 3, 0, 0, 9, {"a": 9}, {"not_json": 1})  # type: ignore[arg-type]
    expected = Counts(3, 2, 1, 0, 9, {"a": 9}, {"not_json": 1})  # type: ignore[arg-type]

    assert list(found.differences(expected)) == ["loaded: 3, expected 2", "refused: 0, expected 1"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param({"level": "info", "event": "DAG bundles loaded"}, "", id="no error"),
        pytest.param({"level": "error", "event": "no such file"}, "no such file", id="an error"),
        pytest.param(
            {"level": "error", "event": "Task failed", "error_detail": [{"exc_value": "1 partition not published"}]},
            "1 partition not published",
            id="an exception",
        ),
    ],
)
def test_the_error_in_a_line_of_a_tasks_log(line, expected):
    assert error_in(json.dumps(line)) == expected
