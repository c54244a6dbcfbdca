from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.include.vpclogs.parsing.flow_fates import V2, V5, fates, reference_fate, text_fate, zipped
from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits
from vpclogs.partitions import LogType
from vpclogs.reasons import REASONS
from vpclogs.schemas import TIMESTAMP
from vpclogs.schemas.vpc_flow import VPC_FLOW

ENI = "eni-1235b8ca123456789"

# Formats and records of https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html
FLAGS = (
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr "
    "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
)
SERVICES = (
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id subnet-id "
    "instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr pkt-dstaddr "
    "pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status"
)
NAT_GATEWAY = "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr"
TRANSIT_GATEWAY = (
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id "
    "tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id "
    "tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status "
    "type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired tcp-flags "
    "region flow-direction pkt-src-aws-service pkt-dst-aws-service"
)

SAMPLES = {field.key: "some-value" for field in VPC_FLOW.fields} | {
    "account-id": "012345678901",
    "encryption-status": "3",
    "traffic-path": "8",
    **dict.fromkeys(["version", "srcport", "dstport", "protocol", "packets", "bytes", "tcp-flags"], "42"),
    **dict.fromkeys(("start", "end"), "1700000000"),
}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def only_row(header: str, record: str) -> dict[str, object]:
    ((line, row),) = text_fate(f"{header}\n{record}\n")
    assert line == 2
    return {name: value for name, value in row.items() if value is not None}


def verdict(header: str, record: str) -> tuple[str, str | None]:
    ((line, reason),) = text_fate(f"{header}\n{record}\n")
    assert line == 2
    return reason


def test_the_documented_default_record():
    row = only_row(
        V2, f"2 123456789010 {ENI} 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
    )

    assert row == {
        "version": 2,
        "account": "123456789010",
        "interfaceId": ENI,
        "srcAddr": "172.31.16.139",
        "dstAddr": "172.31.16.21",
        "srcPort": 20641,
        "dstPort": 22,
        "protocol": 6,
        "packets": 20,
        "bytes": 4249,
        "start": at(1418530010),
        "end": at(1418530070),
        "action": "ACCEPT",
        "status": "OK",
        "p_event_time": at(1418530010),
        "p_any_ip_addresses": ["172.31.16.139", "172.31.16.21"],
        "p_any_aws_account_ids": ["123456789010"],
    }


@pytest.mark.parametrize("status", ["NODATA", "SKIPDATA"])
def test_the_documented_records_without_traffic_are_kept(status):
    row = only_row(V2, f"2 123456789010 {ENI} - - - - - - - 1431280876 1431280934 - {status}")

    assert row == {
        "version": 2,
        "account": "123456789010",
        "interfaceId": ENI,
        "start": at(1431280876),
        "end": at(1431280934),
        "status": status,
        "p_event_time": at(1431280876),
        "p_any_aws_account_ids": ["123456789010"],
    }


def test_the_documented_ipv6_record():
    addresses = ["2001:db8:1234:a100:8d6e:3477:df66:f105", "2001:db8:1234:a102:3304:8879:34cf:4071"]
    row = only_row(V2, f"2 123456789010 {ENI} {' '.join(addresses)} 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK")

    assert [row["srcAddr"], row["dstAddr"]] == row["p_any_ip_addresses"] == addresses


def test_the_documented_version_3_record_in_its_own_order():
    row = only_row(
        FLAGS,
        f"3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 {ENI} 123456789010 IPv4 52.213.180.42 "
        "10.0.0.62 43416 5001 52.213.180.42 10.0.0.62 6 568 8 1566848875 1566848933 ACCEPT 2 OK",
    )

    assert (row["subNetId"], row["trafficType"], row["tcpFlags"]) == ("subnet-aaaaaaaa012345678", "IPv4", 2)
    assert (row["bytes"], row["packets"]) == (568, 8)
    assert row["p_any_aws_instance_ids"] == ["i-01234567890123456"]
    assert row["p_any_ip_addresses"] == ["10.0.0.62", "52.213.180.42"]


