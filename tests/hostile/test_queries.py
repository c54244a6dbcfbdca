"""SQL that is meant to do harm: it writes nothing, reads no secret, reaches no host, and costs only itself."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
import pytest

from tests.include.vpclogs.cli.conftest import COMMAND, deploy
from tests.pipelines import dns_key, event, make_pipeline, put_lines, run_hour
from vpclogs.config.settings import QuerySettings
from vpclogs.errors import VpcLogsError
from vpclogs.monitors.checking import run_checks
from vpclogs.pipeline import Pipeline
from vpclogs.querying.engine import open_tables
from vpclogs.querying.errors import QueryLimitExceeded, QueryRefused
from vpclogs.querying.judge import judge
from vpclogs.querying.process import Tables, run_query

READING = [
    "select count(*) from vpc_dns",
    "select * from main.vpc_dns",
    "from vpc_dns select query_name limit 3",
    "with v as (select * from vpc_dns) select * from v join v as w using (p_row_id)",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select * from n",
    "explain select count(*) from vpc_dns",
    "explain analyze select count(*) from vpc_dns",
    "/* explain (analyze */ explain select 1",
    "describe vpc_dns",
    "summarize vpc_dns",
    "show tables",
    "values (1), (2)",
    "select unnest(answers).Rdata from vpc_dns",
    "select * from vpc_dns, unnest(p_any_ip_addresses) as t(ip)",
    "select srcaddr::inet <<= '172.16.0.0/12'::inet from vpc_dns",
    "select list_transform([1, 2], lambda x: x + 1)",
    "select count(*) filter (where rcode = 'NOERROR') over (partition by vpc_id) from vpc_dns",
    "pivot (select rcode, vpc_id from vpc_dns) on rcode in ('NOERROR') using count(*)",
    "select columns('p_.*') from vpc_dns",
    "select 1 -- ; copy vpc_dns to 'x'",
    "select ';' || '/*'",
]

WRITES = [
    "/* explain (analyze */ explain analyze copy (select 'PWNED') to '{table}/x.csv' -- */ select 1",
    "copy (select 1) to '{table}/x.csv'",
    "EXPLAIN ANALYZE COPY vpc_dns TO '{table}/x.parquet' (FORMAT parquet)",
    "explain/**/analyze/**/copy (select 1) to '{table}/x.csv'",
    "explain (analyze, format json) copy (select 1) to '{table}/x.csv'",
    "explain (format json, analyze) copy (select 1) to '{table}/x.csv'",
    "explain analyse create table t as select 1",
    "explain explain analyze copy (select 1) to '{table}/x.csv'",
    "explain analyze explain analyze copy (select 1) to '{table}/x.csv'",
    "\u00a0explain analyze copy (select 1) to '{table}/x.csv'",
    "\n\t--x\nexplain\nanalyze\ncopy (select 1) to '{table}/x.csv'",
    "select 1; copy (select 1) to '{table}/x.csv'",
    "select 1;;copy (select 1) to '{table}/x.csv'",
    "begin; copy (select 1) to '{table}/x.csv'; commit",
    "create or replace table vpc_dns as select 1",
    "create view x as select 1",
    "create macro f() as 1",
    "insert into vpc_dns select * from vpc_dns",
    "delete from vpc_dns",
    "update vpc_dns set rcode = 'x'",
    "drop view vpc_dns",
    "alter table vpc_dns rename to x",
    "export database '{table}/export'",
    "import database '{table}/export'",
    "attach '{table}/x.db' as x",
    "checkpoint",
    "vacuum",
    "prepare p as copy (select 1) to '{table}/x.csv'",
    "execute p",
    "call enable_logging(storage = 'file', storage_path = '{table}')",
    "select * from enable_logging(storage = 'file', storage_path = '{table}')",
    "select write_log('PWNED')",
    "set temp_directory = '{table}'",
    "reset enable_external_access",
    "pragma enable_profiling",
    "pragma profiling_output = '{table}/x.json'",
    "install httpfs",
    "load httpfs",
    "select * from query('copy (select 1) to ''{table}/x.csv''')",
    "with x as (copy (select 1) to '{table}/x.csv') select 1",
    "with x as materialized (insert into vpc_dns select * from vpc_dns returning 1) select * from x",
]

SECRETS = [
    "select current_setting('s3_secret_access_key')",
    "select CURRENT_SETTING ( 's3_access_key_id' )",
    "select \"current_setting\"('s3_session_token')",
    "select main.current_setting('home_directory')",
    "select system.main.current_setting('home_directory')",
    "select 's3_secret_access_key'.current_setting()",
    "select getenv('AWS_SECRET_ACCESS_KEY')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets(redact => false)",
    "from duckdb_settings",
    "from pragma_show('x')",
    "select * from which_secret('s3://x', 's3')",
    "select getvariable('x')",
    "select list_transform(['AWS_SECRET_ACCESS_KEY'], lambda x: getenv(x))",
    "select * from (select getenv('AWS_SECRET_ACCESS_KEY'))",
    "select 1 where getenv('AWS_SECRET_ACCESS_KEY') is null",
    "select 1 order by getenv('AWS_SECRET_ACCESS_KEY')",
    "select 1 limit (select length(getenv('AWS_SECRET_ACCESS_KEY')))",
    "select error(getenv('AWS_SECRET_ACCESS_KEY'))",
    "explain analyze select getenv('AWS_SECRET_ACCESS_KEY')",
    "values (getenv('AWS_SECRET_ACCESS_KEY'))",
    "select sum(1) over (order by getenv('AWS_SECRET_ACCESS_KEY'))",
    "select count(*) filter (where getenv('AWS_SECRET_ACCESS_KEY') = 'x')",
    "select case when getenv('AWS_SECRET_ACCESS_KEY') like 'c%' then 1 end",
    "show all tables",
    "show databases",
    "from information_schema.tables",
    "from duckdb_views()",
    "select * from sqlite_master",
]

FILES = [
    "select * from read_text('{table}/metadata')",
    "select * from read_text('s3://lake/x?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    "select * from read_blob('/proc/self/environ')",
    "select * from read_csv('http://127.0.0.1:{port}/x.csv')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_json('/etc/hostname')",
    "select * from read_ndjson_objects('/etc/hostname')",
    "select * from read_parquet('{table}/*.parquet')",
    "select * from parquet_scan('{table}/*.parquet')",
    "select * from parquet_metadata('{table}/*.parquet')",
    "select * from glob('/etc/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from iceberg_scan('{table}')",
    "select * from iceberg_metadata('{table}')",
    "select * from '/etc/passwd'",
    'select * from "/etc/passwd"',
    "select * from '/etc/passwd.csv'",
    "from 'http://127.0.0.1:{port}/x.parquet'",
    "from 's3://lake/x.parquet'",
    'with "/etc/passwd.csv" as (select 1) from "/etc/passwd.csv"',
    "select (select * from read_text('/etc/passwd'))",
    "select * from vpc_dns join read_text('/etc/passwd') on true",
    "select * from vpc_dns where query_name in (from read_text('/etc/passwd') select content)",
    "describe from read_csv('/etc/passwd')",
    "summarize '/etc/passwd.csv'",
    "describe '/etc/passwd.csv'",
    "pivot read_csv('/etc/passwd') on x using count(*)",
    "from query_table('/etc/passwd.csv')",
    "from query_table(['vpc_dns'])",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from vpc_dns at (version => 1)",
    "select nextval('x')",
    "select $1",
    "select txid_current()",
    "select * from test_all_types()",
    "select * from repeat_row(1, num_rows = 10)",
]

ENDLESS = "select count(*) from range(100000000) a, range(100000000) b where a.range % 7 > b.range % 11"

CANARIES = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY",
    "AWS_SECRET_ACCESS_KEY": "canary-secret",
    "AWS_SESSION_TOKEN": "canary-token",
    "VPCLOGS_AIRFLOW_PASSWORD": "canary-password",
}


@contextmanager
def canary_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server on loopback that keeps whatever is sent to it; nothing should be."""
    received: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                received.append(connection.recv(1 << 16))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], received
        listener.shutdown(socket.SHUT_RDWR)


