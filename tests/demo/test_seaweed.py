"""The S3 server of demo and tests: found again, restarted with its data, loud about a taken port."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demo.seaweed import READER, Seaweed, SeaweedError
from demo.seaweed_ports import free_base, ports_from


def test_is_found_again_by_another_instance_and_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
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


def test_another_port_is_chosen_when_the_first_is_taken_before_it_is_bound(tmp_path: Path, seaweed: Seaweed) -> None:
    ports = iter([seaweed.port, free_base()])

    with Seaweed(tmp_path, choose_port=lambda: next(ports)) as server:
        server.client().put_object(Bucket="logs", Key="a", Body=b"x")
        assert server.port != seaweed.port


def test_a_server_that_shares_a_port_for_grpc_is_not_used(tmp_path: Path) -> None:
    taken = free_base()
    ports = iter([taken, free_base()])
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports_from(taken)["filer.port.grpc"]))
        other.listen()

        with Seaweed(tmp_path, choose_port=lambda: next(ports)) as server:
            assert server.port != taken


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path, seaweed: Seaweed) -> None:
    with pytest.raises(SeaweedError, match=rf"ended by itself. The end of {tmp_path}/weed.log:(?s:.*)not available"):
        Seaweed(tmp_path, choose_port=lambda: seaweed.port or 0).start()


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
