"""``vpclogs monitor``, ``alerts`` and ``drift`` in processes of their own, on a real S3 server."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.include.vpclogs.cli.conftest import Deployment
from tests.pipelines import dns_key, event, put_lines


def test_finding_of_a_monitor_stays_an_alert(deployment: Deployment, s3, bucket):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    records = [event(query_timestamp=f"{today}T00:00:00Z", quantum="x")]
    put_lines(s3, bucket, dns_key("0000", day=today.replace("-", "/")), records)
    assert deployment.vpclogs("load", "--log-type", "vpc_dns", "--from", today, "--to", today).returncode == 0

    key, what = "schema_drift/dns/unknown_field/quantum", "vpc_dns of the source dns: the field quantum"
    found = deployment.vpclogs("monitor")
    assert (found.returncode, found.stderr) == (0, "")
    first, second = found.stdout.splitlines()
    assert first == f"warning  {key}"
    assert second.startswith(f"  {what}")

    alerts = deployment.vpclogs("alerts")
    assert f"warning  #1 {key} (since {today}" in alerts.stdout
    assert ", not notified yet)\n" in alerts.stdout
    assert alerts.stderr == "1 alert is open; docs/quality.md says what to do about each\n"

    acknowledged = deployment.vpclogs("alerts", "ack", "1", "--note", "a new field, upgrade planned")
    assert acknowledged.stderr == "alert 1 is acknowledged: it stays open, and notifiers do not repeat it\n"
    assert ": a new field, upgrade planned\n" in deployment.vpclogs("alerts").stdout
    assert deployment.vpclogs("alerts", "ack", "7").returncode == 1
    assert "ack needs the number of an alert" in deployment.vpclogs("alerts", "ack").stderr

    assert "unknown field  quantum" in deployment.vpclogs("drift").stdout


def test_without_an_alert_it_says_so(here: Deployment):
    assert here.vpclogs("alerts").stderr.startswith("no alert is open at ")
