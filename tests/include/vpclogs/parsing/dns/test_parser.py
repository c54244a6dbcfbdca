"""Each decision about DNS query logs that docs/schemas.md states."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.include.vpclogs.parsing.dns_fates import fates
from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import ObjectInput, ParseLimits
from vpclogs.partitions import LogType

# The example of Panther's documentation, with its account of 13 digits.
PANTHER = (
    b'{"version":"1.100000","account_id":"0123456789012","region":"us-west-2","vpc_id":"vpc-c26c48ba",'
    b'"query_timestamp":"2022-10-07T21:39:49Z","query_name":"ec2messages.us-west-2.amazonaws.com.","query_type":"A",'
    b'"query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"52.94.176.105","Type":"A","Class":"IN"}],'
    b'"srcaddr":"172.31.46.187","srcport":"52635","transport":"UDP","srcids":{"instance":"i-09d9aa4e31675db61"}}'
)
# The example of AWS's documentation of the DNS Firewall: another key order, the new spelling, no dot at the end.
FIREWALL = (
    b'{"srcaddr":"4.5.64.102","vpc_id":"vpc-7example","answers":[{"Rdata":"203.0.113.9","Type":"PTR","Class":"IN"}],'
    b'"firewall_rule_group_id":"rslvr-frg-01234567890abcdef","firewall_rule_action":"BLOCK",'
    b'"query_name":"15.3.4.32.in-addr.arpa","firewall_domain_list_id":"rslvr-fdl-01234567890abcdef",'
    b'"query_class":"IN","srcids":{"instance":"i-0d15cd0d3example","resolver_endpoint":"rslvr-in-1"},'
    b'"rcode":"NOERROR","query_type":"PTR","transport":"UDP","version":"1.100000","account_id":"111122223333",'
    b'"srcport":"56067","query_timestamp":"2021-02-04T17:51:55Z","region":"us-east-1"}'
)
ANSWERS = b'"answers":[{"Rdata":"52.94.176.105","Type":"A","Class":"IN"}]'
SOURCE_IDS = b'"srcids":{"instance":"i-09d9aa4e31675db61"}'


def fate(line: bytes) -> Any:
    """The row, or (reason, field)."""
    ((_, found),) = fates([line])[0]
    return found


def changed(old: bytes, new: bytes) -> bytes:
    assert PANTHER.count(old) == 1
    return PANTHER.replace(old, new)


def member(name: str, value: bytes) -> bytes:
    """The example with another JSON text as a value."""
    old = json.loads(PANTHER)[name]
    return changed(f'"{name}":{json.dumps(old, separators=(",", ":"))}'.encode(), f'"{name}":'.encode() + value)


def added(members: bytes) -> bytes:
    return PANTHER[:-1] + b"," + members + b"}"


def without(name: str) -> bytes:
    record = json.loads(PANTHER)
    del record[name]
    return json.dumps(record).encode()


def test_panthers_example_loads_with_every_field():
    row = fate(PANTHER)

    at = datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)
    expected = json.loads(PANTHER) | {"query_timestamp": at, "p_event_time": at, "p_extra": None}
    expected |= dict.fromkeys(["firewall_rule_group_id", "firewall_rule_action", "firewall_domain_list_id"])
    expected["srcids"] |= {"resolver_endpoint": None, "resolver_network_interface": None}
    expected["p_any_ip_addresses"] = ["172.31.46.187", "52.94.176.105"]
    expected["p_any_domain_names"] = ["ec2messages.us-west-2.amazonaws.com"]
    expected["p_any_aws_account_ids"] = None
    expected["p_any_aws_instance_ids"] = ["i-09d9aa4e31675db61"]
    assert row == expected


def test_the_firewalls_example_loads_in_its_own_key_order():
    row = fate(FIREWALL)

    assert row["firewall_rule_action"] == "BLOCK"
    assert row["firewall_rule_group_id"] == "rslvr-frg-01234567890abcdef"
    assert row["firewall_domain_list_id"] == "rslvr-fdl-01234567890abcdef"
    assert row["srcids"]["resolver_endpoint"] == "rslvr-in-1"
    assert row["p_any_domain_names"] == ["15.3.4.32.in-addr.arpa", "203.0.113.9"]
    assert row["p_any_aws_account_ids"] == ["111122223333"]


REFUSED = [
    pytest.param(PANTHER.replace(b"ec2", b"\xff"), "invalid_utf8", None, id="not UTF-8"),
    pytest.param(added(b'"x":' + b"[" * 64 + b"]" * 64), "too_deep", None, id="65 brackets deep"),
    pytest.param(b"[" * 1_000_000, "too_deep", None, id="a bomb of brackets"),
    pytest.param(b'{"a":' * 100_000, "too_deep", None, id="a bomb of braces"),
    pytest.param(PANTHER[:-1], "not_json", None, id="cut"),
    pytest.param(PANTHER + PANTHER, "not_json", None, id="two objects on a line"),
    pytest.param(b"{\xef\xbb\xbf" + PANTHER[1:], "not_json", None, id="a byte order mark in a record"),
    pytest.param(added(b'"x":NaN'), "not_json", None, id="NaN"),
    pytest.param(added(b'"x":01'), "not_json", None, id="a number with a leading zero"),
    pytest.param(added(b'"x":"\t"'), "not_json", None, id="a control character"),
    pytest.param(PANTHER.replace(b"ec2", b"\0"), "not_json", None, id="a NUL byte"),
    pytest.param(b"[" + PANTHER + b"]", "not_object", None, id="an array"),
    pytest.param(b"null", "not_object", None, id="null"),
    pytest.param(added(b'"region":"us-west-2"'), "duplicate_key", "region", id="a key twice, with one value"),
    pytest.param(added(b'"r\\u0065gion":"x"'), "duplicate_key", "region", id="a key twice, once with an escape"),
    pytest.param(added(b'"x":[{"a":1,"a":2}]'), "duplicate_key", "a", id="a key twice in an unknown value"),
    pytest.param(
        changed(b'"Class":"IN"}]', b'"Class":"IN","Type":"A"}]'), "duplicate_key", "Type", id="a key twice in an answer"
    ),
    pytest.param(
        member("srcids", b'{"resolver-endpoint":"a","resolver_endpoint":"a"}'),
        "duplicate_key",
        "srcids.resolver_endpoint",
        id="both spellings of the endpoint",
    ),
    pytest.param(
        member("srcids", b'{"x":1}')[:-1] + b',"srcids.x":2}', "duplicate_key", "srcids.x", id="a key like a nested one"
    ),
    pytest.param(member("query_name", b'"\\ud83d."'), "lone_surrogate", "query_name", id="half a surrogate pair"),
    pytest.param(added(b'"\\ude00":1'), "lone_surrogate", "\\ude00", id="half a surrogate pair in a key"),
    pytest.param(member("query_name", b'"a\\u0000."'), "nul_character", "query_name", id="an escaped NUL"),
    pytest.param(member("version", b'"latest"'), "bad_version", "version", id="a version in words"),
    pytest.param(member("version", b"1.1"), "wrong_type", "version", id="a version as a number"),
    pytest.param(member("account_id", b'"12345678901"'), "bad_account", "account_id", id="11 digits"),
    pytest.param(member("account_id", b'"12345678901x"'), "bad_account", "account_id", id="an account in words"),
    pytest.param(
        member("query_timestamp", b'"2022-10-07T20:19:177Z"'), "bad_timestamp", "query_timestamp", id="a misprint"
    ),
    pytest.param(member("srcport", b'"65536"'), "bad_port", "srcport", id="a port too large"),
    pytest.param(member("srcport", b"52635"), "wrong_type", "srcport", id="a port as a number"),
    pytest.param(member("query_name", b'["a."]'), "wrong_type", "query_name", id="a list for a string"),
    pytest.param(member("answers", b"{}"), "wrong_type", "answers", id="an object for a list"),
    pytest.param(member("answers", b"[null]"), "wrong_type", "answers[0]", id="null in a list"),
    pytest.param(
        member("answers", b'[{"Rdata":1,"Type":"A"}]'), "wrong_type", "answers[0].Rdata", id="data as a number"
    ),
    pytest.param(
        member("answers", b'[{"Rdata":"1.2.3.4","Type":"A"}]'), "missing_field", "answers[0].Class", id="no class"
    ),
    pytest.param(member("srcids", b"[]"), "wrong_type", "srcids", id="a list for an object"),
    pytest.param(member("srcids", b'{"instance":7}'), "wrong_type", "srcids.instance", id="an instance as a number"),
    pytest.param(
        added(b'"firewall_rule_action":false'), "wrong_type", "firewall_rule_action", id="an action as a boolean"
    ),
]


@pytest.mark.parametrize(("line", "reason", "field"), REFUSED)
def test_a_record_is_refused_for_the_first_reason_that_applies(line, reason, field):
    assert fate(line) == (reason, field)


REQUIRED = sorted(json.loads(PANTHER))


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_key_must_be_there_and_not_null(name):
    assert fate(without(name)) == fate(member(name, b"null")) == ("missing_field", name)


LOADED = [
    pytest.param(member("answers", b"[]"), "answers", [], id="no answers"),
    pytest.param(member("version", b'"1"'), "version", "1", id="a version without minor"),
    pytest.param(member("version", b'"1.999999"'), "version", "1.999999", id="a newer minor version"),
    pytest.param(member("srcport", b'"0"'), "srcport", "0", id="port 0"),
    pytest.param(member("srcport", b'"00053"'), "srcport", "00053", id="a port with zeros"),
    pytest.param(member("rcode", b'"NEWCODE"'), "rcode", "NEWCODE", id="an rcode that AWS may add"),
    pytest.param(member("transport", b'"QUIC"'), "transport", "QUIC", id="a transport that AWS may add"),
    pytest.param(member("query_name", b'""'), "query_name", "", id="an empty name"),
    pytest.param(member("query_name", b'"*\\\\052\\"\\u00e9\xc3\xa9."'), "query_name", '*\\052"éé.', id="escapes"),
    pytest.param(member("query_name", b'"\\ud83d\\ude00."'), "query_name", "😀.", id="a surrogate pair"),
    pytest.param(member("srcaddr", b'"none"'), "srcaddr", "none", id="an address that is none"),
    pytest.param(added(b'"firewall_rule_action":null'), "firewall_rule_action", None, id="null for an optional key"),
    pytest.param(b" " + PANTHER.replace(b":", b" : ", 1) + b"\r", "region", "us-west-2", id="blanks"),
]


@pytest.mark.parametrize(("line", "name", "value"), LOADED)
def test_what_is_unusual_but_right_loads(line, name, value):
    assert fate(line)[name] == value


@pytest.mark.parametrize("ids", [b"{}", b'{"instance":null}'])
def test_source_ids_may_be_empty(ids):
    row = fate(member("srcids", ids))

    assert set(row["srcids"].values()) == {None}
    assert row["p_any_aws_instance_ids"] is None


@pytest.mark.parametrize("key", ["resolver_endpoint", "resolver-endpoint"])
def test_both_spellings_of_the_endpoint_load_into_one_column(key):
    row = fate(member("srcids", json.dumps({key: "rslvr-in-1", "resolver_network_interface": "rni-1"}).encode()))

    ids = {"instance": None, "resolver_endpoint": "rslvr-in-1", "resolver_network_interface": "rni-1"}
    assert (row["srcids"], row["p_extra"]) == (ids, None)


def test_unknown_keys_are_kept_as_they_are_written():
    line = PANTHER.replace(b'"Class":"IN"', b'"Class":"IN","TTL": 60').replace(b'{"instance"', b'{"x":1e400,"instance"')
    line = line[:-1] + b',"a b":{"c" : [1.10,"\\u0041"]},"n":' + b"9" * 5000 + b"}"

    extra = {"a b": '{"c" : [1.10,"\\u0041"]}', "answers[0].TTL": "60", "n": "9" * 5000, "srcids.x": "1e400"}
    assert fate(line)["p_extra"] == extra


def test_a_value_may_be_64_brackets_deep():
    assert fate(added(b'"x":' + b"[" * 63 + b"]" * 63 + b',"y":"' + b"[" * 100 + b'"'))["p_extra"].keys() == {"x", "y"}


def test_indicators_are_sorted_distinct_and_of_all_answers():
    answers = [
        ("a.example.", "CNAME"), ("b.example", "CNAME"), ("10.0.0.9", "A"), ("10.0.0.10", "A"), ("10.0.0.9", "A"),
        ("2001:db8::1", "AAAA"), ("no address", "A"), ("10 mail.example.", "MX"), ("ns.example.", "NS"),
        ("1 10 8443 srv.example.", "SRV"), ("text.example.", "TXT"), ("172.31.46.187", "A"),
        ("xn--bcher-kva.de.", "PTR"),
    ]  # fmt: skip
    row = fate(member("answers", json.dumps([{"Rdata": d, "Type": t, "Class": "IN"} for d, t in answers]).encode()))

    assert row["p_any_ip_addresses"] == ["10.0.0.10", "10.0.0.9", "172.31.46.187", "2001:db8::1"]
    names = ["a.example", "b.example", "bücher.de", "ec2messages.us-west-2.amazonaws.com", "mail.example", "ns.example"]
    assert row["p_any_domain_names"] == names


def test_lines_of_blanks_are_no_records_but_count():
    text = b"\n".join([b"", PANTHER, b" \t\r", b"x", PANTHER])

    assert [(line, type(found)) for line, found in fates([text])[0]] == [(2, dict), (4, tuple), (5, dict)]


def test_an_object_over_two_lines_is_two_refused_lines():
    half = len(PANTHER) // 2

    found = fates([PANTHER[:half] + b"\n" + PANTHER[half:] + b"\n" + PANTHER])[0]

    assert [fate if isinstance(fate, tuple) else "row" for _, fate in found] == [("not_json", None)] * 2 + ["row"]


@pytest.mark.parametrize("rest", [b"}", b',"answers":7}', b',"srcport":1,"x":NaN}'], ids=["alone", "wrong", "not JSON"])
def test_another_major_version_is_recognized_in_broken_records(rest):
    found = fates([PANTHER + b"\n" + b'{"version":"2.000000"' + rest])[0]

    assert found == "version_major" if b"NaN" not in rest else found[1] == (2, ("not_json", None))


def test_a_refusal_points_at_the_record():
    text = PANTHER + b"\n" + b"x" * 100 + b"\n"
    (parsed, _) = parse(
        LogType.VPC_DNS, [ObjectInput(0, "k", iter([gzip.compress(text)]))], ParseLimits(max_kept_raw_bytes=10)
    )

    (refused,) = parsed.refused
    assert (refused.line, refused.raw, text[refused.start : refused.end]) == (2, b"x" * 10, b"x" * 100)
