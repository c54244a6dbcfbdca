"""Airflow for tests starts although another program takes its port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from demo.airflow_server import AirflowServer, PortTakenError
from demo.ports import free_port
from demo.seaweed import Seaweed
from tests.dags.live_airflow import started_airflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_another_port_is_chosen_when_the_first_is_taken(seaweed: Seaweed, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, free_port(), free_port()])

        with started_airflow(seaweed, tmp_path, choose_port=lambda: next(ports)) as server:
            assert server.port != taken
            assert server.api.health()["scheduler"] == "healthy"


def test_port_lost_while_airflow_starts_is_named_with_the_log(seaweed: Seaweed, tmp_path: Path) -> None:
    server = AirflowServer(tmp_path / "airflow", port=free_port(), logs=tmp_path / "logs", extra={})
    with socket.socket() as other:

        def take_port(line: str) -> None:
            if line.startswith("Airflow: starting"):
                other.bind(("127.0.0.1", server.port))
                other.listen()

        try:
            with pytest.raises(PortTakenError, match=r"api-server ended by itself(?s:.*)address already in use"):
                server.start(take_port)
        finally:
            server.stop()
