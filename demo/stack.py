"""The parts of the demo: the S3 server with the samples, the settings, Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from demo.airflow_server import PASSWORD, USER, AirflowServer, choose_port
from demo.options import REPOSITORY, DemoError, Options
from demo.sample import FRESH, Offices, Sample, Truth
from demo.seaweed import READER, Seaweed

__all__ = ["BUCKET", "Stack"]

BUCKET = "network-logs"
OFFICES_BUCKET = "office-logs"
CONNECTION = "aws_demo"
POOL = "s3"

_LONGEST_LOOKBACK = 30  # days; the most that the settings allow

_CONFIG = """\
# Written by `make demo`. Every key is explained in config/vpclogs.example.yaml.
ledger: sqlite:///ledger.db
catalog:
  type: sql
  uri: sqlite:///catalog.db
  warehouse: file://warehouse

# For vpclogs rerun and backfill, which start runs in Airflow.
airflow:
  url: {url}
  username: {user}
  password: {password}

limits:
  batch_objects: 60   # small, so that even this sample is shared out to several tasks

checks_folder: {checks}

monitors:
  per_source:
    # Here one record in 1,000 and one object in 30 are broken on purpose, and always were.
    dns: {{min_quarantined_share: 0.05, min_refused_objects: 100}}
    flow: {{min_quarantined_share: 0.05, min_refused_objects: 100}}

sources:
  - name: dns
    log_type: vpc_dns
    bucket: {bucket}
    connection: {connection}
    lookback_days: {lookback}
  - name: flow
    log_type: vpc_flow
    bucket: {bucket}
    connection: {connection}
    lookback_days: {lookback}
  - name: offices       # two weeks of four small VPCs, in each of which something has begun to go wrong
    log_type: vpc_dns
    bucket: {offices_bucket}
    connection: {connection}
    lookback_days: {offices_lookback}
    accounts: ["{offices_account}"]