def test_the_documented_version_5_record_with_service_path_and_direction():
    row = only_row(
        SERVICES,
        "5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471 123456789012 vpc-abcdefab012345678 "
        f"subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b {ENI} ap-southeast-2 apse2-az3 - - ACCEPT 3 10.0.0.71 "
        "52.95.128.179 - S3 8 egress OK",
    )

    assert (row["region"], row["azId"]) == ("ap-southeast-2", "apse2-az3")
    assert (row["pktDstAwsService"], row["trafficPath"], row["flowDirection"]) == ("S3", 8, "egress")
    assert not {"sublocationType", "sublocationId", "pktSrcAwsService"} & row.keys()


@pytest.mark.parametrize("field", VPC_FLOW.fields, ids=lambda field: field.key)
def test_each_field_loads_into_its_column_with_null_dashes(field):
    others = [key for key in ("start", "end", "log-status") if key != field.key]
    header = " ".join([field.key, *others])
    values = [SAMPLES[key] for key in others]
    row = only_row(header, " ".join([SAMPLES[field.key], *values]))

    sample = SAMPLES[field.key]
    assert row[field.name] == (at(int(sample)) if field.type == TIMESTAMP else field.type.to_pandas_dtype()(sample))
    if field.required:
        assert verdict(header, " ".join(["-", *values])) == ("missing_field", field.name)
    else:
        assert field.name not in only_row(header, " ".join(["-", *values]))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("0", 0, id="the epoch"),
        pytest.param("2147483647", 2147483647, id="the last time taken for seconds"),
        pytest.param("2147483648", 2147483.648, id="the first taken for milliseconds"),
        pytest.param("1700000000123", 1700000000.123, id="milliseconds"),
    ],
)
def test_times_are_seconds_or_milliseconds(text, seconds):
    assert only_row("start end log-status", f"{text} 1700000000 OK")["start"] == at(seconds)


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        pytest.param("srcport", "65536", "bad_port", id="port out of range"),
        pytest.param("dstport", "http", "bad_port", id="port by name"),
        pytest.param("packets", "0x1F", "bad_integer", id="hexadecimal"),
        pytest.param("packets", "+1", "bad_integer", id="plus sign"),
        pytest.param("packets", "-1", "bad_integer", id="negative"),
        pytest.param("packets", "-0", "bad_integer", id="negative zero"),
        pytest.param("packets", "1.0", "bad_integer", id="fraction"),
        pytest.param("packets", "1e3", "bad_integer", id="exponent"),
        pytest.param("packets", "1_000", "bad_integer", id="underscore"),
        pytest.param("packets", "\uff11", "bad_integer", id="digit that is not ascii"),
        pytest.param("bytes", "9223372036854775808", "bad_integer", id="more than 63 bits"),
        pytest.param("bytes", "18446744073709551616", "bad_integer", id="more than 64 bits"),
        pytest.param("bytes", "9" * 5000, "bad_integer", id="thousands of digits"),
        pytest.param("traffic-path", "32768", "bad_integer", id="more than a smallint"),
        pytest.param("start", "yesterday", "bad_timestamp", id="time that is no number"),
        pytest.param("end", "253402300800000", "bad_timestamp", id="after the year 9999"),
        pytest.param("account-id", "12345678901", "bad_account", id="account of 11 digits"),
        pytest.param("account-id", "1234567890123", "bad_account", id="account of 13 digits"),
        pytest.param("account-id", "12345678901x", "bad_account", id="account with a letter"),
    ],
)
def test_invalid_value_is_refused_and_never_nulled(field, text, reason):
    values = SAMPLES | {field: text}
    names = [name for name in values if name in V5.split()]

    assert verdict(" ".join(names), " ".join(values[name] for name in names)) == (reason, VPC_FLOW.by_key[field].name)


def test_leading_zeros_are_decimal_and_the_largest_number_fits():
    row = only_row("start end log-status packets bytes", f"1 2 OK 0{'0' * 30}8 9223372036854775807")

    assert (row["packets"], row["bytes"]) == (8, 2**63 - 1)


def test_an_unknown_account_and_a_foreign_instance_give_no_indicator():
    row = only_row("start end log-status account-id instance-id srcaddr dstaddr", "1 2 OK unknown mi-1 fe80::1%eth0 x")

    assert "account" not in row
    assert (row["instanceId"], row["srcAddr"], row["dstAddr"]) == ("mi-1", "fe80::1%eth0", "x")
    assert not [name for name in row if name.startswith("p_any")]


