"""Listing against the S3 server: what is found, what is passed over, and what one denied account costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date
from typing import TYPE_CHECKING

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from demo.seaweed import READER, Seaweed
from tests.fault_proxy import FaultProxy
from vpclogs.config.sources import Source
from vpclogs.partitions import LogType
from vpclogs.s3.listing import discover
from vpclogs.s3.listing_result import Listing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY, NEXT = date(2023, 2, 15), date(2023, 2, 16)
A, B = "111111111111", "222222222222"
V1, V2 = "vpc-0a", "vpc-0b"
ONCE = Config(retries={"total_max_attempts": 1})
"""botocore's own retries sleep for real; here ours are on trial."""


def dns_key(account: str, vpc: str, day: date, number: int = 0) -> str:
    file = f"{vpc}_vpcdnsquerylogs_{account}_{day:%Y%m%d}T0000Z_{number:08x}.log.gz"
    return f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{day:%Y/%m/%d}/{file}"


def flow_file(account: str, region: str, day: date, number: int = 0) -> str:
    return f"{account}_vpcflowlogs_{region}_fl-0c_{day:%Y%m%d}T0000Z_{number:08x}.log.gz"


@pytest.fixture
def put(s3: S3Client, bucket: str) -> Callable[..., None]:
    def put(*keys: str, body: bytes = b"x") -> None:
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

    return put


@pytest.fixture
def proxy(seaweed: Seaweed) -> Iterator[FaultProxy]:
    with FaultProxy(seaweed.endpoint) as proxy:
        yield proxy


@pytest.fixture
def through(seaweed: Seaweed, proxy: FaultProxy) -> S3Client:
    """A client whose requests go through the proxy."""
    return seaweed.client(endpoint=proxy.endpoint, config=ONCE)


def dns(bucket: str, **more: object) -> Source:
    return Source.model_validate({"name": "logs", "log_type": "vpc_dns", "bucket": bucket, **more})


def flow(bucket: str, **more: object) -> Source:
    return Source.model_validate({"name": "logs", "log_type": "vpc_flow", "bucket": bucket, **more})


def keys(listing: Listing) -> list[str]:
    return [found.key for found in listing.objects]


