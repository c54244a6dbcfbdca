"""What monitors find in the demo: the faults that were put into it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from demo.counts import Counts
from demo.options import Options
from demo.sample import DNS, FLOW, FRESH
from demo.seaweed import READER
from demo.stack import Stack
from tests.pipelines import run_hour
from vpclogs.config.settings import load_settings
from vpclogs.monitors.checking import run_checks
from vpclogs.monitors.running import run
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline


@pytest.fixture
def demo(tmp_path, request) -> Iterator[Stack]:
    """The demo's S3 server and configuration at twenty past some hour of today."""
    now = datetime.now(UTC).replace(hour=getattr(request, "param", 9), minute=20)
    demo = Stack(Options(tmp_path / "demo", scale=0.1), now=now)
    demo.start_s3()
    demo.write_offices()
    demo.write_config()
    yield demo
    demo.seaweed.stop()


def test_monitors_find_only_the_faults_of_the_offices(demo):
    pipeline = loaded(demo, DNS)

    assert found(pipeline, demo.now) == found(pipeline, demo.now + FRESH / 2) == demo.offices.findings("offices").keys()
    assert (
        list(Counts.found(pipeline.settings, DNS, demo.truth()).differences(Counts.expected(demo.truth(), DNS))) == []
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("demo", [0, 23], ids=["after midnight", "before midnight"], indirect=True)
def test_big_sample_adds_only_its_drift_to_the_findings(demo):
    for late in (False, True):
        demo.write_sample(late=late, progress=lambda done, total: None)
    pipeline = loaded(demo, DNS, FLOW)

    for time in (demo.now, demo.now + FRESH / 2):
        assert found(pipeline, time) == demo.findings(time).keys()
    assert run_checks(pipeline, now=demo.now).findings == []


def test_when_their_history_has_ended_long_ago_nothing_is_expected(tmp_path):
    now = datetime(2026, 1, 16, 9, 20, tzinfo=UTC)
    demo = Stack(Options(tmp_path / "demo"), now=now)

    assert demo.findings(now + timedelta(hours=1))
    assert demo.findings(now + FRESH) is None


def loaded(demo: Stack, *logs: str) -> Pipeline:
    settings = load_settings(demo.config, {})
    pipeline = Pipeline(settings, client_for=lambda source: demo.seaweed.client(READER), clock=lambda: demo.now)
    for log in logs:
        run_hour(pipeline, log, LogType(log))
    return pipeline


def found(pipeline: Pipeline, now: datetime) -> set[str]:
    return {one.key for one in run(pipeline, now=now).findings}
