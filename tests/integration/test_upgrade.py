"""A deployment of an earlier version, with rows under wrong regions, is repaired by the ordinary verbs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import Seaweed
from tests.fixtures.deployment_a3d8d14.make import BROKEN, DELETED, DENIED, JOINED, REWRITTEN, SOUND, settings
from tests.forking import Forker
from tests.integration.deployments import Deployment
from tests.old_deployment import EVENING, unpack
from tests.pipelines import reload, rows, run_hour
from vpclogs.maintenance.reconciliation import reconcile
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline

DAY = date(2022, 10, 7)
AFTER = {
    (DENIED, "eu-west-1"): 12,
    (BROKEN, "eu-west-1"): 3604,
    (DELETED, "eu-west-1"): 30,
    (REWRITTEN, "eu-west-1"): 20,
    (JOINED, "eu-west-1"): 300,
    (SOUND, "eu-west-1"): 50,
}
BEFORE = AFTER | {
    (DENIED, "unknown"): 12,
    (BROKEN, "unknown"): 3600,
    (BROKEN, "eu-west-1"): 4,
    (DELETED, "unknown"): 30,
    (REWRITTEN, "unknown"): 20,
    (JOINED, "eu-west-1"): 302,
}
del BEFORE[DENIED, "eu-west-1"], BEFORE[DELETED, "eu-west-1"]


@pytest.fixture
def make(tmp_path, seaweed) -> Callable[..., Pipeline]:
    return unpack(tmp_path, seaweed)


def visible(pipeline: Pipeline) -> dict[tuple[str, str], int]:
    found = rows(pipeline, "vpc_dns", "p_account", "p_region")
    return dict(Counter((row["p_account"], row["p_region"]) for row in found))


def refused(pipeline: Pipeline) -> Counter[tuple[str, str, str]]:
    found = rows(pipeline, "quarantine", "p_account", "p_region", "reason")
    return Counter((row["p_account"], row["p_region"], row["reason"]) for row in found)


def key(account: str, region: str) -> str:
    return Partition(LogType.VPC_DNS, account, region, DAY).key


def assert_sound(pipeline: Pipeline, *accounts: str) -> None:
    """Of these accounts, each row lies where it belongs, once, and the ledger counts what the tables hold."""
    found = rows(pipeline, "vpc_dns", "p_account", "p_region", "region")
    mine = [row for row in found if row["p_account"] in accounts]
    assert [row for row in mine if row["p_region"] != row["region"]] == []
    assert max(Counter(row["p_row_id"] for row in found).values()) == 1
    held, kept = visible(pipeline), Counter[tuple[str, str]]()
    for (account, region, _), count in refused(pipeline).items():
        kept[account, region] += count
    for status in pipeline.ledger.partitions.status(LogType.VPC_DNS):
        place = (status.partition.account, status.partition.region)
        if place[0] in accounts:
            assert (status.certificate.rows, status.certificate.quarantined) == (held.get(place, 0), kept[place])
            assert status.certificate.complete


def test_the_fixture_holds_rows_under_wrong_regions(make):
    assert visible(make()) == BEFORE


def test_hourly_run_moves_misplaced_rows_within_the_lookback(make):
    pipeline = make(EVENING + timedelta(days=2))

    done = run_hour(pipeline, "hour 3")

    assert (done.rows, done.moved) == (3612, 2)
    moved = {(DENIED, "eu-west-1"): 12, (BROKEN, "eu-west-1"): 3604}
    left = {place: count for place, count in BEFORE.items() if place not in ((DENIED, "unknown"), (BROKEN, "unknown"))}
    assert visible(pipeline) == left | moved
    assert_sound(pipeline, DENIED, BROKEN, SOUND)
    assert refused(pipeline)[BROKEN, "eu-west-1", "not_json"] == 600
    again = run_hour(pipeline, "hour 4")
    assert (again.planned, again.rows) == (0, 0)


@pytest.mark.parametrize("region", ["unknown", "eu-west-1"])
def test_a_reload_of_either_partition_repairs_it(region, make):
    pipeline = make(EVENING + timedelta(days=30))
    accounts = [DENIED, BROKEN, DELETED, REWRITTEN, *([JOINED] if region == "eu-west-1" else [])]

    for account in accounts:
        reload(pipeline, key(account, region), f"reload {account}")

        now = {place: count for place, count in visible(pipeline).items() if place[0] == account}
        assert now == {(account, "eu-west-1"): AFTER[account, "eu-west-1"]}
    assert_sound(pipeline, *accounts, SOUND)
    for account in accounts:
        reload(pipeline, key(account, region), f"again {account}")
    assert_sound(pipeline, *accounts, SOUND)


def test_misplaced_partition_is_certified_only_after_its_reload(make):
    pipeline = make(EVENING + timedelta(days=60))  # long after any look-back

    found = reconcile(pipeline, LogType.VPC_DNS, run_key="reconcile")

    named = {key(account, "unknown") for account in (DENIED, BROKEN, DELETED, REWRITTEN)} | {key(JOINED, "eu-west-1")}
    assert set(found.reload) == {one for one, _ in found.mismatched} == named
    certified = {
        status.partition.key
        for status in pipeline.ledger.partitions.status(LogType.VPC_DNS)
        if pipeline.ledger.certificates.get(status.partition).complete
    }
    assert certified == {key(SOUND, "eu-west-1")}
    assert [one for one in found.announce if one in named] == []

    for one in found.reload:
        reload(pipeline, one, f"reload {one}")
    mended = reconcile(pipeline, LogType.VPC_DNS, run_key="again", days=[DAY])

    assert (mended.mismatched, mended.reload) == ([], [])
    assert mended.partitions == mended.complete == len(AFTER)
    assert visible(pipeline) == AFTER
    assert_sound(pipeline, *(account for account, _ in AFTER))
    assert refused(pipeline)[JOINED, "eu-west-1", "foreign_region"] == 2
    found_rows = rows(pipeline, "vpc_dns", "srcport", "p_account")
    assert min(int(row["srcport"]) for row in found_rows if row["p_account"] == REWRITTEN) == 9000


@pytest.fixture
def deployed(tmp_path: Path, seaweed: Seaweed) -> Callable[[], Deployment]:
    """The deployment as new at each call, for processes that are killed."""
    numbers = itertools.count()

    def make() -> Deployment:
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        unpack(folder, seaweed)
        document = settings(folder, seaweed.file_properties())
        return Deployment(document, seaweed.endpoint, "admin", EVENING + timedelta(days=2))

    return make


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("reloaded", [None, key(BROKEN, "unknown")], ids=["hourly run", "reload"])
def test_a_killed_move_loses_and_repeats_no_row(
    everywhere: bool, reloaded: str | None, deployed: Callable[[], Deployment], forker: Forker, tmp_path: Path
) -> None:
    what: dict[str, Any] = {"reload": reloaded} if reloaded else {}
    undisturbed, file = deployed(), tmp_path / "points"
    before, placed_before = undisturbed.visible(), visible(undisturbed.pipeline())
    ended = undisturbed.start(forker, "undisturbed", points=str(file), **what)
    assert ended.wait() == 0, ended.errors
    points, placed_after = file.read_text().splitlines(), visible(undisturbed.pipeline())
    assert placed_after != placed_before
    between_the_tables = points.index("after commit_table") + 1
    for die_at in range(1, len(points) + 1) if everywhere else (between_the_tables, len(points) - 2):
        deployment = deployed()
        killed = deployment.start(forker, "killed", die_at=die_at, **what)
        assert killed.wait() == -9, killed.errors
        assert deployment.visible()[0] == before[0], points[die_at - 1]
        assert visible(deployment.pipeline()) in (placed_before, placed_after), points[die_at - 1]

        again = deployment.start(forker, ("killed", "another")[die_at % 2], **what)

        assert again.wait() == 0, again.errors
        assert deployment.visible() == before, points[die_at - 1]
        assert visible(deployment.pipeline()) == placed_after, points[die_at - 1]
        assert_sound(deployment.pipeline(), BROKEN, SOUND)
