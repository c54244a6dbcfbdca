"""One warehouse for all days: staged files belong to no table, so they do not meet."""

from __future__ import annotations

import pytest

from tests.factories import make_warehouse
from vpclogs.warehouse.tables import Warehouse


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return make_warehouse(tmp_path_factory.mktemp("profile"))
