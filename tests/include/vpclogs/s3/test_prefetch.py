"""Bytes of listed objects from the S3 server, whole or with the state that says why not."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from demo.seaweed import Seaweed
from tests.fault_proxy import FaultProxy
from vpclogs.objects import LogObject
from vpclogs.parsing.model import ObjectState, ObjectUnreadable
from vpclogs.partitions import LogType
from vpclogs.s3.errors import ATTEMPTS, S3RequestError
from vpclogs.s3.prefetch import NamedRegion, fetch, learn_region, read_head

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCOUNT = "123456789012"
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=5)
"""botocore's own retries sleep for real; here ours are on trial."""

Put = Callable[[str, bytes], LogObject]


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Put:
    """Upload, and say what a listing would say."""

    def put(key: str, body: bytes) -> LogObject:
        etag = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        return LogObject(
            source="logs",
            log_type=LogType.VPC_DNS,
            bucket=bucket,
            key=key,
            etag=etag,
            size=len(body),
            last_modified=datetime(2023, 2, 15, tzinfo=UTC),
            account="111111111111",
            region=None,
            day=date(2023, 2, 15),
            scope="vpc-0a",
        )

    return put


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[FaultProxy]:
    with FaultProxy(seaweed.endpoint) as proxy:
        yield proxy


@pytest.fixture
def through(seaweed: Seaweed, proxy: FaultProxy) -> S3Client:
    """A client whose requests go through the proxy."""
    return seaweed.client(endpoint=proxy.endpoint, config=ONCE)


