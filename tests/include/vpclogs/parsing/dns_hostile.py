"""Lines of DNS query logs in every shape: as AWS writes them, unusual but right, and wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

__all__ = ["hostile_object", "plain_line"]

NAMES = ["example.com.", "www.example.com.", "nodot", ".", "", "xn--bcher-kva.example.", "a.XN--99.b.", "x y.", "*.z."]
ADDRESSES = ["10.0.0.1", "10.0.0.10", "10.0.0.9", "2001:db8::1", "2001:DB8::1", "::ffff:1.2.3.4", "010.0.0.1", "no"]
ADDRESSES += ["fe80::1%eth0", "1.2.3", "256.1.1.1", "", "1.2.3.4.", " 1.2.3.4"]
MAIL = ["10 mail.example.", "mail.example.", "0 .", "10", " 20  b.example.", "10\tc."]
TEXTS = ["v=spf1 -all", '"quoted"', "back\\slash", "tab\there", "é", "😀", "a\\052b", "]", "[{", '","Type":"A"', "\x7f"]
TIMES = ["2022-10-07T21:39:49Z", "2022-10-07T21:39:49.177Z", "2022-10-07t21:39:49z", "2024-02-29T00:00:00+05:30"]
TIMES += ["2022-10-07T21:39:49.123456789Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2022-10-07T23:59:59-00:00"]
BAD_TIMES = ["2022-10-07T20:19:177Z", "2022-10-07T24:00:00Z", "2022-10-07T21:39:49", "2022-02-29T00:00:00Z", ""]
BAD_TIMES += [
    "2022-10-07 21:39:49Z",
    "2022-13-07T21:39:49Z",
    "2022-10-00T21:39:49Z",
    "2022-10-07T21:39:60Z",
    "0000-01-01T00:00:00Z",
]
BAD_TIMES += [
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "2022-10-07T21:39:49.Z",
    "2022-10-07T21:39:49.1234567890Z",
]
BAD_TIMES += [
    "2022-10-07T21:39:49+24:00",
    "2022-10-07T21:39:49+0530",
    "\uff12022-10-07T21:39:49Z",
    "2022-10-07T21:39:49Z ",
]
PORTS = ["0", "53", "65535", "00053", "1024"]
BAD_PORTS = ["65536", "", "-1", "+1", "1 ", "domain", "99999", "000053", "\u0663"]
VERSIONS = ["1.100000", "1.000000", "1.200000", "1", "01.1"]
ACCOUNTS = ["123456789012", "0123456789012", "000000000001"]
BAD_ACCOUNTS = ["12345678901", "01234567890123", "", "12345678901a", "\u066123456789012"]
VALUES = [
    "null",
    "1",
    "-0",
    "1e400",
    "1.10",
    '""',
    '"x"',
    "[]",
    "{}",
    "true",
    '{"a":[1,{"b":null}]}',
    "123456789" * 9,
    '"\\u0041"',
]
BAD_VALUES = [
    "NaN",
    "01",
    "1.",
    "'x'",
    "tru",
    '"\\x"',
    '"\\ud800"',
    '"\\u0000"',
    "[1,]",
    '{"a":1,"a":2}',
    "[" * 70 + "]" * 70,
    "{",
    "\\",
]

NOISE = [letter.encode() for letter in '"\\][{},: \0\t\ré'] + [b'\\"', b"\xff", b'","', b'"}']


def answer(r: random.Random) -> dict[str, str]:
    kind = r.choice(["A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT", "a", "SRV"])
    data = {"A": ADDRESSES, "AAAA": ADDRESSES, "MX": MAIL, "TXT": TEXTS}.get(kind, NAMES)
    return {"Rdata": r.choice(data), "Type": kind, "Class": r.choice(["IN", "IN", "CH"])}


def record(r: random.Random) -> dict[str, object]:
    """A record that loads."""
    ids = {"instance": "i-0a", "resolver_endpoint": "rslvr-in-1", "resolver_network_interface": "rni-1"}
    members: dict[str, object] = {
        "version": r.choices(VERSIONS, [20, 1, 1, 1, 1])[0],
        "account_id": r.choice(ACCOUNTS),
        "region": "us-west-2",
        "vpc_id": "vpc-1",
        "query_timestamp": r.choice(TIMES),
        "query_name": r.choice(NAMES + TEXTS),
        "query_type": r.choice(["A", "AAAA", "ANY"]),
        "query_class": "IN",
        "rcode": r.choice(["NOERROR", "NXDOMAIN"]),
        "answers": [answer(r) for _ in range(r.choice([0, 0, 1, 1, 2, 5]))],
        "srcaddr": r.choice(ADDRESSES),
        "srcport": r.choice(PORTS),
        "transport": "UDP",
        "srcids": {key: value for key, value in ids.items() if r.random() < 0.4},
    }
    if r.random() < 0.2:
        members |= {"firewall_rule_group_id": "g", "firewall_rule_action": "BLOCK", "firewall_domain_list_id": "d"}
    return members


def plain_line(r: random.Random) -> bytes:
    """A record that loads, as AWS writes it."""
    return dump(record(r), r)


def dump(members: object, r: random.Random) -> bytes:
    separators = (", ", ": ") if r.random() < 0.02 else (",", ":")
    return json.dumps(members, separators=separators, ensure_ascii=r.random() < 0.5).encode()


def odd_value(r: random.Random) -> bytes:
    """A field has a value that may be wrong."""
    members = record(r)
    bad = {"query_timestamp": BAD_TIMES, "srcport": BAD_PORTS, "account_id": BAD_ACCOUNTS}
    name = r.choice([*bad, *members])
    others: list[object] = [None, 1, 1.5, True, "", "x", [], {}, [None], {"a": "b"}, ["a"], [{}], [{"Rdata": "x"}]]
    members[name] = r.choice(bad.get(name, others) + others)
    return dump(members, r)


def odd_members(r: random.Random) -> bytes:
    """Members are missing, repeated, unknown, in another order, or spelled with escapes."""
    texts = [f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in record(r).items()]
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        at = r.randrange(len(texts))
        match r.randrange(7):
            case 0:
                del texts[at]
            case 1:
                texts.insert(r.randrange(len(texts)), texts[at])
            case 2:
                key = r.choice(
                    ["foo", "srcids.bar", "additional", "answers[0].TTL", "Rdata", "resolver-endpoint", "", "é"]
                )
                texts.insert(at, f"{json.dumps(key)}:{r.choice(VALUES)}")
            case 3:
                r.shuffle(texts)
            case 4:
                texts[at] = texts[at].replace("e", "\\u0065", 1)
            case 5:
                texts.insert(at, f'"bad":{r.choice(BAD_VALUES)}')
            case 6:
                texts = [
                    text.replace('"Class"', f'"TTL":{r.choice(VALUES)},"Class"', r.choice([1, 9])) for text in texts
                ]
    return b"{" + ",".join(texts).encode() + b"}"


def odd_srcids(r: random.Random) -> bytes:
    """The ids have both spellings, unknown keys, nulls or other types."""
    ids = [
        '"instance":"i-1"',
        '"resolver-endpoint":"e"',
        '"resolver_endpoint":"e"',
        '"bar":1',
        '"instance":null',
        '"resolver_endpoint":null',
    ]
    ids += ['"instance":1', '"instance":""', '"resolver_network_interface":[]', '"x":"y"']
    chosen = ",".join(r.sample(ids, r.choice([1, 1, 2, 3])))
    return plain_line(r).replace(b'"srcids":{', b'"srcids":{' + chosen.encode() + r.choice([b",", b"", b',"z":2,']), 1)


def odd_bytes(r: random.Random) -> bytes:
    """Some bytes of a good line are lost, changed or added."""
    line = bytearray(plain_line(r))
    for _ in range(r.choice([1, 1, 2, 4])):
        at = r.randrange(len(line))
        match r.randrange(4):
            case 0:
                del line[at : at + r.choice([1, 1, 5, 100])]
            case 1:
                line[at:at] = r.choice(NOISE)
            case 2:
                line[at] = r.randrange(256)
            case 3:
                line[at:at] = line[r.randrange(len(line)) :][: r.choice([3, 30, 300])]
        line = line or bytearray(b"x")
    return bytes(line).replace(b"\n", b"")


def odd_line(r: random.Random) -> bytes:
    """No record, or not one record."""
    good = plain_line(r)
    others = [b"", b" \t", b"\r", b'"x"', b"1", b"null", b"{}", b"[]", b"\xff", b"\0", b"[" * 300, b'"' + b"[" * 300]
    others += [good + good, good[: len(good) // 2], b"[" + good + b"]", b"\xef\xbb\xbf" + good, good + b"\r"]
    others += [b"  " + good + b" ", b"\x0b" + good, good + b"x"]
    return r.choice(others)


SHAPES: list[Callable[[random.Random], bytes]] = [odd_value, odd_members, odd_srcids, odd_bytes, odd_line]


def hostile_object(r: random.Random, lines: int, odd: float) -> bytes:
    """An object in which the share ``odd`` of the lines is something else than AWS's usual."""
    order = [r.choice(SHAPES)(r) if r.random() < odd else plain_line(r) for _ in range(lines)]
    return b"\n".join(order) + r.choice([b"\n", b"", b"\n\n"])