def test_values_that_aws_may_add_load():
    row = only_row("start end log-status action flow-direction", "1 2 PARTIAL DEFER sideways")

    assert (row["status"], row["action"], row["flowDirection"]) == ("PARTIAL", "DEFER", "sideways")


def test_row_with_another_number_of_values_is_refused():
    fate = text_fate("start end log-status srcport\n1 2 OK\n1 2 OK 3 4\n1 2 OK 3\n")

    assert [one for _, one in fate[:2]] == [("too_few_values", None), ("too_many_values", None)]
    assert fate[2][1]["srcPort"] == 3


def test_unknown_columns_are_kept_as_text_except_dashes():
    fate = text_fate("new-b start end log-status new-a\nx 1 2 OK 007\n- 1 2 OK y\n- 1 2 OK -\n")

    assert [row["p_extra"] for _, row in fate] == [[("new-b", "x"), ("new-a", "007")], [("new-a", "y")], None]


def test_white_space_of_any_kind_and_length_separates_values():
    fate = text_fate("  start\tend  log-status \r\n1  2\tOK\r\n 3\x0b4 \x0cOK  \n5 6 OK\r")

    assert [(line, row["start"], row["end"]) for line, row in fate] == [
        (2, at(1), at(2)),
        (3, at(3), at(4)),
        (4, at(5), at(6)),
    ]


def test_blank_lines_and_repeated_headers_count_as_lines_not_records():
    fate = text_fate("\n\nstart end log-status\n\n1 2 OK\n \t\nstart  end log-status\n3 4 OK\n\n")

    assert [(line, row["start"]) for line, row in fate] == [(5, at(1)), (8, at(3))]


def test_another_header_changes_the_format_from_there_on():
    fate = text_fate(
        "start end log-status\n1 2 OK\nend start log-status\n4 3 OK\nstart end log-status srcport\n5 6 OK 7\n"
    )

    assert [(line, row["start"], row["srcPort"]) for line, row in fate] == [
        (2, at(1), None),
        (4, at(3), None),
        (6, at(5), 7),
    ]


def test_a_file_whose_header_changes_without_end_is_refused_whole():
    few = "start end log-status\n1 2 OK\nend start log-status\n1 2 OK\n" * 100
    many = "".join(f"start end log-status new-{i}\n1 2 OK x\n" for i in range(100))

    assert len(text_fate(few)) == 200
    assert text_fate(many) == "header_changes"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"1 2 \xff", "invalid_utf8", id="invalid utf-8"),
        pytest.param(b"1 2 \xed\xa0\x80", "invalid_utf8", id="lone surrogate"),
        pytest.param(b"1 2 O\x00K", "nul_character", id="NUL"),
        pytest.param(b"\xef\xbb\xbf1 2 OK", "bad_timestamp", id="byte order mark among the records"),
    ],
)
def test_a_line_that_no_text_can_hold_is_refused_alone(line, reason):
    fate = text_fate(b"start end log-status\n1 2 OK\n" + line + b"\n3 4 OK\n")

    assert [one if isinstance(one, tuple) else "row" for _, one in fate] == [
        "row",
        (reason, "start" if reason == "bad_timestamp" else None),
        "row",
    ]


def test_byte_order_mark_is_not_part_of_the_header():
    assert text_fate("\ufeffstart end log-status\n1 2 OK\n")[0][1]["start"] == at(1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            f"2 123456789010 {ENI} - - - - - - - 1431280876 1431280934 - NODATA\n", "no_header", id="no header"
        ),
        pytest.param(f"{TRANSIT_GATEWAY}\n6 TransitGateway\n", "transit_gateway", id="transit gateway"),
        pytest.param(f"2024-05-01T10:00:00.000Z 2 123456789010 {ENI}\n", "cloudwatch_export", id="cloudwatch"),
        pytest.param('{"Records": []}\n', "json_in_flow", id="json object"),
        pytest.param('\n [{"version": 2}]\n', "json_in_flow", id="json array after a blank line"),
        pytest.param(
            f"{NAT_GATEWAY}\n- {ENI} 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n", "header_missing_required", id="nat"
        ),
        pytest.param("start end log-status start\n1 2 OK 3\n", "header_duplicate", id="a name twice"),
        pytest.param("start end log-status\n1 2 OK\ntgw-id start end log-status\n", "transit_gateway", id="later on"),
    ],
)
def test_other_parquet_is_refused_whole_with_a_reason(text, reason):
    good = "start end log-status\n1 2 OK\n"

    assert [
        fate if isinstance(fate, str) else len(fate) for fate in fates([zipped(one) for one in (good, text, good)])
    ] == [
        1,
        reason,
        1,
    ]
    assert reason in REASONS