"""


@dataclass(slots=True)
class _Made:
    """The choices of earlier runs of the demo, for the next one."""

    port: int | None = None
    s3_port: int | None = None
    seed: int = 0
    scale: float = 0
    days: list[str] = field(default_factory=list)
    hour: str = ""
    folder: str = ""


class Stack:
    """The parts of the demo in ``options.folder``. Everything that is there already is used again."""

    def __init__(self, options: Options, *, now: datetime) -> None:
        self.options = options
        self.folder = options.folder
        self.now = now
        self.today = now.date()
        self._state_file = self.folder / "state.json"
        self._made = _Made(**json.loads(self._state_file.read_text())) if self._state_file.exists() else _Made()
        self._require_unmoved()
        port = options.s3_port or self._made.s3_port
        self.seaweed = Seaweed(self.folder / "s3", port=port, buckets=[BUCKET, OFFICES_BUCKET])

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def config(self) -> Path:
        return self.folder / "vpclogs.yaml"

    @cached_property
    def airflow(self) -> AirflowServer:
        """Airflow as it must be now; the S3 server must run, because its address is in the connection."""
        before = self._made.port
        own = any(part.running for part in self._airflow(before or 0).parts)
        port = choose_port(self.options.port, before, own=own)
        self._remember(port=port)
        return self._airflow(port)

    @cached_property
    def sample(self) -> Sample:
        """The sample: of the two days before today, or the one that was made earlier.

        Raises:
            DemoError: it has other settings, or is too old for a lookback.
        """
        asked, made = self.options, self._made
        again = f"make a new one: make demo-down, rm -r {self.folder}, make demo"
        if not made.days:
            days = [self.today - timedelta(days=2), self.today - timedelta(days=1)]
            seed, scale = 7 if asked.seed is None else asked.seed, asked.scale or 1.0
            self._remember(seed=seed, scale=scale, days=[day.isoformat() for day in days])
        if asked.seed not in (None, made.seed) or asked.scale not in (None, made.scale):
            raise DemoError(f"the sample in {self.folder} has another DEMO_SEED or DEMO_SCALE: {again}")
        days = [date.fromisoformat(day) for day in made.days]
        if self._lookback(days[0]) > _LONGEST_LOOKBACK:
            raise DemoError(f"the sample in {self.folder} is too old to be found by a look-back: {again}")
        return Sample(made.seed, tuple(days), made.scale)

    @cached_property
    def offices(self) -> Offices:
        """The offices: with a history up to this hour, or to the one in which they were made."""
        if not self._made.hour:
            self._remember(hour=self.now.replace(minute=0, second=0, microsecond=0).isoformat())
        return Offices(self.sample.seed, datetime.fromisoformat(self._made.hour))

    def start_s3(self) -> None:
        self.seaweed.start()
        self._remember(s3_port=self.seaweed.port)

    def write_sample(self, *, late: bool, progress: Callable[[int, int], None]) -> Truth | None:
        """Put the punctual or the late objects into the bucket. Returns None if that was done before."""
        sample, truth_file = self.sample, self._truth_file(late=late)
        if truth_file.exists():
            return None
        truth = sample.write(self.seaweed.client(), BUCKET, late=late, progress=progress)
        truth.save(truth_file)
        return truth

    def write_offices(self) -> None:
        """Put the offices' objects into their bucket, unless that was done before."""
        if not self._offices_truth.exists():
            self.offices.write(self.seaweed.client(), OFFICES_BUCKET).save(self._offices_truth)

    def findings(self, now: datetime) -> Mapping[str, str] | None:
        """Return the findings expected now, with reasons, or None if the offices' history ended too long ago."""
        if now >= self.offices.hour + FRESH:
            return None
        return {**self.sample.findings("dns"), **self.offices.findings("offices")}

    def truth(self) -> Truth:
        """What must have become of all that was written so far, and that a source reads."""
        files = [self._truth_file(late=False), self._truth_file(late=True), self._offices_truth]
        parts = [Truth.load(file) for file in files if file.exists()]
        return Truth(BUCKET, tuple(one for part in parts for one in part.objects))

    def write_config(self) -> None:
        """The configuration, and a file to be sourced by a shell that wants to use this demo."""
        lookback = self._lookback(self.sample.days[0])
        self.config.touch(mode=0o600)
        self.config.write_text(
            _CONFIG.format(
                url=self.airflow.url,
                user=USER,
                password=PASSWORD,
                bucket=BUCKET,
                connection=CONNECTION,
                lookback=lookback,
                offices_bucket=OFFICES_BUCKET,
                offices_lookback=min(_LONGEST_LOOKBACK, self._lookback(self.offices.first_day)),
                offices_account=self.offices.covered,
                checks=REPOSITORY / "config" / "checks",
            )
        )
        lines = [f"export {name}='{value}'" for name, value in self.airflow.settings().items()]
        env_file = self.folder / "env"
        env_file.touch(mode=0o600)
        env_file.write_text("# For a shell: . var/demo/env\n" + "\n".join(lines) + "\n")

    def stop(self) -> None:
        """Stop all that runs."""
        self._airflow(self._made.port or 0).stop()
        self.seaweed.stop()

    def _airflow(self, port: int) -> AirflowServer:
        extra = {"VPCLOGS_CONFIG": str(self.config), "VPCLOGS_POOL": POOL}
        if self.seaweed.pid:
            extra[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = self._connection()
        return AirflowServer(self.folder / "airflow", port=port, logs=self.logs, extra=extra)

    def _connection(self) -> str:
        """The Airflow connection, as a user would set it up for any S3 server."""
        credentials = self.seaweed.credentials(READER)
        return json.dumps(
            {
                "conn_type": "aws",
                "login": credentials["aws_access_key_id"],
                "password": credentials["aws_secret_access_key"],
                "extra": {
                    "endpoint_url": self.seaweed.endpoint,
                    "region_name": credentials["region_name"],
                    "config_kwargs": {"s3": {"addressing_style": "path"}},
                },
            }
        )

    def _lookback(self, first: date) -> int:
        """Days from today back to the first one, and one more in case midnight passes."""
        return (self.today - first).days + 1

    @property
    def _offices_truth(self) -> Path:
        return self.folder / "truth-offices.json"

    def _truth_file(self, *, late: bool) -> Path:
        return self.folder / ("truth-late.json" if late else "truth.json")

    def _require_unmoved(self) -> None:
        """Raise DemoError if the folder was moved or copied here: tables and Airflow have absolute paths in them."""
        here = str(self.folder.resolve())
        if self._made.folder not in ("", here):
            raise DemoError(
                f"{self.folder} belongs to the demo in {self._made.folder}, which its tables and its Airflow name. "
                f"If that one runs, stop it there with make demo-down. Start anew here: rm -r {self.folder}, make demo"
            )
        self._made.folder = here

    def _remember(self, **what: Any) -> None:
        for name, value in what.items():
            setattr(self._made, name, value)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state_file.write_text(json.dumps(asdict(self._made)))
