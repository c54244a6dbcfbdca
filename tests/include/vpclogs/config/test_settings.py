"""The settings file: what loads, and what is refused, with which words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from vpclogs.config.monitor_settings import MonitorSettings
from vpclogs.config.settings import (
    AirflowSettings,
    AuditSettings,
    Limits,
    MaintenanceSettings,
    Settings,
    find_settings,
    load_settings,
)
from vpclogs.config.sources import Source
from vpclogs.errors import ConfigError
from vpclogs.ledger.database import Database

ROOT = Path(__file__).parents[4]
SMALLEST = "sources:\n  - {name: dns, log_type: vpc_dns, bucket: raw-logs}\n"

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def write_and_load(text: str, **env: str) -> Settings:
        (tmp_path / "vpclogs.yaml").write_text(text)
        return load_settings(tmp_path / "vpclogs.yaml", env)

    return write_and_load


@pytest.fixture
def complaints(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    def of(text: str, **env: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load(text, **env)
        return [line.removeprefix(f"{tmp_path}/vpclogs.yaml:") for line in str(raised.value).splitlines()[1:]]

    return of


def test_one_source_is_all_that_must_be_written(load: Load) -> None:
    settings = load(SMALLEST)

    (source,) = settings.sources
    assert (source.prefix, source.lookback_days, source.account_list, source.start_day) == ("", 2, None, None)
    assert source.covers_account("000000000001")
    assert source.covers_region("eu-west-1")
    assert settings.limits.batch_bytes == 128 * 1024**2
    assert settings.limits.max_batches <= 1024


def test_the_example_loads_and_names_every_key() -> None:
    example = ROOT / "config/vpclogs.example.yaml"

    settings = load_settings(example, {})

    text = example.read_text()
    models = (Settings, Limits, AuditSettings, MonitorSettings, Source, AirflowSettings, MaintenanceSettings)
    assert isinstance(settings, Settings)
    assert [key for model in models for key in model.model_fields if f"{key}:" not in text] == []


def test_relative_files_lie_beside_the_settings(load: Load, tmp_path: Path) -> None:
    settings = load(
        SMALLEST + "ledger: sqlite:///state/ledger.db\ncatalog: {uri: 'sqlite:////abs/c.db', warehouse: 'file://w'}"
    )

    assert settings.ledger == f"sqlite:///{tmp_path}/state/ledger.db"
    assert settings.catalog == {"uri": "sqlite:////abs/c.db", "warehouse": f"file://{tmp_path}/w"}


def test_the_defaults_lie_beside_the_settings_too(load: Load, tmp_path: Path) -> None:
    settings = load(SMALLEST)

    assert settings.ledger == f"sqlite:///{tmp_path}/var/vpclogs/ledger.db"
    assert settings.catalog["warehouse"] == f"file://{tmp_path}/var/vpclogs/warehouse"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:///:memory:", id="a database in memory"),
        pytest.param("postgresql+psycopg2://user@host/db", id="a server"),
        pytest.param("s3://lake/warehouse", id="a bucket"),
        pytest.param("file:///abs/warehouse", id="an absolute folder"),
    ],
)
def test_urls_that_are_not_relative_stay(load: Load, url: str) -> None:
    settings = load(f"{SMALLEST}catalog: {{uri: '{url}'}}")

    assert settings.catalog == {"uri": url}


@pytest.mark.parametrize("character", ["#", "?", "%", "\t", "\n"])
@pytest.mark.parametrize(
    "catalog",
    [
        {"warehouse": "file:///lake{}1/w"},
        {"warehouse": "file://lake{}1"},
        {"warehouse": "/lake{}1"},
        {"warehouse": "s3://lake/a{}1", "type": "glue"},
        {"warehouse": "s3://lake/a{}1", "type": "rest"},
    ],
    ids=lambda catalog: catalog["warehouse"],
)
def test_a_warehouse_whose_files_would_lie_elsewhere_is_refused(load: Load, catalog, character: str) -> None:
    text = {key: value.format(character) for key, value in catalog.items()}

    with pytest.raises(ConfigError, match=r"vpclogs.yaml:3: catalog.warehouse: use a location without #, \?, %"):
        load(f"{SMALLEST}catalog: {json.dumps(text)}")


@pytest.mark.parametrize("warehouse", ["lake#1", "a%2Fb"])
def test_the_name_of_a_warehouse_may_have_any_characters(load: Load, warehouse: str) -> None:
    assert load(f"{SMALLEST}catalog: {{type: rest, warehouse: '{warehouse}'}}").catalog["warehouse"] == warehouse


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_warehouse_beside_settings_in_an_unusable_folder_is_refused(tmp_path: Path, name: str) -> None:
    (folder := tmp_path / name).mkdir()
    (file := folder / "vpclogs.yaml").write_text(SMALLEST)

    with pytest.raises(ConfigError, match=rf"beside the settings in {re.escape(str(folder))}; use a location without"):
        load_settings(file, {})


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "a%b", "a b", "a&b=c;d", "ä"])
@pytest.mark.parametrize("query", ["", "?timeout=7"])
def test_a_ledger_beside_the_settings_lies_in_any_folder(tmp_path: Path, name: str, query: str) -> None:
    (folder := tmp_path / name).mkdir()
    (file := folder / "vpclogs.yaml").write_text(
        f"{SMALLEST}ledger: sqlite:///the%20ledger.db{query}\ncatalog: {{uri: 'sqlite:///../c.db'}}"
    )

    settings = load_settings(file, {})

    Database(settings.ledger).engine.dispose()
    assert (folder / "the ledger.db").is_file()
    assert make_url(settings.catalog["uri"]).database == f"{tmp_path}/c.db"


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64 MiB", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("10 mb", 10_000_000),
        ("4096", 4096),
        ("'7 B'", 7),
        ("1 TiB", 1 << 40),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(load: Load, written: str, size: int) -> None:
    assert load(f"{SMALLEST}limits: {{batch_bytes: {written}}}").limits.batch_bytes == size


def test_parse_limits_reach_the_parser(load: Load) -> None:
    limits = load(
        SMALLEST + "limits: {max_line_bytes: 2 KiB, max_object_bytes: 3 KiB, max_kept_raw_bytes: 1 KiB}"
    ).limits

    parsing = limits.parsing

    assert (parsing.max_line_bytes, parsing.max_object_bytes, parsing.max_kept_raw_bytes) == (2048, 3072, 1024)


def test_variables_come_from_the_environment(load: Load) -> None:
    settings = load(SMALLEST + "ledger: postgresql://vpclogs:${PASSWORD}@db/${DB}", PASSWORD="s: [1]", DB="ledger")

    assert settings.ledger == "postgresql://vpclogs:s: [1]@db/ledger"


def test_unset_variable_is_named_with_its_line(complaints: Callable[..., list[str]]) -> None:
    assert complaints(SMALLEST + "ledger: postgresql://u:${PASSWORD}@db/x") == [
        "3: ledger: the environment variable PASSWORD is not set"
    ]


def test_value_of_a_variable_is_in_no_message(load: Load, complaints: Callable[..., list[str]]) -> None:
    assert "hunter2" not in str(complaints(SMALLEST + "ledger: ${PASSWORD}", PASSWORD="hunter2"))
    assert "hunter2" not in repr(load(SMALLEST + "ledger: postgresql://u:${PASSWORD}@db/x", PASSWORD="hunter2"))


WRONG = {
    "a typo gets the nearest key": ("ledgr: x", "3: ledgr: unknown key; did you mean ledger?"),
    "a login is whole": (
        "airflow: {url: 'http://localhost:8080', username: me}",
        "3: airflow: username and password belong together",
    ),
    "a login or a token": (
        "airflow: {url: 'http://localhost:8080', username: me, password: x, token: y}",
        "3: airflow: give username and password, or a token, not both",
    ),
    "an address of Airflow": (
        "airflow: {url: 'localhost:8080', token: t}",
        "3: airflow.url: write the address of the UI, such as http://localhost:8080 (found: localhost:8080)",
    ),
    "an address of Airflow's API": (
        "airflow: {url: 'http://localhost:8080', api_url: 'api-server:8080', token: t}",
        "3: airflow.api_url: write an address such as http://api-server:8080 (found: api-server:8080)",
    ),
    "a key like no other gets all keys": (
        "zzz: 1",
        "3: zzz: unknown key; the keys here are airflow, audit, catalog, checks_folder, ledger, limits, maintenance, "
        "monitors, namespace, query, sources",
    ),
    "a typo deep inside": (
        "audit:\n  per_source:\n    dns:\n      max_quarantined_shar: 1",
        "6: audit.per_source.dns.max_quarantined_shar: unknown key; did you mean max_quarantined_share?",
    ),
    "a key written twice": (
        "namespace: a\nnamespace: b",
        "4: namespace: duplicate key, first on line 3",
    ),
    "a number for text": (
        "catalog: {s3.path-style-access: true}",
        "3: catalog.s3.path-style-access: this must be text: write it in quotes (found: true)",
    ),
    "a size without a known unit": (
        "limits:\n  batch_bytes: 3 furlongs",
        "4: limits.batch_bytes: write a size as bytes or with a unit, such as 64 MiB (found: 3 furlongs)",
    ),
    "no batches": (
        "limits: {max_batches: 0}",
        "3: limits.max_batches: Input should be greater than or equal to 1 (found: 0)",
    ),
    "a value where keys belong": ("limits: 3", "3: limits: keys and their values belong here, such as `name: value`"),
    "an override for no source": ("audit: {per_source: {dsn: {}}}", "3: audit.per_source.dsn: no source has this name"),
}


@pytest.mark.parametrize(("text", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_line_and_key(
    complaints: Callable[..., list[str]], text: str, complaint: str
) -> None:
    assert complaints(SMALLEST + text) == [complaint]


def test_everything_wrong_is_said_at_once(complaints: Callable[..., list[str]]) -> None:
    found = complaints("namespace: No\nledger: ${GONE}\nsources:\n  - name: dns\n    log_type: dns\n")

    assert [line.split(":")[0] for line in found] == ["1", "2", "4", "5"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "1: the key sources is missing", id="an empty file"),
        pytest.param("- a", "1: keys and their values belong here, such as `name: value`", id="a list"),
        pytest.param("sources: []", "1: sources: name at least one source", id="no sources"),
    ],
)
def test_files_without_sources(complaints: Callable[..., list[str]], text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"sources: [\n", r"yaml:2: not YAML", id="broken YAML"),
        pytest.param(b"\xff", "not UTF-8 at byte 0", id="not text"),
        pytest.param(b"a: !!python/name:os.system x", "yaml:1: not YAML", id="a Python tag"),
        pytest.param(b"a: &a [*a]", "the key sources is missing", id="a loop of anchors"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.yaml").write_bytes(content)

    with pytest.raises(ConfigError, match=words):
        load_settings(tmp_path / "x.yaml", {})


def test_anchors_and_merges_keep_their_lines(complaints: Callable[..., list[str]]) -> None:
    text = "sources:\n  - &base\n    name: a\n    log_type: vpc_dns\n    bucket: b!\n  - {<<: *base, name: b}\n"

    found = complaints(text)

    assert found == [
        "5: sources[0].bucket: write the bucket's name alone, without s3:// and prefix (found: b!)",
        "5: sources[1].bucket: write the bucket's name alone, without s3:// and prefix (found: b!)",
    ]


def test_the_argument_wins_over_the_variable_over_the_default_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()

    with pytest.raises(ConfigError, match="VPCLOGS_CONFIG is not set"):
        find_settings(None, {})
    (tmp_path / "config/vpclogs.yaml").touch()
    assert find_settings(None, {}) == Path("config/vpclogs.yaml")
    (tmp_path / "vpclogs.yaml").touch()
    assert find_settings(None, {}) == Path("vpclogs.yaml")
    assert find_settings(None, {"VPCLOGS_CONFIG": "/a.yaml"}) == Path("/a.yaml")
    assert find_settings(Path("/b.yaml"), {"VPCLOGS_CONFIG": "/a.yaml"}) == Path("/b.yaml")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"/nowhere/x\.yaml cannot be read: No such file"):
        load_settings(Path("/nowhere/x.yaml"), {})


def test_settings_do_not_change(load: Load) -> None:
    with pytest.raises(ValidationError):
        load(SMALLEST).namespace = "other"  # type: ignore[misc]


def test_a_source_may_have_its_own_thresholds(load: Load) -> None:
    flow = "  - {name: flow, log_type: vpc_flow, bucket: raw-logs}\n"

    settings = load(SMALLEST + flow + "audit:\n  per_source: {flow: {max_quarantined_share: 0.5}}")

    assert settings.audit.for_source("flow").max_quarantined_share == 0.5
    assert settings.audit.for_source("dns").max_quarantined_share == 0.05
    assert [source.name for source in settings.sources_for("vpc_flow")] == ["flow"]


def test_retention_must_leave_what_hourly_runs_look_back_for(complaints: Callable[..., list[str]]) -> None:
    (told,) = complaints(SMALLEST + "maintenance: {retention_days: {vpc_dns: 2}}")

    assert told.startswith("3: maintenance.retention_days.vpc_dns: hourly runs look further back than this")


def test_a_partition_is_closed_after_its_lookback_at_the_earliest(load: Load) -> None:
    today = date(2022, 10, 10)

    settings = load(SMALLEST.replace("raw-logs", "raw-logs, lookback_days: 5"))

    assert settings.first_open_day("vpc_dns", today) == date(2022, 10, 5)
    assert settings.first_open_day("vpc_flow", today) == date(2022, 10, 8)


def test_old_section_name_works_and_its_new_name_is_logged(load: Load, caplog) -> None:
    settings = load(SMALLEST + "upkeep: {keep_hours: 48}\n")

    assert settings.maintenance.keep_hours == 48
    assert caplog.messages[0].endswith("the section upkeep is now called maintenance")


def test_old_and_new_section_name_together_are_refused(complaints) -> None:
    (found,) = complaints(SMALLEST + "upkeep: {keep_hours: 48}\nmaintenance: {keep_hours: 48}\n")

    assert "maintenance: duplicate key" in found