def deny_listing_of(s3: S3Client, bucket: str, *folders: str) -> None:
    """Refuse the reader the listing of these folders themselves, not of what is below them."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::000000000000:user/{READER}"},
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}"],
        "Condition": {"StringEquals": {"s3:prefix": list(folders)}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def no_sleep(_: float) -> None:
    pass


def test_finds_the_objects_of_the_days_and_no_others(s3: S3Client, bucket: str, put: Callable[..., None]) -> None:
    wanted = [dns_key(A, V1, DAY), dns_key(A, V2, NEXT), dns_key(B, V1, DAY)]
    put(*wanted, dns_key(A, V1, date(2023, 2, 14)), dns_key(A, V1, date(2022, 2, 15)), "AWSLogs/other/x", "elsewhere")

    listing = discover(s3, dns(bucket), [NEXT, DAY, DAY])

    assert keys(listing) == sorted(wanted)
    assert listing.failures == ()
    found = listing.objects[0]
    assert (found.source, found.log_type, found.bucket, found.size) == ("logs", LogType.VPC_DNS, bucket, 1)
    assert (found.account, found.region, found.day, found.scope, found.problem) == (A, None, DAY, V1, None)
    assert found.etag == "9dd4e461268c8034f5c8564e155c67a6"
    assert found.last_modified.tzinfo is UTC


def test_finds_every_flow_layout_below_prefix_and_organization(
    s3: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    plain, hive = f"{A}/vpcflowlogs/us-east-1/2023/02/15/", f"aws-account-id={A}/aws-service=vpcflowlogs/"
    hive += "aws-region=us-east-1/year=2023/month=02/day=15/"
    folders = [plain, f"{plain}16/", hive, f"{hive}hour=16/", f"o-a1b2c3d4e5/{plain}", f"o-a1b2c3d4e5/{hive}"]
    wanted = [f"dev/AWSLogs/{folder}{flow_file(A, 'us-east-1', DAY)}" for folder in folders]
    put(*wanted, wanted[0].removeprefix("dev/"), "dev/AWSLogs/notes/x", f"dev/AWSLogs/{A}/vpcflowlogs/notes/x")

    listing = discover(s3, flow(bucket, prefix="dev"), [DAY])

    assert keys(listing) == sorted(wanted)
    assert {(found.account, found.region, found.scope, found.problem) for found in listing.objects} == {
        (A, "us-east-1", "fl-0c", None)
    }


def test_asks_for_computed_prefixes_only(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None]
) -> None:
    put(*(dns_key(A, V1, date(2022, month, day)) for month in range(1, 4) for day in range(1, 11)), dns_key(A, V1, DAY))

    listing = discover(through, dns(bucket), [DAY])

    assert len(listing.objects) == 1
    assert listing.requests == len(proxy.requests) == 4  # accounts, logs, VPCs, one day
    assert f"prefix=AWSLogs/{A}/vpcdnsquerylogs/{V1}/2023/02/15/" in proxy.requests[3]


def test_reads_all_pages(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*(dns_key(A, V1, DAY, number) for number in range(7)))
    whole = through.list_objects_v2
    monkeypatch.setattr(through, "list_objects_v2", lambda **request: whole(**request, MaxKeys=3))

    listing = discover(through, dns(bucket), [DAY])

    assert keys(listing) == [dns_key(A, V1, DAY, number) for number in range(7)]
    assert listing.requests == 3 + 3


def test_accounts_and_regions_are_narrowed_by_source_and_by_call(
    s3: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    def key(account: str, region: str) -> str:
        return f"AWSLogs/{account}/vpcflowlogs/{region}/2023/02/15/{flow_file(account, region, DAY)}"

    put(*(key(account, region) for account in (A, B) for region in ("us-east-1", "eu-west-1")))

    denied = discover(s3, flow(bucket, accounts={"deny": [A]}, regions=["us-east-1"]), [DAY])
    narrowed = discover(s3, flow(bucket), [DAY], account=A, region="eu-west-1")

    assert keys(denied) == [key(B, "us-east-1")]
    assert keys(narrowed) == [key(A, "eu-west-1")]


def test_a_known_vpc_gives_its_region_and_spares_its_listing(
    s3: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY), dns_key(A, V2, DAY), dns_key(A, "vpc-0c", DAY))
    known = {(A, V1): "us-east-1", (A, V2): "eu-west-1", (A, "vpc-0c"): "unknown", (B, "vpc-0c"): "us-east-1"}

    everything = discover(s3, dns(bucket), [DAY], known_scopes=known)
    one_region = discover(s3, dns(bucket), [DAY], region="us-east-1", known_scopes=known)

    assert [found.region for found in everything.objects] == ["us-east-1", "eu-west-1", None]
    assert [found.scope for found in one_region.objects] == [V1, "vpc-0c"]
    assert one_region.requests == everything.requests - 1


def test_a_stray_key_is_listed_with_its_problem(s3: S3Client, bucket: str, put: Callable[..., None]) -> None:
    folder = f"AWSLogs/{A}/vpcdnsquerylogs/{V1}/2023/02/15/"
    put(folder + "notes.txt", folder + "sub/x.log.gz", f"AWSLogs/{A}/vpcdnsquerylogs/old/2023/02/15/x.log.gz")
    put(folder, body=b"")  # what consoles make as a folder: no object of ours

    listing = discover(s3, dns(bucket), [DAY])

    assert [(found.problem, found.account, found.day, found.scope) for found in listing.objects] == [
        ("key_layout", A, DAY, ""),
        ("key_layout", A, DAY, V1),
        ("key_layout", A, DAY, V1),
    ]


def test_odd_characters_in_keys_survive(s3: S3Client, bucket: str, put: Callable[..., None]) -> None:
    folder = f"a+b c/AWSLogs/{A}/vpcdnsquerylogs/{V1}/2023/02/15/"
    wanted = [folder + name for name in ("a b+c%20.gz", "new\nline\x01.gz", "ü\u2028&<>.gz")]
    put(*wanted)

    listing = discover(s3, dns(bucket, prefix="a+b c/"), [DAY])

    assert keys(listing) == sorted(wanted)
    assert s3.get_object(Bucket=bucket, Key=listing.objects[0].key)["ContentLength"] == 1


def test_archived_objects_are_listed_with_their_problem_until_restored(
    s3: S3Client, bucket: str, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dns_key(A, V1, DAY, 0), dns_key(A, V1, DAY, 1), dns_key(A, V1, DAY, 2))
    whole = s3.list_objects_v2

    def archived(**request: object) -> object:  # the server has no archive
        page = whole(**request)  # type: ignore[arg-type]
        for entry, more in zip(page.get("Contents", []), ({}, {"RestoreExpiryDate": 1}), strict=False):
            entry.update({"StorageClass": "DEEP_ARCHIVE", "RestoreStatus": more})  # type: ignore[typeddict-item]
        return page

    monkeypatch.setattr(s3, "list_objects_v2", archived)

    listing = discover(s3, dns(bucket), [DAY])

    assert [found.problem for found in listing.objects] == ["archived", None, None]


def test_one_denied_account_is_named_and_stops_no_other(
    seaweed: Seaweed, reader: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY), dns_key(B, V2, DAY))
    seaweed.deny(bucket, f"AWSLogs/{B}/")

    listing = discover(reader, dns(bucket), [DAY])

    assert keys(listing) == [dns_key(A, V1, DAY)]
    (failure,) = listing.failures
    assert (failure.account, failure.region, failure.day) == (B, None, None)
    assert (failure.reason, failure.transient) == ("denied", False)
    assert "allow it in the bucket policy" in failure.detail
    assert f"s3://{bucket}/AWSLogs/{B}/" in failure.detail


def test_one_denied_day_loses_that_day_only(
    seaweed: Seaweed, reader: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY), dns_key(A, V1, NEXT))
    seaweed.deny(bucket, f"AWSLogs/{A}/vpcdnsquerylogs/{V1}/2023/02/15/")

    listing = discover(reader, dns(bucket), [DAY, NEXT], known_scopes={(A, V1): "us-east-1"})

    assert keys(listing) == [dns_key(A, V1, NEXT)]
    assert [(f.account, f.region, f.day) for f in listing.failures] == [(A, "us-east-1", DAY.isoformat())]


def test_allow_list_replaces_a_denied_listing_of_accounts(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY), dns_key(B, V1, DAY))
    proxy.deny(r"prefix=AWSLogs/($|&)")

    listed = discover(through, dns(bucket, accounts=[A]), [DAY])
    single = discover(through, dns(bucket), [DAY], account=B)
    unknown = discover(through, dns(bucket), [DAY])

    assert (keys(listed), listed.failures) == ([dns_key(A, V1, DAY)], ())
    assert (keys(single), single.failures) == ([dns_key(B, V1, DAY)], ())
    assert keys(unknown) == []
    assert [(f.account, f.reason) for f in unknown.failures] == [(None, "denied")]


def test_missing_bucket_is_one_failure_that_names_it(s3: S3Client) -> None:
    listing = discover(s3, dns("no-such-bucket"), [DAY])

    (failure,) = listing.failures
    assert (failure.account, failure.reason, failure.transient) == (None, "s3_rejected", False)
    assert "NoSuchBucket" in failure.detail


@pytest.mark.parametrize("fault", ["slow_down", "reset"])
def test_passing_trouble_is_waited_out(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None], fault: str
) -> None:
    put(dns_key(A, V1, DAY), dns_key(B, V1, DAY))
    getattr(proxy, fault)(f"prefix=AWSLogs/{B}", times=3)
    waits: list[float] = []

    listing = discover(through, dns(bucket), [DAY], sleep=waits.append)

    assert (len(listing.objects), listing.failures, len(waits)) == (2, (), 3)


def test_lasting_throttling_of_an_account_is_its_transient_failure(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY), dns_key(B, V1, DAY))
    proxy.slow_down(f"prefix=AWSLogs/{B}", times=None)

    listing = discover(through, dns(bucket), [DAY], sleep=no_sleep)

    assert keys(listing) == [dns_key(A, V1, DAY)]
    assert [(f.account, f.reason, f.transient) for f in listing.failures] == [(B, "throttled", True)]


def test_break_within_a_day_yields_nothing_of_that_day(
    through: S3Client, proxy: FaultProxy, bucket: str, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*(dns_key(A, V1, DAY, number) for number in range(4)))
    whole = through.list_objects_v2
    monkeypatch.setattr(through, "list_objects_v2", lambda **request: whole(**request, MaxKeys=3))
    proxy.slow_down("continuation-token", times=None)

    listing = discover(through, dns(bucket), [DAY], sleep=no_sleep)

    assert keys(listing) == []
    assert [(f.account, f.day) for f in listing.failures] == [(A, DAY.isoformat())]


def test_requester_pays_is_said_in_every_request(through: S3Client, bucket: str, put: Callable[..., None]) -> None:
    put(dns_key(A, V1, DAY))
    said: list[str | None] = []
    through.meta.events.register(
        "before-send.s3.*", lambda request, **_: said.append(request.headers.get("x-amz-request-payer"))
    )

    discover(through, dns(bucket, requester_pays=True), [DAY])

    assert said == [b"requester"] * 4


REGIONS = sorted(
    {
        region
        for session in [botocore.session.get_session()]
        for partition in session.get_available_partitions()
        for service in ("ec2", "s3", "sts")
        for region in session.get_available_regions(service, partition)
    }
)


def test_every_region_that_botocore_knows_is_listed(s3: S3Client, bucket: str, put: Callable[..., None]) -> None:
    put(*(f"AWSLogs/{A}/vpcflowlogs/{one}/2023/02/15/{flow_file(A, one, DAY)}" for one in REGIONS))

    listing = discover(s3, flow(bucket), [DAY])

    assert [found.region for found in listing.objects] == REGIONS
    assert {found.problem for found in listing.objects} == {None}
    assert listing.unread is None


@pytest.mark.parametrize("hive", [False, True], ids=["plain", "Hive"])
def test_folders_that_no_layout_has_are_counted_and_named(
    hive: bool, s3: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    account, service = (f"aws-account-id={A}", "aws-service=") if hive else (A, "")
    strange = [
        "AWSLogs/notes/",
        f"AWSLogs/{account}/{service}vpcflowlogs2/",
        f"AWSLogs/{account}/{service}vpcflowlogs/moon/",
        f"AWSLogs/{account}/{service}vpcflowlogs/\u202eeu-central-1/",
        f"AWSLogs/{account}/{service}vpcflowlogs/{'x' * 300}/",
        "AWSLogs/o-a1b2c3d4e5/12345678901/",
    ]
    known = [f"AWSLogs/{account}/{service}{name}/" for name in ("CloudTrail", "WAFLogs", "vpcdnsquerylogs")]
    put(*(f"{folder}2023/02/15/x" for folder in [*strange, *known]))

    listing = discover(s3, flow(bucket), [DAY])

    assert listing.unread is not None
    assert listing.unread.count == len(strange)
    assert set(listing.unread.names) == {name.replace("\u202e", "\\u202e") for name in strange}


def test_many_strange_folders_are_all_counted_and_some_named(
    s3: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(*(f"AWSLogs/{A}/vpcflowlogs/moon{number:02}/x" for number in range(30)))

    listing = discover(s3, flow(bucket), [DAY])

    assert listing.unread is not None
    assert (listing.unread.count, len(listing.unread.names)) == (30, 20)
    assert listing.unread.label.endswith("moon19/ and 10 more")


def test_a_reader_of_this_log_alone_needs_no_other_folder(
    s3: S3Client, reader: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(dns_key(A, V1, DAY))
    deny_listing_of(s3, bucket, f"AWSLogs/{A}/")

    with pytest.raises(ClientError, match="AccessDenied"):
        reader.list_objects_v2(Bucket=bucket, Prefix=f"AWSLogs/{A}/", Delimiter="/")
    listing = discover(reader, dns(bucket), [DAY])

    assert (keys(listing), listing.failures) == ([dns_key(A, V1, DAY)], ())


HOME, AWAY = "o-a1b2c3d4e5", "o-z9y8x7w6v5"


def of_organization(organization: str, account: str) -> str:
    return dns_key(account, V1, DAY).replace("AWSLogs/", f"AWSLogs/{organization}/")


def test_a_pinned_organization_is_the_only_one_read(s3: S3Client, bucket: str, put: Callable[..., None]) -> None:
    put(of_organization(HOME, A), of_organization(AWAY, B), dns_key("333333333333", V1, DAY))

    pinned = discover(s3, dns(bucket, organization=HOME), [DAY])
    free = discover(s3, dns(bucket), [DAY])

    assert keys(pinned) == sorted([of_organization(HOME, A), dns_key("333333333333", V1, DAY)])
    assert pinned.organizations == free.organizations == (HOME, AWAY)
    assert len(free.objects) == 3
    assert pinned.unread is free.unread is None


@pytest.mark.parametrize("known", [True, False], ids=["accounts named", "all accounts"])
def test_a_pinned_organization_needs_no_listing_above_it(
    known: bool, s3: S3Client, reader: S3Client, bucket: str, put: Callable[..., None]
) -> None:
    put(of_organization(HOME, A), of_organization(AWAY, B))
    above = ["AWSLogs/", f"AWSLogs/{HOME}/"] if known else ["AWSLogs/"]
    deny_listing_of(s3, bucket, *above)

    listing = discover(reader, dns(bucket, organization=HOME, **({"accounts": [A]} if known else {})), [DAY])

    assert (keys(listing), listing.failures) == ([of_organization(HOME, A)], ())