def body_of(size: int, seed: int = 0) -> bytes:
    """Bytes that do not repeat, so that a swapped part shows."""
    blocks = (hashlib.sha256(f"{seed}-{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def drain(client: S3Client, objects: Sequence[LogObject], **more: Any) -> list[bytes | tuple[ObjectState, str, str]]:
    """For each object its bytes, or why there are none."""
    ends: list[bytes | tuple[ObjectState, str, str]] = []
    for ordinal, item in enumerate(fetch(client, objects, **{"sleep": lambda _: None, **more})):
        assert (item.ordinal, item.name) == (ordinal, objects[ordinal].key)
        try:
            ends.append(b"".join(item.chunks))
        except ObjectUnreadable as fate:
            ends.append((fate.state, fate.reason, fate.detail))
    return ends


def test_brings_small_and_large_objects_in_order(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    sizes = (10, 100_000, 0, 64_000, 7)
    bodies = [body_of(size, number) for number, size in enumerate(sizes)]
    objects = [put(f"o{number}", body) for number, body in enumerate(bodies)]

    assert drain(through, objects, part_bytes=32_000, ahead_bytes=70_000, threads=4) == bodies
    ranges = sorted(request.partition("bytes=")[2] for request in proxy.requests if "o1" in request)
    assert ranges == ["0-31999", "32000-63999", "64000-95999", "96000-99999"]
    assert [request for request in proxy.requests if "o0" in request] == [f"GET /{objects[0].bucket}/o0"]
    assert not any("o2" in request for request in proxy.requests)  # nothing to ask for


def test_holds_no_more_than_ahead_bytes(s3: S3Client, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [put(f"o{number}", body_of(1000, number)) for number in range(8)]
    asked, whole = [], s3.get_object
    monkeypatch.setattr(s3, "get_object", lambda **request: asked.append(request["Key"]) or whole(**request))
    inputs = fetch(s3, objects, ahead_bytes=3000, part_bytes=1000, threads=1)

    assert next(next(inputs).chunks) == body_of(1000, 0)
    inputs.close()

    assert asked == [f"o{number}" for number in range(len(asked))]
    assert len(asked) <= 4  # the one taken, and three ahead


def test_the_next_objects_come_while_one_is_parsed(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    objects = [put(f"o{number}", body_of(1000, number)) for number in range(3)]
    arrived = threading.Event()
    through.meta.events.register("after-call.s3.GetObject", lambda **_: len(proxy.requests) == 3 and arrived.set())
    inputs = fetch(through, objects)

    next(inputs)

    assert arrived.wait(10)  # all three were asked for though nobody took a byte yet
    inputs.close()


def test_an_object_larger_than_ahead_bytes_still_comes(s3: S3Client, put: Put) -> None:
    objects = [put("a", body_of(5000, 1)), put("b", body_of(5000, 2))]

    assert drain(s3, objects, ahead_bytes=10, part_bytes=1500) == [body_of(5000, 1), body_of(5000, 2)]


def test_what_is_not_taken_of_an_object_is_dropped(s3: S3Client, put: Put) -> None:
    objects = [put("a", body_of(5000, 1)), put("b", body_of(5000, 2))]
    inputs = fetch(s3, objects, ahead_bytes=2000, part_bytes=1000)

    first = next(inputs)
    next(first.chunks)
    second = next(inputs)

    assert b"".join(second.chunks) == body_of(5000, 2)
    with pytest.raises(RuntimeError, match="after the next object"):
        next(first.chunks)


def test_a_deleted_object_is_gone_and_the_others_come(s3: S3Client, put: Put) -> None:
    objects = [put("a", b"1"), put("b", b"2"), put("c", b"3")]
    s3.delete_object(Bucket=objects[1].bucket, Key="b")

    first, second, third = drain(s3, objects)

    assert (first, third) == (b"1", b"3")
    assert second[:2] == (ObjectState.GONE, "gone")


def test_a_rewritten_object_has_changed(s3: S3Client, put: Put) -> None:
    objects = [put("a", body_of(3000, 1)), put("b", body_of(3000, 1))]
    put("a", body_of(3000, 2))
    put("b", b"shorter")

    ends = drain(s3, objects, part_bytes=1000)

    assert [end[:2] for end in ends] == [(ObjectState.CHANGED, "changed")] * 2


def test_an_object_rewritten_between_two_parts_has_changed(s3: S3Client, put: Put) -> None:
    item = put("a", body_of(3000, 1))
    inputs = fetch(s3, [item], part_bytes=1000, ahead_bytes=1)
    chunks = next(inputs).chunks

    next(chunks)  # by now the second part is asked for, the third is not
    put("a", body_of(3000, 2))

    with pytest.raises(ObjectUnreadable) as caught:
        list(chunks)
    assert caught.value.state is ObjectState.CHANGED


def test_a_server_that_ignores_if_match_is_found_out(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    proxy.other_etag("/a")

    (end,) = drain(through, [put("a", b"1")])

    assert end[:2] == (ObjectState.CHANGED, "changed")


def test_a_denied_object_fails_with_what_to_allow(seaweed: Seaweed, reader: S3Client, put: Put) -> None:
    objects = [put("x/a", b"1"), put("y/b", b"2")]
    seaweed.deny(objects[0].bucket, "x/")

    denied, other = drain(reader, objects)

    assert other == b"2"
    assert denied[:2] == (ObjectState.FAILED, "denied")
    assert f"S3 refuses s3:GetObject on s3://{objects[0].bucket}/x/a; allow it" in str(denied[2])


@pytest.mark.parametrize(
    ("status", "code", "message", "reason", "advice"),
    [
        (
            403,
            "AccessDenied",
            "User is not authorized to perform: kms:Decrypt on the resource",
            "kms_denied",
            "allow kms:Decrypt",
        ),
        (400, "KMS.DisabledException", "The key is disabled.", "kms_denied", "KMS refuses"),
        (403, "InvalidObjectState", "The operation is not valid", "archived", "restore it"),
        (403, "InvalidAccessKeyId", "No such key", "denied", "does not accept the credentials"),
        (400, "ExpiredToken", "The token has expired", "denied", "does not accept the credentials"),
        (404, "NoSuchBucket", "The bucket does not exist", "s3_rejected", "check bucket"),
        (400, "AuthorizationHeaderMalformed", "the region is wrong", "s3_rejected", "region"),
    ],
)
def test_refusal_is_not_retried_and_names_the_next_step(
    through: S3Client, proxy: FaultProxy, put: Put, status: int, code: str, message: str, reason: str, advice: str
) -> None:
    proxy.respond(status, code, message, "/a")

    (end,) = drain(through, [put("a", b"1")])

    assert end[:2] == (ObjectState.FAILED, reason)
    assert advice in str(end[2])
    assert len(proxy.requests) == 1


BREAK = {
    "slow down": lambda proxy, times: proxy.slow_down("/a", times),
    "server error": lambda proxy, times: proxy.respond(500, "InternalError", "sorry", "/a", times),
    "reset in mid-body": lambda proxy, times: proxy.reset("/a", times, after=5000),
    "body ends early": lambda proxy, times: proxy.cut("/a", times, after=5000),
    "body announced too short": lambda proxy, times: proxy.cut("/a", times, after=5000, claim_all=False),
}


@pytest.mark.parametrize("fault", BREAK)
def test_passing_trouble_is_waited_out(through: S3Client, proxy: FaultProxy, put: Put, fault: str) -> None:
    item, waits = put("a", body_of(200_000)), list[float]()
    BREAK[fault](proxy, ATTEMPTS - 1)

    assert drain(through, [item], sleep=waits.append) == [body_of(200_000)]
    assert len(waits) == ATTEMPTS - 1
    assert max(waits) <= 20


@pytest.mark.parametrize("fault", BREAK)
def test_lasting_trouble_fails_that_object_only(through: S3Client, proxy: FaultProxy, put: Put, fault: str) -> None:
    objects = [put("a", body_of(200_000)), put("b", b"2")]
    BREAK[fault](proxy, None)

    broken, other = drain(through, objects)

    assert other == b"2"
    assert broken[:2] == (ObjectState.FAILED, "throttled" if fault == "slow down" else "read_failed")


def test_broken_part_of_a_large_object_is_requested_again(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    item = put("a", body_of(100_000))
    proxy.reset("bytes=30000-39999")

    assert drain(through, [item], part_bytes=10_000) == [body_of(100_000)]
    assert len(proxy.requests) == 11


def test_slow_body_is_abandoned_and_requested_again(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    item = put("a", body_of(300_000))
    proxy.slow("/a", seconds_per_kib=0.05)

    assert drain(through, [item], part_seconds=2) == [body_of(300_000)]
    assert len(proxy.requests) == 2


def test_an_outage_does_not_cost_every_object_its_full_patience(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    objects = [put(f"o{number}", b"1") for number in range(20)]
    proxy.slow_down(times=None)

    ends = drain(through, objects, threads=1)

    assert {end[:2] for end in ends} == {(ObjectState.FAILED, "throttled")}
    assert len(proxy.requests) == 3 * ATTEMPTS + 17


def test_trouble_at_many_threads_loses_nothing(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    objects = [put(f"o{number:02}", body_of(3000, number)) for number in range(30)]
    for number in range(0, 30, 3):  # each object may meet all faults of its own, and is asked for once more
        proxy.slow_down(f"o{number:02}", times=ATTEMPTS - 1)
        proxy.reset(f"o{number + 1:02}", times=ATTEMPTS - 1)
        proxy.cut(f"o{number + 2:02}", times=ATTEMPTS - 1)

    assert drain(through, objects, part_bytes=1000) == [body_of(3000, number) for number in range(30)]


def test_requester_pays_is_said_in_every_get(s3: S3Client, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    said, whole = [], s3.get_object
    monkeypatch.setattr(s3, "get_object", lambda **request: said.append(request["RequestPayer"]) or whole(**request))
    item = put("a", b"12")

    drain(s3, [item], part_bytes=1, requester_pays=True)
    read_head(s3, item, 1, requester_pays=True)

    assert said == ["requester"] * 3


def test_the_head_of_an_object_is_what_was_listed(s3: S3Client, put: Put) -> None:
    item = put("a", b"0123456789")

    assert [read_head(s3, item, size) for size in (4, 10, 99)] == [b"0123", b"0123456789", b"0123456789"]
    assert read_head(s3, put("empty", b""), 4) == b""
    put("a", b"new")
    with pytest.raises(S3RequestError) as caught:
        read_head(s3, item, 4)
    assert caught.value.reason == "changed"


def dns_lines(*regions: object, padding: int = 0) -> bytes:
    return b"".join(
        json.dumps({"account_id": ACCOUNT, "region": region, "pad": "x" * padding}).encode() + b"\n"
        for region in regions
    )


@pytest.mark.parametrize(
    ("bodies", "region"),
    [
        pytest.param([gzip.compress(dns_lines("eu-west-1", "us-east-1"))], "eu-west-1", id="first record"),
        pytest.param(
            [gzip.compress(b"{broken\n[]\n" + dns_lines(7, "-", "eu-west-1"))], "eu-west-1", id="after bad ones"
        ),
        pytest.param(
            [b"", b"PK\x03\x04", gzip.compress(b""), gzip.compress(dns_lines("eu-west-1"))], "eu-west-1", id="4th"
        ),
        pytest.param([gzip.compress(dns_lines("eu-west-1"))[:-4]], "eu-west-1", id="truncated"),
        pytest.param([dns_lines("eu-west-1")], "eu-west-1", id="plain text"),
        pytest.param([BOM_UTF8 + dns_lines("eu-west-1")], "eu-west-1", id="byte order mark"),
        pytest.param([gzip.compress(dns_lines("atlantis"))], None, id="no object tells"),
        pytest.param([], None, id="no objects"),
    ],
)
def test_the_region_of_a_vpc_is_learned_from_its_records(
    s3: S3Client, put: Put, bodies: list[bytes], region: str | None
) -> None:
    named = learn_region(s3, [put(f"o{number}", body) for number, body in enumerate(bodies)])

    assert (named and named.region) == region


def test_region_is_learned_from_a_large_objects_head(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    noise = body_of(400_000).hex().encode()
    item = put("a", gzip.compress(dns_lines("eu-west-1") + noise))
    assert item.size > 300_000

    assert learn_region(through, [item]) == NamedRegion("eu-west-1", ACCOUNT, "a")
    assert proxy.requests[0].endswith("bytes=0-65535")


def test_vpc_whose_first_object_is_denied_has_a_region(through: S3Client, proxy: FaultProxy, put: Put) -> None:
    objects = [put("a", b"1"), put("b", gzip.compress(dns_lines("eu-west-1")))]
    proxy.deny("/a")

    assert learn_region(through, objects) == NamedRegion("eu-west-1", ACCOUNT, "b")
