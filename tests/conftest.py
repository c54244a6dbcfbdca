"""Fixtures that several folders of tests share: a real S3 server, and a bucket of one's own in it."""

from __future__ import annotations

from tests import environment  # noqa: F401 - before all other imports, which may read the environment

# isort: split
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from demo.seaweed import READER, Seaweed
from tests.forking import Forker
from tests.postgres import Postgres

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytest_plugins = ["tests.airflow_home"]

_bucket_numbers = itertools.count()
_SERVERS = {"seaweed", "postgres", "airflow_database", "server"}
_FOLDERS_WITH_SERVERS = ("tests/demo/", "tests/deploy/", "tests/hostile/", "tests/integration/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers or processes as ``server``, and the others that are not slow as ``unit``."""
    for item in items:
        if _starts_server(item):
            item.add_marker("server")
        elif item.get_closest_marker("server") is None and item.get_closest_marker("slow") is None:
            item.add_marker("unit")


def _starts_server(item: pytest.Item) -> bool:
    if item.nodeid.startswith(_FOLDERS_WITH_SERVERS) or _SERVERS.intersection(getattr(item, "fixturenames", ())):
        return True
    # fixtures that ask for a server by the name in their parameter
    values = getattr(item, "callspec", None)
    return values is not None and any("postgres" in str(value).lower() for value in values.params.values())


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A SeaweedFS server on free loopback ports, with the Iceberg warehouse bucket ``lake``."""
    server = Seaweed(tmp_path_factory.mktemp("seaweed"), table_bucket="lake")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(seaweed: Seaweed) -> S3Client:
    """A client that may do everything."""
    return seaweed.client()


@pytest.fixture(scope="session")
def reader(seaweed: Seaweed) -> S3Client:
    """A client that may only list and read, and that `Seaweed.deny` can lock out of prefixes."""
    return seaweed.client(READER)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server on a free loopback port."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """Starts processes of our own."""
    with Forker() as forker:
        yield forker


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """The name of a new, empty bucket."""
    name = f"test-{next(_bucket_numbers)}"
    s3.create_bucket(Bucket=name)
    return name
