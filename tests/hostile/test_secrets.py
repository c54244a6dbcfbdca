"""Secrets in every place where a setting can hold one: no command prints one, whatever fails."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from demo.seaweed import Seaweed
from tests.hostile.commands import run_commands
from tests.pipelines import KEY

PLAN = ["plan", "--log-type", "vpc_dns", "--from", "2022-10-07", "--to", "2022-10-07"]
# the commands that use what a section of the settings names
COMMANDS = {
    "ledger": (["doctor"], ["status"]),
    "catalog": (["doctor"], ["query", "select 1"]),
    "airflow": (["rerun", KEY, "--log-type", "vpc_dns"],),
    "monitors": (["doctor"], ["monitor"]),
    "sources": (["doctor"], PLAN),
}
OPTIONS = ([], ["--traceback"])
OWN = ("EnvSecretKey123", "EnvSessionToken123", "EnvPassword123")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_ACCESS_KEY_ID": "reader",
    "AWS_SECRET_ACCESS_KEY": OWN[0],
    "AWS_SESSION_TOKEN": OWN[1],
    "MY_PASSWORD": OWN[2],
}

# S1 to S3 stand for secrets. Nothing answers on port 9; GOSSIP is a server that quotes what it is asked.
_CATALOG = "type: sql, uri: 'sqlite:///catalog.db', warehouse: 'file://lake'"
_SOURCE = "name: dns, log_type: vpc_dns, bucket: logs"
SETTINGS = {
    "the ledger's password": "ledger: postgresql+psycopg2://u:S1@127.0.0.1:9/db",
    "the ledger's password in the query": "ledger: postgresql+psycopg2://u@127.0.0.1:9/db?password=S1",
    "an odd password": "ledger: postgresql+psycopg2://u:S1%40x@127.0.0.1:9/db",
    "a ledger whose port is no number": "ledger: postgresql+psycopg2://u:S1@127.0.0.1:port/db",
    "a ledger's password with a slash": "ledger: postgresql+psycopg2://u:S1/x@127.0.0.1:9/db",
    "a ledger's password with an @": "ledger: postgresql+psycopg2://u:x@S1@127.0.0.1:9/db",
    "a ledger that is no URL": "ledger: postgresql//u:S1@127.0.0.1:9/db",
    "a ledger of an unknown kind": "ledger: postgrasql://u:S1@127.0.0.1:9/db",
    "a ledger with a wrong option": "ledger: postgresql+psycopg2://u@127.0.0.1:9/db?passwd=S1",
    "a REST catalog": "catalog: {type: rest, uri: 'http://GOSSIP', token: S1, header.X-Api-Key: S2}",
    "a REST catalog with a login": "catalog: {type: rest, uri: 'http://GOSSIP', credential: 'me:S1', s3.token: S2}",
    "a login in a REST catalog's URL": "catalog: {type: rest, uri: 'http://u:S1@GOSSIP'}",
    "a REST catalog without a host": "catalog: {type: rest, uri: 'http://u:S1@', credential: 'me:S2'}",
    "a REST catalog whose port is no number": "catalog: {type: rest, uri: 'http://u:S1@127.0.0.1:port'}",
    "an SQL catalog": "catalog: {type: sql, uri: 'postgresql+psycopg2://u:S1@127.0.0.1:9/db', warehouse: 'file://x'}",
    "an SQL catalog with a query": "catalog: {type: sql, uri: 'postgresql://u@127.0.0.1:9/?password=S1', warehouse: x}",
    "a catalog of no kind": "catalog: {type: rust, uri: 'x://u:S1@h', s3.secret-access-key: S2, s3.session-token: S3}",
    "a catalog that is not named": "catalog: {urn: 'x://u:S1@h', s3.secret-access-key: S2}",
    "a catalog class that is not there": "catalog: {py-catalog-impl: no.such.Catalog, token: S1, adls.account-key: S2}",
    "a file system that is not there": "catalog: {type: sql, uri: 'sqlite:///c.db', warehouse: 'ftp://u:S1@h/x'}",
    "keys of the warehouse": f"catalog: {{{_CATALOG}, s3.secret-access-key: S1, header.Authorization: Bearer S2}}",
    "Airflow's password": "airflow: {url: 'http://GOSSIP', username: me, password: S1}",
    "Airflow's token": "airflow: {url: 'http://GOSSIP', token: S1}",
    "a login in Airflow's URL": "airflow: {url: 'http://u:S1@127.0.0.1:9', username: me, password: S2}",
    "a token in Airflow's URL": "airflow: {url: 'http://GOSSIP/?token=S1', username: me, password: S2}",
    "an Airflow that is not there": "airflow: {url: 'http://127.0.0.1:9/?token=S1', token: S2}",
    "an Airflow whose port is no number": "airflow: {url: 'http://u:S1@127.0.0.1:port', token: S2}",
    "two logins": "airflow: {url: 'http://GOSSIP', username: me, password: S1, token: S2}",
    "half a login": "airflow: {url: 'http://GOSSIP', password: S1}",
    "a password that is a list": "airflow: {url: 'http://GOSSIP', username: me, password: [S1, {x: S2}]}",
    "a key without its space": "airflow: {url: 'http://GOSSIP', password:S1}",
    "a password that is an alias": "airflow: {url: 'http://GOSSIP', username: me, password: *S1}",
    "a password that is a tag": "airflow: {url: 'http://GOSSIP', username: me, password: !S1 x}",
    "a secret of the environment": "airflow: {url: 'http://GOSSIP', username: me, password: '${MY_PASSWORD}'}",
    "a notifier": "monitors: {notify: [{notifier: a.B, kwargs: {token: S1, webhook: 'http://h/S2', x: {pwd: S3}}}]}",
    "a wrong notifier": "monitors: {notify: [{notifier: 7, kwargs: {token: S1}, nam: x}]}",
    "a role": f"sources: [{{{_SOURCE}, role_arn: 'arn:aws:iam::123456789012:role/x', external_id: S1}}]",
    "a login in an endpoint": f"sources: [{{{_SOURCE}, endpoint_url: 'http://u:S1@h:9'}}]",
    "an endpoint that quotes what it gets": f"sources: [{{{_SOURCE}, endpoint_url: 'http://GOSSIP'}}]",
}


@dataclass(frozen=True)
class Case:
    """A folder with settings, and the secrets in them."""

    name: str
    section: str
    folder: Path
    secrets: tuple[str, ...]


@pytest.fixture
def gossip() -> Iterator[str]:
    """A server that answers every request with an error that quotes it, headers and all."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            told = f"{self.path} {self.headers} {sent}"
            body = json.dumps({"error": {"message": told, "type": "Denied", "code": 403}, "detail": told}).encode()
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def cases(tmp_path: Path, seaweed: Seaweed, gossip: str) -> list[Case]:
    # each has secrets of its own: what the process remembers of one must not help another
    return [
        write_case(tmp_path / str(number), number, name, lines, seaweed.endpoint, gossip)
        for number, (name, lines) in enumerate(SETTINGS.items())
    ]


