"""Runs that are killed at every step and at random moments; after a rerun everything is there once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from demo.seaweed import Seaweed
from tests.forking import Forker
from tests.integration.deployments import DAY, Deployment, dns_body, dns_key
from vpclogs.objects import object_identity
from vpclogs.partitions import LogType

Rows = Counter[str]
FINE, PARTLY_UNREADABLE = ("111111111111", "222222222222"), "333333333333"
LIMITS = {"batch_objects": 8}  # several batches, so that a run can die between them


@dataclass(frozen=True)
class World:
    """A bucket, and what a reader must see of it in the end."""

    bucket: str
    table: Rows
    quarantine: Rows


@pytest.fixture(scope="module")
def world(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two accounts with broken records and objects, and one with an object that nobody may read."""
    s3, bucket = seaweed.client(), "crashes"
    s3.create_bucket(Bucket=bucket)
    table, quarantine = Rows(), Rows()

    def put(name: str, body: bytes, *, account: str, day: Any, good: int = 0, bad: int = 0, whole: int = 0) -> None:
        key = dns_key(name, account=account, day=day)
        etag = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        if account in FINE:
            identity = object_identity(bucket, key, etag)
            table.update(f"{identity}{line:08x}" for line in range(1, good + 1))
            quarantine.update(f"{identity}{line:08x}" for line in range(good + 1, good + bad + 1))
            quarantine.update(f"{identity}{0:08x}" for _ in range(whole))

    for account in (*FINE, PARTLY_UNREADABLE):
        for day in (DAY - timedelta(days=1), DAY):
            how = {"account": account, "day": day}
            put("0005", dns_body(5, 2, **how), good=5, bad=2, **how)
            put("0010", dns_body(4, **how, port=2000), good=4, **how)
            put("0015", dns_body(9, **how, port=3000)[:-20], whole=1, **how)
            put("0020", b"", **how)
    unreadable = [dns_key("0010", account=PARTLY_UNREADABLE, day=day) for day in (DAY - timedelta(days=1), DAY)]
    seaweed.deny(bucket, *unreadable, listing=False)
    return World(bucket, table, quarantine)


@dataclass
class Watcher:
    """Reads the tables all the time; whatever is visible must be all of a publish or nothing of it."""

    deployment: Deployment
    world: World
    seen: int = 0
    wrong: list[str] = field(default_factory=list)

    def look(self) -> None:
        warehouse = self.deployment.warehouse
        for name, whole in (("vpc_dns", self.world.table), ("quarantine", self.world.quarantine)):
            try:
                table = warehouse.catalog.load_table((warehouse.namespace, name))
            except (NoSuchTableError, NoSuchNamespaceError):
                continue
            found = Rows(table.scan(selected_fields=("p_row_id",)).to_arrow().column(0).to_pylist())
            self.seen += 1
            if found not in (Rows(), whole):
                self.wrong.append(f"{name}: {len(found)} rows are visible, {len(whole)} are a whole publish")

    @contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                self.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def assert_whole(deployment: Deployment, world: World) -> None:
    table, quarantine = deployment.visible()
    assert (table - world.table, quarantine - world.quarantine) == (Rows(), Rows()), "rows twice, or that must not be"
    assert (world.table - table, world.quarantine - quarantine) == (Rows(), Rows()), "rows lost"
    states = {s.partition.account: (s.state, s.certificate.complete) for s in statuses(deployment)}
    assert states == dict.fromkeys(FINE, ("published", True)) | {PARTLY_UNREADABLE: ("failed", False)}


def statuses(deployment: Deployment) -> Any:
    return deployment.pipeline().ledger.partitions.status(LogType.VPC_DNS)


def kill_points(deployment: Deployment, forker: Forker, file: Path) -> list[str]:
    """What a run that nobody kills passes, in order."""
    run = deployment.start(forker, "undisturbed", points=str(file))
    assert run.wait() == 0, run.errors
    return file.read_text().splitlines()


def survive(deployment: Deployment, forker: Forker, world: World, kills: list[dict[str, Any]]) -> None:
    """Run and kill, run and kill, and then to the end; every second rerun is another run."""
    watcher = Watcher(deployment, world)
    for number, kill in enumerate(kills):
        delay = kill.pop("after", None)
        run = deployment.start(forker, f"hour {number // 2}", **kill)
        if delay is not None:
            time.sleep(delay)
            run.kill()
        run.wait()
        watcher.look()
    with watcher.watching():
        last = deployment.start(forker, f"hour {len(kills) // 2}")
        assert last.wait() == 0, last.errors
    assert watcher.wrong == []
    assert watcher.seen
    assert_whole(deployment, world)


def moment(points: list[str], name: str, number: int) -> int:
    """The kill point that is the first, second, … (or last, with -1) of its name; they count from 1."""
    places = [place for place, point in enumerate(points, 1) if point == name]
    return places[number if number < 0 else number - 1]


# Pairs of moments at which two runs die one after the other; numbers count from either end. What a publish does
# is the end of each list: claim; the quarantine's commit; the table's commit; settle; two notes about the run.
MOMENTS = (
    (("after plan", 1), ("after close", 2)),
    (("after _write_metadata", 1), ("after a ledger commit", 12)),  # a table half made; between two batches
    (("after audit", 1), ("before a ledger commit", -4)),  # nothing claimed yet
    (("after a ledger commit", -4), ("after commit_table", 1)),  # claimed; then while completing it
    (("after _write_metadata", -2), ("after commit_table", -2)),  # written, not visible; between the two tables
    (("after commit_table", -1), ("after a ledger commit", -3)),  # before the ledger is told; after
)


@pytest.mark.timeout(600)
def test_killed_runs_are_finished_by_the_next(world, deploy, forker, tmp_path):
    points = kill_points(deploy(world.bucket, limits=LIMITS), forker, tmp_path / "points")
    for pair in MOMENTS:
        survive(deploy(world.bucket, limits=LIMITS), forker, world, [{"die_at": moment(points, *one)} for one in pair])
    print(f"killed {2 * len(MOMENTS)} runs of {len(points)} steps each: 0 rows lost, 0 twice, 0 seen too early")


@pytest.mark.parametrize(
    ("deployments", "seed"),
    [
        pytest.param(1, 1, id="3 kills", marks=pytest.mark.timeout(600)),
        pytest.param(67, 2, id="201 kills", marks=[pytest.mark.slow, pytest.mark.timeout(5400)]),
    ],
)
def test_runs_killed_at_random_are_finished_by_the_next(deployments, seed, world, deploy, forker, tmp_path):
    started = time.monotonic()
    points = kill_points(deploy(world.bucket, limits=LIMITS), forker, tmp_path / "points")
    length = time.monotonic() - started
    chosen = random.Random(seed)
    first_of_publish = points.index("before publish")
    for _ in range(deployments):
        kills: list[dict[str, Any]] = [
            {"die_at": chosen.randint(1, len(points))},
            {"die_at": chosen.randint(first_of_publish, len(points))},
            {"after": chosen.uniform(0, length)},
        ]
        chosen.shuffle(kills)
        survive(deploy(world.bucket, limits=LIMITS), forker, world, kills)
    print(f"killed {3 * deployments} runs at random: 0 rows lost, 0 twice, 0 seen too early")
