"""``vpclogs maintain`` in a process of its own, on a real S3 server."""

from __future__ import annotations

import pytest

from tests.include.vpclogs.cli.conftest import Deployment
from tests.pipelines import KEY, dns_key, event, put_lines

DAY = ("--from", "2022-10-07", "--to", "2022-10-07")


@pytest.fixture
def loaded(deployment: Deployment, s3, bucket: str) -> Deployment:
    put_lines(s3, bucket, dns_key("0000"), [event()])
    done = deployment.vpclogs("load", "--log-type", "vpc_dns", *DAY)
    assert done.returncode == 0, done.stderr
    return deployment


def test_all_steps_run_and_say_what_they_did(loaded):
    done = loaded.vpclogs("maintain", *DAY)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "vpc_dns: 1 partition reconciled, 1 complete"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "retire",
        "compact",
        "compact",
        "expire",
        "expire",
        "prune",
        "clean_up",
    ]


def test_what_came_late_is_named_with_what_to_do(loaded, s3, bucket):
    put_lines(s3, bucket, dns_key("2300"), [event()])

    done = loaded.vpclogs("maintain", "reconcile", *DAY)

    assert done.returncode == 1
    assert f"vpc_dns {KEY} must be rebuilt: vpclogs rerun '{KEY}'" in done.stderr


def test_a_dry_run_says_what_would_be_done(loaded):
    done = loaded.vpclogs("maintain", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "clean_up: 0 files, 0 bytes, would be deleted" in done.stdout
    assert "reconciled" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("sweep",), "sweep: the steps are reconcile, retire", id="no such step"),
        pytest.param(("--to", "2022-10-07"), "--to needs --from", id="an end without a begin"),
        pytest.param(("--from", "2022-10-08", "--to", "2022-10-07"), "is before --from", id="the wrong way round"),
    ],
)
def test_arguments_that_make_no_sense_are_wrong_usage(here, arguments, complaint):
    done = here.vpclogs("maintain", *arguments)

    assert (done.returncode, complaint in done.stderr) == (2, True), done.stderr