def write_case(folder: Path, number: int, name: str, lines: str, s3: str, gossip: str) -> Case:
    folder.mkdir()
    if "sources" not in lines:
        lines += f"\nsources: [{{{_SOURCE}, endpoint_url: '{s3}'}}]"
    secrets = {f"S{n}": f"Zq{number}kXw{n}vB" for n in range(1, 4)}
    text = re.sub(r"\bS[123](?!\w)", lambda found: secrets[found[0]], lines).replace("GOSSIP", gossip)
    (folder / "vpclogs.yaml").write_text(text)
    return Case(name, lines.partition(":")[0], folder, tuple(secret for secret in secrets.values() if secret in text))


def test_no_command_prints_a_secret(tmp_path: Path, cases: list[Case], gossip: str) -> None:
    plans = [(case, [*command, *option]) for case in cases for command in COMMANDS[case.section] for option in OPTIONS]
    env = {**ENVIRONMENT, "AWS_ENDPOINT_URL_STS": f"http://{gossip}"}

    written = run_commands(tmp_path, [(case.folder, arguments) for case, arguments in plans], env)

    assert all(case.secrets for case in cases if case.name not in ("a secret of the environment", cases[-1].name))
    for (case, _), one in zip(plans, written, strict=True):
        text = one.stdout + one.stderr
        assert text, (case.name, one.arguments)
        assert not [secret for secret in (*case.secrets, *OWN) if secret in text], (case.name, one.arguments, text)
        assert "Traceback" not in text or "--traceback" in one.arguments, (case.name, one.arguments, text)