def events(*texts: str) -> tuple[list[Parsed], list[ObjectEnd]]:
    inputs = [ObjectInput(i, str(i), iter([zipped(text)])) for i, text in enumerate(texts)]
    found = list(parse(LogType.VPC_FLOW, inputs))
    return [e for e in found if isinstance(e, Parsed)], [e for e in found if isinstance(e, ObjectEnd)]


def test_a_file_with_only_a_header_is_empty():
    _, (end,) = events(V2 + "\n")

    assert (end.state, end.reason) == (ObjectState.EMPTY, "no_records")


def test_objects_in_a_block_keep_their_own_header_and_versions():
    texts = ["version start end log-status\n2 1 2 OK\n- 3 4 OK\n", "log-status end start version new\nOK 6 5 11 x\n"]
    (parsed,), ends = events(*texts)

    assert parsed.objects.tolist() == [0, 0, 1]
    assert parsed.lines.tolist() == [2, 3, 2]
    assert parsed.rows.column("start").to_pylist() == [at(1), at(3), at(5)]
    assert [end.versions for end in ends] == [{"2"}, {"11"}]
    assert [end.unknown_fields for end in ends] == [frozenset(), {"new"}]


def test_a_refusal_says_where_what_and_why():
    (parsed,), _ = events("srcport start end log-status\r\n99999 1 2 OK\r\n")

    (refused,) = parsed.refused
    assert (refused.line, refused.start, refused.end, refused.raw) == (2, 30, 43, b"99999 1 2 OK\r")
    assert refused.detail == "srcPort is '99999', not a number from 0 to 65535"


def test_bad_lines_keep_their_numbers_across_arrow_blocks():
    good = f"2 123456789012 eni-{'1' * 1000} 10.0.0.1 10.0.0.2 1 2 6 1 1 1700000000 1700000060 ACCEPT OK"
    lines = [V2, *[good] * 5_000]  # 5 MB
    long = good.replace("eni-", "eni-" + "1" * 3_000_000)  # longer than Arrow reads at a time
    for line, text in ((5, good + " 9"), (2_900, "2 -"), (4_000, long), (4_500, good + " 9"), (4_900, good + "x y")):
        lines[line] = text

    records = text_fate("\n".join(lines), ParseLimits(max_line_bytes=4 << 20))

    many, few = ("too_many_values", None), ("too_few_values", None)
    assert [line for line, _ in records] == list(range(2, 5_002))
    assert {line: fate for line, fate in records if isinstance(fate, tuple)} == {
        6: many,
        2_901: few,
        4_501: many,
        4_901: many,
    }
    assert len(records[4_001 - 2][1]["interfaceId"]) == 3_001_004


@pytest.mark.parametrize("every", [3, 997])
def test_odd_lines_keep_their_outcome_across_blocks(every):
    good = "2 123456789012 eni-{} 10.0.0.1 10.0.0.2 1 2 6 1 {} 1700000000 1700000060 ACCEPT OK"
    lines = [good.format(number, number).encode() for number in range(30_000)]  # 3 MB
    odd = [
        good.format("1", "0x1F"),
        good.format("1", "0X1F"),
        good.replace("eni-", "0xeni").format("1", 1),
        good.format("x" * 9, 1),
        good.format("é", 1),
        good.format("\0", 1),
        good.format("1\t", 1),
        good.format("1", "many"),
        good.format("1", "1 1"),
        good.replace("1700000060", "noon").format("1", 1),
        good.replace(" 2 6 ", " 70000 6 ").format("1", 1),
        good.format("1", str(2**64)),
        "\x0b",
    ]
    kinds = [*(text.encode() for text in odd), good.encode() + b"\xff", V2.encode()]
    for number, line in enumerate(range(0, len(lines), every)):
        lines[line] = kinds[number % len(kinds)]
    text = b"\n".join([V2.encode(), *lines])

    assert text_fate(text, ParseLimits(max_object_refused=30_000)) == reference_fate(text)
