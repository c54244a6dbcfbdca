"""Hours during which S3 misbehaves: each ends right or names what it could not load, and the next one mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from demo.seaweed import Seaweed
from tests.fault_proxy import FaultProxy
from tests.integration.deployments import Deployment, dns_body, dns_key, partition_key
from vpclogs.errors import PartitionsFailed

GOOD, POOR = "111111111111", "222222222222"
"""The accounts; what is broken is broken for the second one."""

GET_POOR = rf"^GET .*/AWSLogs/{POOR}/.*\.gz"
LIST_POOR = rf"^GET .*prefix=AWSLogs/{POOR}/"
ALWAYS = None


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[FaultProxy]:
    with FaultProxy(seaweed.endpoint) as proxy:
        yield proxy


@pytest.fixture
def deployment(deploy: Callable[..., Deployment], s3, bucket) -> Deployment:
    """Two accounts with two objects each; the regions of their VPCs are known from a day before."""
    deployment = deploy(bucket, user="admin")
    for account in (GOOD, POOR):
        s3.put_object(Bucket=bucket, Key=dns_key("0005", account=account), Body=dns_body(1, account=account))
    deployment.run()
    for account, port in ((GOOD, 2000), (POOR, 3000)):
        for name, more in (("0010", 0), ("0015", 100)):
            body = dns_body(50, 1, account=account, port=port + more)
            s3.put_object(Bucket=bucket, Key=dns_key(name, account=account), Body=body)
    return deployment


def counts(deployment: Deployment) -> dict[str, int]:
    """Rows per account."""
    rows = deployment.warehouse.table("vpc_dns").scan(selected_fields=("p_account",)).to_arrow()
    return {group["values"]: group["counts"] for group in rows.column(0).value_counts().to_pylist()}


TROUBLE: dict[str, Callable[[FaultProxy], object]] = {
    "503 SlowDown on each first try": lambda proxy: proxy.slow_down(GET_POOR, times=2),
    "503 SlowDown while listing": lambda proxy: proxy.slow_down(LIST_POOR, times=2),
    "reset in mid-body": lambda proxy: proxy.reset(GET_POOR, times=2, after=50),
    "a short body": lambda proxy: proxy.cut(GET_POOR, times=2, after=50),
    "a short body that says it is whole": lambda proxy: proxy.cut(GET_POOR, times=2, after=50, claim_all=False),
    "slow bytes": lambda proxy: proxy.slow(GET_POOR, times=2, seconds_per_kib=0.3),
}

OUTAGE: dict[str, tuple[Callable[[FaultProxy], object], str]] = {
    "503 SlowDown without end": (lambda proxy: proxy.slow_down(GET_POOR, ALWAYS), "could not be read"),
    "reset in mid-body without end": (lambda proxy: proxy.reset(GET_POOR, ALWAYS, after=50), "could not be read"),
    "short bodies without end": (lambda proxy: proxy.cut(GET_POOR, ALWAYS, after=50), "could not be read"),
    "403 for one account's objects": (lambda proxy: proxy.deny(GET_POOR), "s3:GetObject"),
    "403 for one account's listing": (lambda proxy: proxy.deny(LIST_POOR), "s3:ListBucket"),
    "503 for one account's listing": (lambda proxy: proxy.slow_down(LIST_POOR, ALWAYS), "source dns"),
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpclogs.s3.errors._FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr("vpclogs.s3.errors._LONGEST_WAIT_SECONDS", 0.01)


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_passing_trouble_is_got_over_within_the_hour(trouble, deployment, proxy):
    trouble(proxy)

    deployment.run(endpoint=proxy.endpoint)

    assert counts(deployment) == {GOOD: 101, POOR: 101}


@pytest.mark.parametrize(("outage", "said"), OUTAGE.values(), ids=OUTAGE)
def test_outage_of_one_account_is_repaired_by_the_next_hour(outage, said, deployment, proxy):
    outage(proxy)

    with pytest.raises(PartitionsFailed, match=POOR) as failed:
        deployment.run(endpoint=proxy.endpoint)

    assert GOOD not in str(failed.value)
    assert said in str(failed.value)
    assert counts(deployment) == {GOOD: 101, POOR: 1}
    proxy.clear()
    deployment.run(endpoint=proxy.endpoint)
    assert counts(deployment) == {GOOD: 101, POOR: 101}
    assert {s.state for s in deployment.pipeline().ledger.partitions.status("vpc_dns")} == {"published"}


def test_wrong_etag_is_a_change_for_the_next_hour(deployment, proxy):
    """As of a server that ignores If-Match: what came may be of another version, so nothing of it counts."""
    proxy.other_etag(GET_POOR)

    deployment.run(endpoint=proxy.endpoint)

    assert counts(deployment) == {GOOD: 101, POOR: 1}
    proxy.clear()
    deployment.run(endpoint=proxy.endpoint)
    assert counts(deployment) == {GOOD: 101, POOR: 101}


def test_a_reload_during_an_outage_leaves_what_is_there(deployment, proxy):
    deployment.run()
    proxy.reset(GET_POOR, ALWAYS, after=50)

    with pytest.raises(PartitionsFailed, match=POOR):
        deployment.run(reload=partition_key(POOR), endpoint=proxy.endpoint)

    assert counts(deployment) == {GOOD: 101, POOR: 101}
    proxy.clear()
    deployment.run(reload=partition_key(POOR), endpoint=proxy.endpoint)
    assert counts(deployment) == {GOOD: 101, POOR: 101}
