"""The tests' PostgreSQL server starts although another program takes its port, or shows its log."""

from __future__ import annotations

import psycopg2
import pytest

from demo.ports import free_port
from tests.postgres import Postgres


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
