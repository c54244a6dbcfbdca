"""A catalog that fails for a moment is asked again; one that keeps failing is named, with what to do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from pyiceberg.exceptions import ForbiddenError

from demo.seaweed import Seaweed
from tests.factories import NOW, PARTITION, expected_ids, freeze, make_object, row_ids, stage_objects
from tests.fault_proxy import Fault, FaultProxy
from vpclogs.errors import CatalogUnavailable
from vpclogs.ledger import Ledger
from vpclogs.publishing.publisher import Publisher
from vpclogs.warehouse.catalog_errors import ATTEMPTS
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

_numbers = itertools.count()

FILERS = "rpc error: code = Canceled desc = grpc: the client connection is closing"


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[FaultProxy]:
    """In front of SeaweedFS's REST catalog."""
    with FaultProxy(seaweed.iceberg_endpoint) as proxy:
        yield proxy


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def warehouse(seaweed: Seaweed, proxy: FaultProxy, waits: list[float]) -> Warehouse:
    catalog = seaweed.catalog_properties() | {"uri": proxy.endpoint}
    return Warehouse(catalog, namespace=f"hiccups{next(_numbers)}", sleep=waits.append)


def is_partitioned(warehouse: Warehouse) -> bool:
    return [field.name for field in warehouse.table("vpc_dns").spec().fields] == ["p_account", "p_region", "p_day"]


@pytest.mark.parametrize(
    "forward", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["not done", "done, and the answer lost"]
)
def test_each_request_of_the_making_of_a_table_may_fail(forward, warehouse, proxy, waits):
    """The very failure that SeaweedFS answered when three processes made one table at once."""
    warehouse.table("vpc_dns")
    requests = len(proxy.requests)
    assert requests >= 4  # configuration, token, namespace, table
    for number in range(requests):
        proxy.clear()
        fault = proxy.add(Fault(".", skip=number, answer=(500, "InternalServerError", FILERS), forward=forward))
        other = Warehouse(warehouse._properties, namespace=f"hiccups{next(_numbers)}", sleep=waits.append)

        columns = [field.name for field in other.table("vpc_dns").spec().fields]

        assert columns == ["p_account", "p_region", "p_day"], f"request {number} failed"
        assert fault.hits == 1
    assert len(waits) == requests


@pytest.mark.parametrize("status", [500, *(pytest.param(s, marks=pytest.mark.slow) for s in (429, 502, 503, 504, 507))])
@pytest.mark.parametrize("forward", [False, True], ids=["not taken", "taken, and the answer lost"])
def test_a_commit_that_the_catalog_failed_at_is_done_once(status, forward, warehouse, proxy, waits, tmp_path):
    ledger, objects = Ledger(f"sqlite:///{tmp_path}/ledger.db"), [make_object("a")]
    staged = stage_objects(warehouse, objects)
    warehouse.table(QUARANTINE)
    commits = [
        proxy.add(Fault(f"POST .*/tables/{name}$", 2, answer=(status, "Trouble", FILERS), forward=forward))
        for name in ("vpc_dns", QUARANTINE)
    ]

    publisher = Publisher(ledger, warehouse, clock=lambda: NOW, sleep=waits.append)
    publisher.publish(freeze(ledger, objects), {0: staged}, [PARTITION.key])

    assert [fault.hits for fault in commits] == ([1, 1] if forward else [2, 2])
    assert row_ids(warehouse) == expected_ids(objects, 1, 3)
    assert row_ids(warehouse, QUARANTINE) == expected_ids(objects, 4, 4)


@pytest.mark.slow
def test_a_commit_whose_connection_breaks_is_done_once(warehouse, proxy, waits, tmp_path):
    ledger, objects = Ledger(f"sqlite:///{tmp_path}/ledger.db"), [make_object("a")]
    staged = stage_objects(warehouse, objects)
    warehouse.table(QUARANTINE)
    broken = [proxy.reset(f"POST .*/tables/{name}$") for name in ("vpc_dns", QUARANTINE)]

    publisher = Publisher(ledger, warehouse, clock=lambda: NOW, sleep=waits.append)
    publisher.publish(freeze(ledger, objects), {0: staged}, [PARTITION.key])

    assert [fault.hits for fault in broken] == [1, 1]
    assert row_ids(warehouse) == expected_ids(objects, 1, 3)


def test_catalog_that_stays_down_is_named_with_the_next_step(warehouse, proxy, waits):
    warehouse.table("vpc_dns")
    proxy.respond(500, "InternalServerError", FILERS)

    with pytest.raises(
        CatalogUnavailable, match=rf"(?s)table {warehouse.namespace}\.vpc_dns.*client connection.*doctor"
    ):
        warehouse.table("vpc_dns")
    assert len(waits) == ATTEMPTS - 1

    with pytest.raises(CatalogUnavailable, match=f"the catalog of {warehouse.namespace}"):
        Warehouse(warehouse._properties, namespace=warehouse.namespace, sleep=waits.append).names()


def test_a_refusal_is_not_asked_for_again(warehouse, proxy, waits):
    warehouse.table("vpc_dns")
    proxy.deny()

    with pytest.raises(ForbiddenError):
        warehouse.table("vpc_dns")
    assert waits == []
