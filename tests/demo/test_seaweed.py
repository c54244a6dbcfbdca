"""The S3 server of demo and tests: found again, restarted with its data, loud about a taken port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

from demo.seaweed import READER, Seaweed, SeaweedError
from demo.seaweed_ports import free_base, ports_from


def test_server_is_found_again_and_keeps_its_data(tmp_path: Path) -> None:
    first = Seaweed(tmp_path)
    with first:
        first.client().put_object(Bucket="logs", Key="a", Body=b"kept")
        second = Seaweed(tmp_path)
        second.start()
        assert (second.pid, second.endpoint) == (first.pid, first.endpoint)
    assert second.pid is None

    with Seaweed(tmp_path) as third:
        body = third.client().get_object(Bucket="logs", Key="a")["Body"].read()
    assert body == b"kept"


def test_names_the_port_that_is_taken(tmp_path: Path, seaweed: Seaweed) -> None:
    with pytest.raises(SeaweedError, match=f"port {seaweed.port} is taken.*choose another port"):
        Seaweed(tmp_path, port=seaweed.port).start()


def test_another_port_is_chosen_when_the_first_is_lost(tmp_path: Path) -> None:
    taken = free_base()
    ports = iter([taken, free_base()])
    with _listening(taken), Seaweed(tmp_path, choose_port=lambda: next(ports)) as server:
        server.client().put_object(Bucket="logs", Key="a", Body=b"x")
        assert server.port != taken


def test_server_that_shares_a_grpc_port_is_not_used(tmp_path: Path) -> None:
    taken = free_base()
    ports = iter([taken, free_base()])
    with (
        _listening(ports_from(taken)["filer.port.grpc"]),
        Seaweed(tmp_path, choose_port=lambda: next(ports)) as server,
    ):
        assert server.port != taken


def test_running_server_is_undisturbed_by_one_choosing_its_ports(tmp_path: Path) -> None:
    with Seaweed(tmp_path / "first", table_bucket="lake") as first:
        sockets = _sockets(first)
        assert len(sockets) >= 4
        ports = iter([first.port, free_base()])

        with Seaweed(tmp_path / "second", choose_port=lambda: next(ports)) as second:
            assert second.port != first.port
        assert _sockets(first) == sockets
        assert _sockets(second) == {}
    assert _sockets(first) == {}


def test_two_servers_started_at_one_port_both_run(tmp_path: Path) -> None:
    base = free_base()
    servers = [Seaweed(tmp_path / name, choose_port=_first_then_free(base), table_bucket="lake") for name in "ab"]
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(Seaweed.start, servers))

        assert base in {server.port for server in servers}
        assert len({server.port for server in servers}) == len(servers)
        for server in servers:
            _use_all_parts(server)
    finally:
        for server in servers:
            server.stop()


def test_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with (
        _listening(taken := free_base()),
        pytest.raises(SeaweedError, match=rf"ended by itself. The end of {tmp_path}/weed.log:(?s:.*)not available"),
    ):
        Seaweed(tmp_path, choose_port=lambda: taken).start()


def test_denies_the_reader_one_prefix_and_nothing_else(seaweed: Seaweed, bucket: str) -> None:
    for key in ("a/1", "b/1"):
        seaweed.client().put_object(Bucket=bucket, Key=key, Body=b"x")
    reader = seaweed.client(READER)

    seaweed.deny(bucket, "a/")

    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_object(Bucket=bucket, Key="a/1")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.list_objects_v2(Bucket=bucket, Prefix="a/")
    assert reader.list_objects_v2(Bucket=bucket, Prefix="b/")["KeyCount"] == 1


@contextmanager
def _listening(port: int) -> Iterator[None]:
    """Another program that listens on the port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def _first_then_free(base: int) -> Callable[[], int]:
    ports = iter([base])
    return lambda: next(ports, None) or free_base()


def _use_all_parts(server: Seaweed) -> None:
    """Change buckets, objects and tables: each part of the server has to reach the others."""
    server.client().create_bucket(Bucket="another")
    server.client().put_object(Bucket="another", Key="a", Body=b"x")
    catalog = load_catalog("test", **server.catalog_properties())
    catalog.create_namespace("n")
    table = catalog.create_table("n.t", Schema(NestedField(1, "x", LongType())))
    table.append(pa.table({"x": [1]}))
    assert catalog.load_table("n.t").scan().to_arrow()["x"].to_pylist() == [1]


def _sockets(server: Seaweed) -> dict[str, int]:
    """The Unix sockets of a server, by which its parts reach one another, with their inodes."""
    files = [file for port in ports_from(server.port or 0).values() for file in Path("/tmp").glob(f"*-{port}.sock")]
    return {file.name: file.stat().st_ino for file in files}
