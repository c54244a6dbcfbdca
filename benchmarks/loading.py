"""`python -m benchmarks.loading`: `vpclogs load` as a user runs it, from a real S3 server.

Loads 1, 4 and (with --full) 16 million DNS records in objects of 25,000 records, and
prints how the time grows, and how much of it is CPU rather than waiting for S3.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from demo.sample import dns_lines
from demo.seaweed import Seaweed

FOLDER = Path("var/bench/loading")
DAY, ACCOUNT, VPC = date(2026, 1, 15), "111122223333", "vpc-0a1b2c3d"
RECORDS = 25_000
CONFIG = """
ledger: sqlite:///ledger.db
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: "file://warehouse"}}
sources:
  - {{name: bench, log_type: vpc_dns, bucket: logs, endpoint_url: "{endpoint}", region: us-east-1}}
"""


def keys(count: int) -> Iterator[str]:
    """As many object keys of one VPC and day."""
    for number in range(count):
        stem = f"{VPC}_vpcdnsquerylogs_{ACCOUNT}_{DAY:%Y%m%d}T{number // 12 % 24:02}{number % 12 * 5:02}Z"
        yield f"AWSLogs/{ACCOUNT}/vpcdnsquerylogs/{VPC}/{DAY:%Y/%m/%d}/{stem}_{number:08x}.log.gz"


def load(server: Seaweed, bodies: list[bytes], millions: int) -> tuple[float, float]:
    """Load so many million records into new tables; CPU and wall seconds of the command."""
    client = server.client()
    wanted = list(keys(millions * 1_000_000 // RECORDS))
    for number, key in enumerate(wanted):
        client.put_object(Bucket="logs", Key=key, Body=bodies[number % len(bodies)])
    home = FOLDER / f"{millions}m"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "vpclogs.yaml").write_text(CONFIG.format(endpoint=server.endpoint))
    credentials = server.credentials()
    environment = {
        "PATH": "/usr/bin:/bin",
        "VPCLOGS_CONFIG": str(home / "vpclogs.yaml"),
        "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
    }
    command = [str(Path(sys.executable).parent / "vpclogs"), "load", "--log-type", "vpc_dns"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--from", DAY.isoformat(), "--to", DAY.isoformat()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or f"{millions * 1_000_000} rows" not in done.stdout + done.stderr:
        raise RuntimeError(f"the load did not end as expected:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--full", action="store_true", help="16 million records too")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    bodies = [gzip.compress(dns_lines(rng, RECORDS, dirty=0)) for _ in range(8)]
    shutil.rmtree(FOLDER, ignore_errors=True)  # what an earlier run left would be loaded too
    server = Seaweed(FOLDER / "s3")
    server.start()
    try:
        per_million: dict[int, float] = {}
        for millions in (1, 4, 16) if arguments.full else (1, 4):
            cpu, wall = load(server, bodies, millions)
            per_million[millions] = wall / millions
            print(f"  load of {millions} M records: cpu {cpu:.1f} s, wall {wall:.1f} s", flush=True)
            print(f"RATIO load_{millions}m_vs_1m_per_record {per_million[millions] / per_million[1]:.3g}", flush=True)
            print(f"RATIO load_{millions}m_cpu_vs_wall {cpu / wall:.3g}", flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
