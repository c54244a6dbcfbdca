"""The names that clients look up, and the answers of the resolver.

Each question is rendered once, with all its answer variants; a record picks one. So
names and answers repeat as in real logs: a few names make up most of the queries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from demo.sample.world import hex_digits

__all__ = ["Question", "questions"]

_Answers = list[tuple[str, str]]  # (type, rdata) in order


@dataclass(frozen=True, slots=True)
class Question:
    """One question: ``parts`` are the JSON members from query_name to answers, one per variant.

    ``action`` is the action of DNS Firewall: ALERT, BLOCK or nothing.
    """

    parts: tuple[str, ...]
    action: str | None = None


def _words(text: str) -> list[str]:
    return text.split()


_SERVICES = _words(
    "ec2messages ssm ssmmessages logs monitoring sts kms s3 dynamodb sqs sns kinesis secretsmanager ecr.api "
    "ecr.dkr lambda events autoscaling elasticloadbalancing ec2 cloudformation firehose states athena glue rds"
)
_PUBLIC = _words(
    "pypi.org files.pythonhosted.org github.com api.github.com codeload.github.com registry.npmjs.org "
    "registry-1.docker.io auth.docker.io production.cloudflare.docker.com archive.ubuntu.com security.ubuntu.com "
    "deb.debian.org api.slack.com hooks.slack.com api.pagerduty.com intake.logs.datadoghq.com api.stripe.com "
    "repo.maven.apache.org crates.io proxy.golang.org time.aws.com ntp.ubuntu.com acme-v02.api.letsencrypt.org"
)
_INTERNAL = _words(
    "orders payments users search cart ledger reports auth billing inventory images mail metrics cache db"
)


@cache
def questions(region: str, seed: int) -> tuple[Question, ...]:
    """The questions asked in one region, the most frequent first: about 6,000."""
    rng = np.random.default_rng([seed, 2, *region.encode()])
    popular = [
        *_services(rng, region),
        *_public(rng),
        *_internal(rng, region),
        *_special(rng, region),
    ]
    order = rng.permutation(len(popular))
    return (*(popular[i] for i in order), *_long_tail(rng, region))


def _services(rng: np.random.Generator, region: str) -> list[Question]:
    asked = []
    for service in _SERVICES:
        name = f"{service}.{region}.amazonaws.com."
        asked.append(_question(name, "A", [_addresses(rng, 1 + i % 8) for i in range(24)]))
        # Most AWS endpoints have no AAAA: NOERROR without an answer.
        asked.append(_question(name, "AAAA", [[]]))
        asked.append(_question(f"{name}{region}.compute.internal.", "A", [[]], rcode="NXDOMAIN"))
    return asked


def _public(rng: np.random.Generator) -> list[Question]:
    asked = []
    for host in _PUBLIC:
        edge = f"d{hex_digits(rng, 13)}.cloudfront.net."
        alias = f"{host.replace('.', '-')}.edge.example.net."
        chain: _Answers = [("CNAME", alias), ("CNAME", edge)]
        asked.append(_question(f"{host}.", "A", [chain + _addresses(rng, 4) for _ in range(16)]))
        asked.append(_question(f"{host}.", "AAAA", [chain + _addresses6(rng, 4) for _ in range(16)]))
    return asked


def _internal(rng: np.random.Generator, region: str) -> list[Question]:
    asked = []
    for service in _INTERNAL:
        for stage in ("prod", "staging", "dev"):
            name = f"{service}.{stage}.corp.example."
            number = int(rng.integers(100_000_000, 1_000_000_000))
            balancer = f"internal-{service}-{stage}-{number}.{region}.elb.amazonaws.com."
            private: _Answers = [("A", f"10.{octet}.3.{int(rng.integers(4, 250))}") for octet in (0, 1, 2)]
            asked.append(_question(name, "A", [[("CNAME", balancer), *private]]))
            asked.append(_question(f"_{service}._tcp.{stage}.corp.example.", "SRV", [[("SRV", f"1 10 8443 {name}")]]))
    return asked


def _special(rng: np.random.Generator, region: str) -> list[Question]:
    listed = hex_digits(rng, 17)
    return [
        _question("corp.example.", "MX", [[("MX", "10 mail1.corp.example."), ("MX", "20 mail2.corp.example.")]]),
        _question("corp.example.", "TXT", [[("TXT", '"v=spf1 include:amazonses.com -all"')]]),
        _question("_dmarc.corp.example.", "TXT", [[("TXT", '"v=DMARC1; p=reject; rua=mailto:dmarc@corp.example"')]]),
        _question("corp.example.", "NS", [[("NS", f"ns-{n}.awsdns-{n % 60:02}.org.") for n in (77, 654, 1201, 1999)]]),
        _question("corp.example.", "ANY", [[("A", "192.0.2.10"), ("MX", "10 mail1.corp.example.")]]),
        _question("instance-data.", "A", [[]], rcode="NXDOMAIN"),
        _question("wpad.", "A", [[]], rcode="NXDOMAIN"),
        _question("broken.partner.example.", "A", [[]], rcode="SERVFAIL"),
        _question("refused.partner.example.", "AAAA", [[]], rcode="REFUSED"),
        _question("xn--bcher-kva.example.", "A", [_addresses(rng, 1)]),
        _question("nodot.corp.example", "A", [_addresses(rng, 1)]),
        _question(f"{listed}.badactor.example.", "A", [[]], rcode="NXDOMAIN", action="BLOCK"),
        _question("pool.miner.example.", "A", [_addresses(rng, 3)], action="ALERT"),
        _question(f"db.{region}.rds.amazonaws.com.", "A", [_addresses(rng, 1), _addresses(rng, 1)]),
    ]


def _long_tail(rng: np.random.Generator, region: str) -> list[Question]:
    makers: Sequence[Callable[[], Question]] = (
        lambda: _reverse(rng, region),
        lambda: _question(f"{hex_digits(rng, 32)}.tracker.example.", "A", [_addresses(rng, 2)]),
        lambda: _question(f"{_letters(rng, 14)}.com.", "A", [[]], rcode="NXDOMAIN"),
        lambda: _question(f"{hex_digits(rng, 50)}.t.tunnel.example.", "TXT", [[("TXT", f'"{hex_digits(rng, 120)}"')]]),
        lambda: _question(f"{_letters(rng, 8)}.cdn.example.net.", "AAAA", [_addresses6(rng, 2)]),
        lambda: _question(f"{hex_digits(rng, 12)}.s3.{region}.amazonaws.com.", "A", [_addresses(rng, 8)]),
    )
    return [makers[number % len(makers)]() for number in range(5800)]


def _reverse(rng: np.random.Generator, region: str) -> Question:
    a, b, c = (int(part) for part in rng.integers(0, 250, 3))
    if c % 7 == 0:
        name = ".".join(hex_digits(rng, 32)) + ".ip6.arpa."
        return _question(name, "PTR", [[]], rcode="NXDOMAIN")
    return _question(
        f"{c}.{b}.{a}.10.in-addr.arpa.", "PTR", [[("PTR", f"ip-10-{a}-{b}-{c}.{region}.compute.internal.")]]
    )


def _question(
    name: str, kind: str, variants: Sequence[_Answers], *, rcode: str = "NOERROR", action: str | None = None
) -> Question:
    """Render the members ``query_name`` to ``answers``, once for each variant."""
    head = f'"query_name":{json.dumps(name)},"query_type":"{kind}","query_class":"IN","rcode":"{rcode}","answers":'
    return Question(tuple(head + _render(answers) for answers in variants), action)


def _render(answers: _Answers) -> str:
    return json.dumps([{"Rdata": rdata, "Type": kind, "Class": "IN"} for kind, rdata in answers], separators=(",", ":"))


def _addresses(rng: np.random.Generator, count: int) -> _Answers:
    return [("A", f"52.{a}.{b}.{c}") for a, b, c in rng.integers(1, 250, (count, 3))]


def _addresses6(rng: np.random.Generator, count: int) -> _Answers:
    return [("AAAA", f"2600:9000:{a:x}:{b:x}:0:{c:x}:93a1") for a, b, c in rng.integers(4096, 65535, (count, 3))]


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join("abcdefghijklmnopqrstuvwxyz"[letter] for letter in rng.integers(0, 26, count))
