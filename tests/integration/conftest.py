"""Fixtures of the tests that run whole deployments."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import READER, Seaweed
from tests.integration.deployments import Deployment
from vpclogs.ledger.database import Database


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without content, to be copied: making one takes longer than all else in a small deployment."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    Database(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture
def deploy(tmp_path: Path, seaweed: Seaweed, empty_ledger: Path) -> Callable[..., Deployment]:
    """Makes deployments over a bucket; all have one catalog, each its namespace and its ledger."""
    numbers = itertools.count()

    def make(bucket: str, *, user: str = READER, **settings: Any) -> Deployment:
        number = next(numbers)
        shutil.copy(empty_ledger, ledger := tmp_path / f"ledger-{number}.db")
        defaults: dict[str, Any] = {
            "ledger": f"sqlite:///{ledger}",
            "catalog": {
                "type": "sql",
                "uri": f"sqlite:///{tmp_path}/catalog.db",
                "warehouse": f"file://{tmp_path}/lake",
            },
            "namespace": f"n{number}",
            "audit": {
                "max_quarantined_share": 1,
                "max_refused_objects_share": 1,
                "severities": {"copied_objects": "off", "repeated_records": "off", "nothing_loaded": "off"},
            },
            "sources": [{"name": "dns", "log_type": "vpc_dns", "bucket": bucket}],
        }
        return Deployment(defaults | settings, seaweed.endpoint, user)

    return make
