"""The audit itself: what does not depend on the records, severities, several sources."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tests.include.vpclogs.audits.deliveries import Day, Delivered, each_line, flow_day, unreadable
from vpclogs.audits.audit import CHECKS, audit
from vpclogs.config.audit_thresholds import CHECK_NAMES, AuditSettings
from vpclogs.findings import Finding, Severity
from vpclogs.parsing.model import ObjectState
from vpclogs.profile.statistics import merge
from vpclogs.staged import BatchResult
from vpclogs.warehouse.tables import Warehouse


def flow_with_refusals(share: int) -> Day:
    day = flow_day()
    each_line(day, lambda values: [*values[:10], "x", *values[11:]], every=share)
    return day


def audit_of(day: Day, results: list[BatchResult], *, settings: AuditSettings | None = None) -> list[Finding]:
    return audit(
        day.partition,
        expected=day.listed(),
        outcomes=[outcome for result in results for outcome in result.outcomes],
        statistics=merge(statistics for result in results for statistics in result.statistics.values()),
        settings=settings or AuditSettings(),
    )


@pytest.fixture
def clean() -> Day:
    return flow_day(objects=4, records=50)


def test_objects_of_a_batch_that_was_not_staged_are_missing(clean: Day, warehouse: Warehouse) -> None:
    first, _ = clean.staged(warehouse, batches=2)

    [finding] = audit_of(clean, [first])

    assert (finding.check, finding.severity) == ("missing_objects", "error")
    assert finding.message.startswith("2 of the manifest's 4 objects were not staged")
    assert finding.example == "flow/001.log"


def test_nothing_staged_at_all_is_missing_and_nothing_else(clean: Day) -> None:
    assert [finding.check for finding in audit_of(clean, [])] == ["missing_objects"]


def test_an_object_staged_by_two_batches_repeats_row_ids(clean: Day, warehouse: Warehouse) -> None:
    [result] = clean.staged(warehouse)
    again = msgspec.structs.replace(result, outcomes=[result.outcomes[0]], statistics={})

    findings = audit_of(clean, [result, again])

    assert [finding.check for finding in findings] == ["repeated_row_ids", "lost_records"]
    assert findings[0].example == "flow/000.log"


def test_records_that_did_not_reach_staging_are_lost(clean: Day, warehouse: Warehouse) -> None:
    [result] = clean.staged(warehouse)
    one = result.outcomes[0]
    more = msgspec.structs.replace(result, outcomes=[msgspec.structs.replace(one, rows=51), *result.outcomes[1:]])

    [finding] = audit_of(clean, [more])

    assert finding.check == "lost_records"
    assert "hold 201 good and 0 refused records, but 200 and 0 were staged" in finding.message


def test_a_failed_object_names_its_cause_and_key(clean: Day, warehouse: Warehouse) -> None:
    clean.objects.append(Delivered("flow/secret.log", "", fate=unreadable(ObjectState.FAILED, "denied")))

    [finding] = clean.audited(warehouse)

    assert finding.severity is Severity.ERROR
    assert "1 of 5 objects could not be read (denied): it was denied" in finding.message
    assert finding.example == "flow/secret.log"


def test_refused_records_are_told_by_reason(warehouse: Warehouse) -> None:
    [finding] = flow_with_refusals(10).audited(warehouse)

    assert finding.severity is Severity.ERROR
    assert "240 of 2400 records (10 %) were refused, more than 5 %: bad_timestamp (240)" in finding.message


def test_a_severity_can_be_changed_and_a_check_switched_off(warehouse: Warehouse) -> None:
    day = flow_with_refusals(10)
    results = day.staged(warehouse)

    quieter = audit_of(day, results, settings=AuditSettings(severities={"quarantined_share": "warning"}))
    silent = audit_of(day, results, settings=AuditSettings(severities={"quarantined_share": "off"}))

    assert [finding.severity for finding in quieter] == ["warning"]
    assert silent == []


def test_a_source_has_thresholds_of_its_own(warehouse: Warehouse) -> None:
    day = flow_with_refusals(10)
    per_source = {"org": {"max_quarantined_share": 0.2}}

    assert audit_of(day, day.staged(warehouse), settings=AuditSettings(per_source=per_source)) == []


def test_of_two_sources_that_feed_a_partition_the_stricter_holds(warehouse: Warehouse) -> None:
    day = flow_with_refusals(10)
    results = day.staged(warehouse)
    listed = day.listed()
    settings = AuditSettings(per_source={"org": {"max_quarantined_share": 0.2}})

    findings = audit(
        day.partition,
        expected=[*listed[:-1], replace(listed[-1], source="other")],
        outcomes=[outcome for result in results for outcome in result.outcomes],
        statistics=merge(results[0].statistics.values()),
        settings=settings,
    )

    assert [finding.check for finding in findings] == ["quarantined_share"]


def test_the_configuration_knows_every_check_and_no_other() -> None:
    assert tuple(check.name for check in CHECKS) == CHECK_NAMES


def test_every_threshold_belongs_to_a_check() -> None:
    used = {name for check in CHECKS for name in check.threshold}

    assert used == set(AuditSettings.model_fields) - {"severities", "per_source"}
