"""What the processes of the kill and race tests do. They are forked by `tests.forking`."""

from __future__ import annotations

import importlib
import os
import signal
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pyiceberg.exceptions import CommitFailedException

from tests.factories import NOW
from tests.include.vpclogs.maintenance.deployments import Deployment
from vpclogs.config.settings import Settings
from vpclogs.maintenance.steps import STEPS, run_step
from vpclogs.pipeline import Pipeline
from vpclogs.warehouse.expiry import expire


def die_in(job: dict[str, Any]) -> None:
    """Run a step of a deployment and die by SIGKILL before or after the first call of ``function``."""
    module, _, name = job["function"].partition(":")
    owner: Any = importlib.import_module(module)
    *parts, last = name.split(".")
    for part in parts:
        owner = getattr(owner, part)
    original = getattr(owner, last)

    def dying(*arguments: Any, **named: Any) -> None:
        if job["when"] == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, last, dying)
    deployment = Deployment(Path(job["folder"]), now=datetime.fromisoformat(job["now"]), **job["maintenance"])
    run_step(deployment.pipeline, job["step"])


def keep_up(job: dict[str, Any]) -> None:
    """Run all steps again and again, until the file ``stop`` is there, and once more.

    It is four days after the publishers' time, so their partitions are closed. Histories
    are cut far shorter than any setting allows.
    """
    settings = Settings.model_validate(
        {
            "ledger": job["ledger"],
            "catalog": job["catalog"],
            "namespace": job["namespace"],
            "sources": [{"name": "org-dns", "log_type": "vpc_dns", "bucket": "logs"}],
        }
    )
    pipeline = Pipeline(
        settings,
        client_for=lambda source: None,  # type: ignore[arg-type,return-value]
        clock=lambda: NOW + timedelta(days=4),
        sleep=lambda seconds: time.sleep(seconds / 10),
    )
    ended = False
    while not ended:
        ended = Path(job["stop"]).exists()
        for step in STEPS:
            run_step(pipeline, step)
        for name in pipeline.warehouse.names():
            with suppress(CommitFailedException):  # a publisher was faster, and the next round expires
                expire(pipeline.warehouse.table(name), pipeline.ledger, keep=3)


__all__ = ["die_in", "keep_up"]
