"""What a command prints as loaded is what became visible in the tables."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import ADMIN, Seaweed
from tests.fixtures.deployment_a3d8d14.make import BROKEN, DELETED, DENIED, JOINED, REWRITTEN, settings
from tests.include.vpclogs.cli.conftest import Deployment, deploy
from tests.old_deployment import unpack
from tests.pipelines import dns_key, event, put_lines
from vpclogs.warehouse.tables import Warehouse

DAY = "2022-10-07"
RANGE = ("--log-type", "vpc_dns", "--from", DAY, "--to", DAY)
Held = dict[str, tuple[int, int]]


@pytest.fixture
def old(tmp_path: Path, seaweed: Seaweed) -> Deployment:
    """The deployment of an earlier version, for the command."""
    unpack(tmp_path, seaweed)
    deployment = deploy(tmp_path, "old-logs", seaweed.endpoint)
    document = settings(tmp_path, seaweed.file_properties())
    for source in document["sources"]:
        source["endpoint_url"] = seaweed.endpoint
    (tmp_path / "vpclogs.yaml").write_text("\n".join(f"{name}: {value!r}" for name, value in document.items()))
    given = seaweed.credentials(ADMIN)
    env = {"AWS_ACCESS_KEY_ID": given["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": given["aws_secret_access_key"]}
    return Deployment(deployment.folder, deployment.bucket, deployment.env | env)


def held(warehouse: Warehouse) -> Held:
    """Rows and refused records by partition, read from the tables."""
    counts = []
    for name in ("vpc_dns", "quarantine"):
        found = warehouse.table(name).scan(selected_fields=("p_account", "p_region", "p_day")).to_arrow().to_pylist()
        counts.append(Counter(f"{row['p_account']}|{row['p_region']}|{row['p_day']}" for row in found))
    return {key: (counts[0][key], counts[1][key]) for key in counts[0].keys() | counts[1].keys()}


def by_partition(stderr: str, end: str = "") -> Held:
    """The counts that a command prints, by partition, in lines with the given end."""
    line = r"^(\d{12}\|[a-z0-9-]+\|[0-9-]+): (\d+) rows?, (\d+) quarantined" + end + "$"
    return {key: (int(rows), int(refused)) for key, rows, refused in re.findall(line, stderr, re.MULTILINE)}


def loaded(stderr: str) -> tuple[int, int]:
    (line,) = re.findall(r"^loaded \d+ objects?: (\d+) rows?, (\d+) quarantined$", stderr, re.MULTILINE)
    return int(line[0]), int(line[1])


def shown(deployment: Deployment) -> Held:
    """What `status` shows."""
    lines = [line.split() for line in deployment.vpclogs("status", "--log-type", "vpc_dns").stdout.splitlines()[1:]]
    return {line[1]: (int(line[9]), int(line[10])) for line in lines if line[9] != "0" or line[10] != "0"}


@pytest.fixture
def warehouse(old: Deployment, seaweed: Seaweed) -> Warehouse:
    return Warehouse(settings(old.folder, seaweed.file_properties())["catalog"], namespace="vpclogs")


def test_load_prints_what_its_commit_brought(old: Deployment, warehouse: Warehouse, s3: Any) -> None:
    put_lines(s3, old.bucket, dns_key("2100", account="777777777777"), [event(), b"{"])
    before = held(warehouse)

    done = old.vpclogs("load", *RANGE)

    after = held(warehouse)
    new = [key for key in after if after[key] != before.get(key)]
    assert done.returncode == 0, done.stderr
    assert sorted(new) == [f"{one}|eu-west-1|{DAY}" for one in (DENIED, BROKEN)] + [f"777777777777|us-west-2|{DAY}"]
    # of one partition four rows had been there before
    assert loaded(done.stderr) == (sum(after[key][0] for key in new) - 4, sum(after[key][1] for key in new))
    assert f"published {len(new)} partitions" in done.stderr
    assert "2 objects moved to the partition of the region that the records name" in done.stderr
    assert shown(old) == after
    assert "nothing new" in old.vpclogs("load", *RANGE).stderr
    assert held(warehouse) == after


@pytest.mark.parametrize("region", ["unknown", "eu-west-1"])
def test_rerun_prints_what_each_partition_holds(region: str, old: Deployment, warehouse: Warehouse) -> None:
    accounts = [DENIED, BROKEN, DELETED, REWRITTEN, *([JOINED] if region == "eu-west-1" else [])]
    keys = [f"{account}|{region}|{DAY}" for account in accounts]

    before = held(warehouse)

    done = old.vpclogs("rerun", *keys, "--log-type", "vpc_dns", "--local")

    after = held(warehouse)
    printed, added = by_partition(done.stderr), by_partition(done.stderr, ", added to what it held")
    assert done.returncode == 0, done.stderr
    assert printed.keys() >= set(keys)
    assert printed == {key: after.get(key, (0, 0)) for key in printed}
    for key, (rows, refused) in added.items():
        # a version that a newer one replaced was among those before
        gone = before[key] if key.startswith(REWRITTEN) else (0, 0)
        had = before.get(key, (0, 0))
        assert after[key] == (had[0] - gone[0] + rows, had[1] - gone[1] + refused)
    assert (printed | added).keys() >= {f"{account}|eu-west-1|{DAY}" for account in accounts if account != REWRITTEN}
    assert shown(old) == after


def test_backfill_and_replay_print_what_they_brought(old: Deployment, warehouse: Warehouse, s3: Any) -> None:
    long = event(query_name="a-name-that-makes-its-line-too-long-for-the-first-load.example.com.")
    put_lines(s3, old.bucket, dns_key("2100", account="777777777777"), [event(), long])
    path = old.folder / "vpclogs.yaml"
    text = path.read_text()
    path.write_text(f"{text}\nlimits: {{max_line_bytes: {len(long) - 1}}}\n")

    backfill = old.vpclogs("backfill", *RANGE, "--account", "777777777777", "--local", "--yes")
    between = held(warehouse)
    path.write_text(text)
    replay = old.vpclogs("replay", "--log-type", "vpc_dns", "--reason", "line_too_long", "--no-reload")

    key = f"777777777777|us-west-2|{DAY}"
    assert by_partition(backfill.stderr) == {key: between[key]} == {key: (1, 1)}
    assert "1 record moved from the quarantine to vpc_dns" in replay.stderr
    assert held(warehouse)[key] == (2, 0)
