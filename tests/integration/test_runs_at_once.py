"""Hourly runs and reloads of the same partitions, all at once, in processes of their own."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.deployments import ACCOUNT, Deployment, dns_body, dns_key, partition_key

OTHER = "222222222222"


@pytest.mark.parametrize(
    ("hours", "reloads", "rounds"),
    [
        pytest.param(2, 1, 2, id="2 hours and a reload"),
        pytest.param(4, 4, 8, id="8 processes", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_hours_and_reloads_at_once_leave_each_row_once(hours, reloads, rounds, deploy, bucket, s3, forker):
    """Each round some objects are new, one is rewritten and one deleted, and then everybody runs."""
    deployment: Deployment = deploy(bucket, user="admin", limits={"batch_objects": 4})
    expected: Counter[int] = Counter()
    for number in range(rounds):
        for account in (ACCOUNT, OTHER):
            for place in range(3):
                port = 1000 + number * 100 + place * 10
                body = dns_body(5, 1, account=account, port=port)
                s3.put_object(Bucket=bucket, Key=dns_key(f"{number:02}{place}0", account=account), Body=body)
                expected.update(range(port, port + 5))
        if number:
            s3.put_object(Bucket=bucket, Key=dns_key(f"{number - 1:02}00"), Body=dns_body(2, port=9000 + number * 10))
            expected.subtract(range(900 + number * 100, 905 + number * 100))
            expected.update(range(9000 + number * 10, 9002 + number * 10))
            s3.delete_object(Bucket=bucket, Key=dns_key(f"{number - 1:02}10"))  # its rows stay
        runs = [deployment.start(forker, f"hour {number}.{n}") for n in range(hours)]
        runs += [
            deployment.start(forker, f"reload {number}.{n}", reload=partition_key((ACCOUNT, OTHER)[n % 2]))
            for n in range(reloads)
        ]
        assert [run.errors for run in runs if run.wait(600)] == []
        # S3 gives times in whole seconds, so a run that began before the rewriting may have won; the next sets it right
        last = deployment.start(forker, f"hour {number}.last")
        assert last.wait(600) == 0, last.errors
        assert Counter(deployment.ports()) == +expected
