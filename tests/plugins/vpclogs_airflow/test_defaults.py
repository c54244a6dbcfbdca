"""What can be set from outside."""

from __future__ import annotations

import runpy

import pytest


@pytest.mark.parametrize(
    ("variable", "pool"),
    [pytest.param(None, "default_pool", id="without the variable"), pytest.param("s3", "s3", id="with it")],
)
def test_the_pool_is_named_by_a_variable_or_airflows_own(monkeypatch, repository, variable, pool):
    monkeypatch.delenv("VPCLOGS_POOL", raising=False)
    if variable:
        monkeypatch.setenv("VPCLOGS_POOL", variable)

    assert runpy.run_path(str(repository / "plugins/vpclogs_airflow/defaults.py"))["POOL"] == pool