def checksums(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def loaded(s3, bucket, tmp_path) -> Pipeline:
    """A deployment with a few rows."""
    pipeline = make_pipeline(tmp_path, bucket, s3)
    put_lines(s3, bucket, dns_key("2100"), [event(), event(rcode="NXDOMAIN")])
    run_hour(pipeline, "run")
    return pipeline


def tables_of(pipeline: Pipeline) -> Tables:
    return Tables(pipeline.settings.catalog, pipeline.settings.namespace)


def select(sql: str, pipeline: Pipeline, **limits: int) -> list[list[object]]:
    with run_query(sql, tables_of(pipeline), QuerySettings(**limits)) as result:
        return list(result.rows)


@pytest.mark.parametrize("sql", READING)
def test_statements_that_read_pass_the_judge(sql):
    judge(sql)


@pytest.mark.parametrize("sql", WRITES + SECRETS + FILES)
def test_statements_that_do_more_are_refused(sql):
    with pytest.raises(QueryRefused) as caught:
        judge(sql.format(table="/lake/vpc_dns", port=1))

    kinds = ("queries may", "queries read", "a query ", "of SHOW", "Parser Error", "has characters", "options")
    assert any(word in str(caught.value) for word in (*kinds, "disabled by configuration"))


def test_a_refusal_names_what_is_allowed(loaded):
    with pytest.raises(QueryRefused, match="queries read the tables vpc_dns, vpc_flow, quarantine"):
        select("from '/etc/passwd'", loaded)
    with pytest.raises(QueryRefused, match="allowed are functions that compute a value"):
        select("select getenv('HOME')", loaded)
    with pytest.raises(QueryRefused, match="a query is one statement that reads: SELECT"):
        select("drop view vpc_dns", loaded)


def test_a_query_changes_no_file_of_the_tables(loaded, tmp_path):
    before = checksums(tmp_path)
    table = tmp_path / "lake/vpclogs/vpc_dns"

    for sql in [*WRITES[:6], WRITES[30]]:
        with pytest.raises(QueryRefused):
            select(sql.format(table=table, port=1), loaded)

    assert select("select count(*) from vpc_dns", loaded) == [[2]]
    assert checksums(tmp_path) == before


def test_the_engine_without_the_judge_writes_and_sends_nothing(loaded, tmp_path, monkeypatch):
    """Every statement of the lists above, past the judge: what the second layer stops by itself."""
    for name, canary in CANARIES.items():
        monkeypatch.setenv(name, canary)
    (folder := tmp_path / "engine").mkdir()
    before = checksums(tmp_path / "lake")
    shown = ""
    with canary_server() as (port, received):
        catalog = loaded.warehouse.catalog
        for sql in WRITES + SECRETS + FILES:
            if "checkpoint" in sql or "getenv" in sql:
                continue  # getenv is the command-line shell's alone
            with open_tables(catalog, namespace="vpclogs", folder=folder, limits=QuerySettings()) as connection:
                try:
                    shown += str(connection.execute(sql.format(table=tmp_path / "lake", port=port)).fetchall())
                except duckdb.Error as error:
                    shown += str(error)
        assert received == []
    assert checksums(tmp_path / "lake") == before
    assert not [canary for canary in CANARIES.values() if canary in shown]


def test_no_secret_is_in_a_result_error_or_alert(loaded, tmp_path, monkeypatch):
    for name, canary in CANARIES.items():
        monkeypatch.setenv(name, canary)
    shown = []
    for sql in (SECRETS[0], SECRETS[6], SECRETS[7], "select nothing from vpc_dns"):
        with pytest.raises(VpcLogsError) as caught:
            select(sql, loaded)
        shown.append(str(caught.value))
        (tmp_path / f"check_{len(shown)}.sql").write_text(f"-- severity: error\n-- message: x\n{sql}")
    loaded.settings = loaded.settings.model_copy(update={"checks_folder": tmp_path})

    findings = run_checks(loaded).findings

    assert len(findings) == 4
    text = " ".join([*shown, *(finding.message for finding in findings)])
    assert not [canary for canary in CANARIES.values() if canary in text]


def test_tables_in_s3_are_read_and_no_request_goes_elsewhere(s3, bucket, seaweed, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    catalog = {
        "type": "sql",
        "uri": f"sqlite:///{tmp_path}/s3.db",
        "warehouse": f"s3://{bucket}/lake",
        **seaweed.file_properties(),
    }
    pipeline.settings = pipeline.settings.model_copy(update={"catalog": catalog})
    put_lines(s3, bucket, dns_key("2100"), [event()])
    run_hour(pipeline, "run")

    with canary_server() as (port, received):
        assert select("select count(*) from vpc_dns", pipeline) == [[1]]
        with pytest.raises(QueryRefused):
            select(FILES[1].format(port=port), pipeline)
        assert received == []


@pytest.mark.parametrize(
    ("sql", "limits", "setting"),
    [
        (ENDLESS, {"seconds": 2}, "query.seconds"),
        ("select list(range) from range(2000000000)", {"memory_bytes": 512 << 20}, "query.memory_bytes"),
        (
            "select * from range(200000000) order by hash(range)",
            {"memory_bytes": 600 << 20, "temporary_bytes": 20 << 20},
            "query.temporary_bytes",
        ),
    ],
    ids=["time", "memory", "temporary space"],
)
def test_a_query_that_takes_too_much_names_its_limit(loaded, sql, limits, setting):
    with pytest.raises(QueryLimitExceeded, match=setting):
        select(sql, loaded, **limits)


def test_check_that_misbehaves_costs_only_itself(loaded, tmp_path):
    header = "-- severity: warning\n-- message: found\n"
    checks = {
        "aa_logs": "select * from enable_logging(storage = 'file')",
        "bb_hangs": ENDLESS,
        "cc_eats": "select list(range) from range(2000000000)",
        "dd_good": "select query_name from vpc_dns where rcode = 'NXDOMAIN'",
    }
    (folder := tmp_path / "checks").mkdir()
    for name, sql in checks.items():
        (folder / f"{name}.sql").write_text(header + sql)
    query = QuerySettings(seconds=3, memory_bytes=1 << 30)
    loaded.settings = loaded.settings.model_copy(update={"checks_folder": folder, "query": query})

    found = {finding.key: finding.message for finding in run_checks(loaded).findings}

    assert found.keys() == {"sql/dd_good", *(f"broken_checks/{name}" for name in list(checks)[:3])}
    assert "query.seconds" in found["broken_checks/bb_hangs"]
    assert "query.memory_bytes" in found["broken_checks/cc_eats"]


def test_ctrl_c_stops_a_query_at_once(tmp_path):
    here = deploy(tmp_path, "bucket", "http://127.0.0.1:9")
    command = subprocess.Popen(
        [COMMAND, "query", ENDLESS],
        cwd=here.folder,
        env=here.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a shell's background jobs ignore the signal, and so would the command
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    running = psutil.Process(command.pid)
    while not (workers := running.children()) or workers[0].cpu_times().user < 2:
        assert command.poll() is None
        time.sleep(0.05)

    command.send_signal(signal.SIGINT)
    _, stderr = command.communicate(timeout=10)

    assert (command.returncode, stderr) == (130, b"vpclogs: interrupted\n")
    assert not workers[0].is_running()


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_times_do_not_depend_on_the_zone_of_the_machine(tmp_path, format_):
    here = deploy(tmp_path, "bucket", "http://127.0.0.1:9")
    sql = (
        "select date_trunc('month', date '2026-01-14') as month, timestamp '2026-01-14 12:00:00' as bare, "
        "timestamptz '2026-01-14 12:00:00+01' as zoned"
    )

    done = {zone: here.vpclogs("query", sql, "--format", format_, TZ=zone).stdout for zone in ("Asia/Tokyo", "UTC")}

    assert done["Asia/Tokyo"] == done["UTC"]
    assert "2026-01-14T12:00:00 " in done["UTC"].replace(",", " ").replace('"', " ")
    assert "2026-01-14T11:00:00Z" in done["UTC"]
    if format_ == "json":
        assert json.loads(done["UTC"])["bare"] == "2026-01-14T12:00:00"


@pytest.mark.parametrize(
    ("name", "sql"), [("end", "select end from vpc_flow"), ("start", "select start, end from vpc_flow")]
)
def test_a_bare_keyword_gets_a_hint(name, sql):
    with pytest.raises(QueryRefused, match=f'"{name}"'):
        judge(sql)
