"""Publishing against a model: any order of deliveries, runs, crashes and overlaps leaves what S3 had, once."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from pyiceberg.catalog.sql import SqlCatalog

from tests.factories import NOW, PARTITION, freeze, make_object, row_ids, stage_objects
from vpclogs.config.settings import MaintenanceSettings
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import Database
from vpclogs.manifests import Manifest, Mode
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.publishing.publisher import Publisher
from vpclogs.staged import BatchResult, ObjectOutcome
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

PARTITIONS = (PARTITION, Partition.parse("123456789012|eu-west-1|2022-10-07", LogType.VPC_DNS))
NAMES = ("a", "b")
CONTENTS = ("e1", "e2", "e3", "e4")
"""ETags: a key written with the same one again has its earlier content back."""
STEP = st.sampled_from((1, 1, 1, 1, 1, *range(2, 13)))
"""A publish has some ten; before the first it has made its plan."""
NEWEST = st.integers(-3, -1)
"""Of the runs that wait."""
SHORT_HISTORY = MaintenanceSettings.model_construct(max_snapshots=2, keep_snapshots=1)
"""Far shorter than settings allow, so that histories are cut at any moment."""


class Crash(BaseException):
    """Stands for the end of a process: nothing catches it."""


class Steps:
    """The steps of all publishes, in the order in which others can see them. What happens at the next ones is set."""

    def __init__(self) -> None:
        self._left: dict[int, Callable[[], object]] = {}
        self._passed = 0
        self._within = 0

    def plan(self, *happenings: tuple[int, Callable[[], object]]) -> None:
        self._passed = 0
        self._left = dict(happenings)

    def at(self, *, outside: bool) -> None:
        """A step. What happens within a ledger transaction can only be a crash."""
        self._passed += 1
        happen = self._left.get(self._passed)
        if happen is not None and (outside or happen is crash):
            del self._left[self._passed]
            happen()


def crash() -> None:
    raise Crash


STEPS = Steps()


@contextmanager
def observed() -> Iterator[None]:
    """Tell `STEPS` of each ledger transaction and each commit to a table."""
    write, commit = Database.write, SqlCatalog.commit_table

    @contextmanager
    def observed_write(self: Database) -> Iterator[Any]:
        STEPS.at(outside=True)
        with write(self) as connection:
            yield connection
            STEPS.at(outside=False)
        STEPS.at(outside=True)

    def observed_commit(self: SqlCatalog, *args: Any) -> Any:
        STEPS.at(outside=True)
        answer = commit(self, *args)
        STEPS.at(outside=True)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "write", observed_write)
        patch.setattr(SqlCatalog, "commit_table", observed_commit)
        yield


@dataclass(frozen=True)
class Run:
    """A staged run. ``listed`` is what S3 had when it was planned, ``read`` what was still the same when staged."""

    manifest: Manifest
    staged: BatchResult


class Publishing(RuleBasedStateMachine):
    """S3, the runs that wait to be published, and what a reader may see."""

    folder: ClassVar[Path]
    ledger_file: ClassVar[Path]
    numbers: ClassVar[Iterator[int]]

    def __init__(self) -> None:
        super().__init__()
        number = next(self.numbers)
        shutil.copy(self.ledger_file, ledger := self.folder / f"ledger-{number}.db")
        self.ledger = Ledger(f"sqlite:///{ledger}")
        catalog = {
            "type": "sql",
            "uri": f"sqlite:///{self.folder}/catalog.db",
            "warehouse": f"file://{self.folder}/lake",
        }
        self.warehouse = Warehouse(catalog, namespace=f"n{number}")
        self.publisher = Publisher(
            self.ledger, self.warehouse, clock=lambda: NOW, sleep=lambda seconds: None, maintenance=SHORT_HISTORY
        )
        self.s3: dict[tuple[Partition, str], LogObject] = {}
        self.minutes = itertools.count()
        self.runs: list[Run] = []
        self.ever_seen: set[tuple[str, str]] = set()  # keys that have had rows in the table
        self.by_identity: dict[str, LogObject] = {}

    @rule(partition=st.sampled_from(PARTITIONS), name=st.sampled_from(NAMES), content=st.sampled_from(CONTENTS))
    def deliver(self, partition: Partition, name: str, content: str) -> None:
        """Write or rewrite an object."""
        at = NOW + timedelta(minutes=next(self.minutes))
        item = make_object(f"{partition.region}/{name}", partition=partition, etag=content, at=at)
        self.s3[partition, name] = item
        self.by_identity[item.identity] = item

    @rule(
        partition=st.sampled_from(PARTITIONS),
        name=st.sampled_from(NAMES),
        contents=st.permutations(CONTENTS),
        reload=st.booleans(),
        older_first=st.booleans(),
        at=STEP,
        dies=st.integers(1, 30),
    )
    def let_two_versions_meet(
        self,
        partition: Partition,
        name: str,
        contents: list[str],
        reload: bool,
        older_first: bool,
        at: int,
        dies: int,
    ) -> None:
        """Two runs that hold different versions of one object are published at once."""
        self.deliver(partition, name, contents[0])
        self.stage_a_reload(partition, None) if reload else self.stage_an_hour(None)
        self.deliver(partition, name, contents[1])
        self.stage_an_hour(None)
        if len(self.runs) > 1:
            self.publish_two_at_once(*((-2, -1) if older_first else (-1, -2)), at, dies)

    @initialize(contents=st.permutations(CONTENTS), reload=st.booleans(), older_first=st.booleans(), at=STEP)
    def begin_with_two_versions(self, contents: list[str], reload: bool, older_first: bool, at: int) -> None:
        self.let_two_versions_meet(PARTITIONS[0], NAMES[0], contents, reload, older_first, at, 30)

    @rule(partition=st.sampled_from(PARTITIONS), name=st.sampled_from(NAMES))
    def delete(self, partition: Partition, name: str) -> None:
        self.s3.pop((partition, name), None)

    @rule(unread=st.sampled_from((*NAMES, None, None, None, None)))
    def stage_an_hour(self, unread: str | None) -> None:
        """Plan and stage what is new; one object may be gone when it is read."""
        self.publisher.complete_open(LogType.VPC_DNS)
        self._stage(self.ledger.objects.new(list(self.s3.values())), Mode.ADD, unread)

    @rule(partition=st.sampled_from(PARTITIONS), unread=st.sampled_from((*NAMES, None, None, None, None)))
    def stage_a_reload(self, partition: Partition, unread: str | None) -> None:
        self._stage([item for item in self.s3.values() if item.partition == partition], Mode.RELOAD, unread)

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 5), at=st.integers(1, 12))
    def publish_and_crash(self, which: int, at: int) -> None:
        """The process dies at one of its steps, if it has so many; its run may be published again later."""
        STEPS.plan((at, crash))
        self._publish(self.runs[which % len(self.runs)])

    @initialize(partition=st.sampled_from(PARTITIONS), name=st.sampled_from(NAMES), at=st.integers(2, 12))
    def crash_once_claimed(self, partition: Partition, name: str, at: int) -> None:
        """A run with something new dies at one of its later steps, and the next run meets what it left."""
        self.deliver(partition, name, f"new at {next(self.minutes)}")
        self.stage_an_hour(None)
        self.publish_and_crash(len(self.runs) - 1, at)
        self.publisher.complete_open(LogType.VPC_DNS)
        self._look()

    @initialize(partition=st.sampled_from(PARTITIONS), at=STEP, dies=st.integers(1, 30))
    def pause_while_others_reload(self, partition: Partition, at: int, dies: int) -> None:
        """A publish is paused while two others change the other partition and cut the histories."""
        other = next(one for one in PARTITIONS if one != partition)
        for changed in (other, partition):
            self.deliver(changed, NAMES[0], f"new at {next(self.minutes)}")
            self.stage_an_hour(None)
            if changed == other:
                self.publish(len(self.runs) - 1)
        paused = self.runs[-1]
        self.stage_a_reload(other, None)
        self.stage_a_reload(other, None)
        others = self.runs[-2:]
        STEPS.plan((at, lambda: [self._publish(one) for one in others]), (at + dies, crash))
        self._publish(paused)

    @precondition(lambda self: self.runs)
    @rule(which=NEWEST, other=NEWEST, at=STEP, dies=st.integers(1, 30))
    def publish_two_at_once(self, which: int, other: int, at: int, dies: int) -> None:
        """Between two steps of one publish all of another happens, or it crashes; then perhaps the first one does."""
        second = self.runs[other % len(self.runs)]
        STEPS.plan((at, lambda: self._publish(second)), (at + dies, crash))
        self._publish(self.runs[which % len(self.runs)])

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 5))
    def publish(self, which: int) -> None:
        STEPS.plan()
        self._publish(self.runs[which % len(self.runs)])

    def teardown(self) -> None:
        STEPS.plan()
        for run in self.runs:
            self._publish(run)
        self.stage_an_hour(None)
        self.publish(len(self.runs) - 1) if self.runs else None
        self._look(whole=True)

    def _stage(self, listed: list[LogObject], mode: Mode, unread: str | None) -> None:
        if not listed:
            return
        STEPS.plan()
        manifest = freeze(self.ledger, listed, run_key=f"{len(self.runs)}", mode=mode)
        gone = [item for item in listed if unread and item.key.endswith(f"/{unread}")]
        staged = stage_objects(self.warehouse, [item for item in listed if item not in gone], rows=1)
        outcomes = [ObjectOutcome(item.identity, item.partition.key, "gone") for item in gone]
        result = msgspec.structs.replace(staged, outcomes=[*staged.outcomes, *outcomes])
        self.runs = [*self.runs[-5:], Run(manifest, result)]

    def _publish(self, run: Run) -> None:
        with suppress(Crash):
            self.publisher.publish(run.manifest, {0: run.staged}, [p.key for p in run.manifest.partitions])
        self._look()

    def _look(self, *, whole: bool = False) -> None:
        """No object twice, no key in two versions, none lost that was there; in the end all as S3 has it."""
        found = Counter(row_ids(self.warehouse))
        refused = Counter(row_ids(self.warehouse, QUARANTINE))
        assert max([*found.values(), *refused.values()], default=1) == 1, "a row is there twice"
        items = [self.by_identity[row[:24]] for row in found]
        keys = Counter((item.partition.key, item.key) for item in items)
        assert max(keys.values(), default=1) == 1, "two versions of one object are there"
        assert self.ever_seen <= set(keys), "an object's rows are gone"
        self.ever_seen |= set(keys)
        if whole:
            now = {item.identity for item in self.s3.values()}
            assert now <= {item.identity for item in items}, "an object of S3 is missing or old"
            assert {row[:24] for row in refused} == {row[:24] for row in found}, "the tables differ"
            statuses = self.ledger.partitions.status(LogType.VPC_DNS)
            assert sum(s.certificate.rows for s in statuses) == len(found), "the ledger counts otherwise"


@pytest.mark.parametrize(
    ("examples", "steps"),
    [pytest.param(6, 10, id="a few"), pytest.param(150, 30, id="many", marks=pytest.mark.slow)],
)
@pytest.mark.timeout(3600)
def test_any_order_of_events_loads_each_object_once(
    examples: int, steps: int, tmp_path: Path, empty_ledger: Path
) -> None:
    Publishing.folder, Publishing.ledger_file, Publishing.numbers = tmp_path, empty_ledger, itertools.count()
    with observed():
        run_state_machine_as_test(
            Publishing,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
