"""The graph of the replay DAGs: as every load, with a plan and a stage that read the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import Param, task
from msgspec import convert

from vpclogs.errors import VpcLogsError
from vpclogs.partitions import LogType, Partition
from vpclogs.reasons import REASONS
from vpclogs.runs import BatchRef
from vpclogs_airflow.graph import BATCH_LABEL, as_dict, as_dicts, load, open_pipeline, reload

__all__ = ["PARAMS", "replay"]

PARAMS: Final = {
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description="Only what was refused for this reason code. Empty: everything.",
        examples=sorted(REASONS),
    ),
    "partition": Param(
        None,
        type=["null", "string"],
        title="Partition",
        description="Only this one: account|region|day. Empty: all.",
    ),
    "reload": Param(
        True,
        type="boolean",
        title="Reload",
        description="Start partition runs for what must be read from S3 again.",
    ),
}
"""The trigger form."""


def replay(log_type: LogType) -> None:
    """Move the records that parse now; then start a run of the partition DAG for each partition that needs more."""
    published = load(log_type, plan=plan_replay, stage_with=stage_replay)
    reloads = find_reloads(log_type=log_type.value)
    published >> reloads
    reload(log_type, reloads)


@task(task_id="plan")
def plan_replay(log_type: str, run_key: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Find the objects whose records can be parsed again from the quarantine."""
    from vpclogs.recovery import replay

    with open_pipeline() as pipeline:
        return as_dicts(replay.plan_replay(pipeline, log_type, run_key=run_key, **chosen(log_type, params or {})))


@task(task_id="stage", map_index_template=BATCH_LABEL)
def stage_replay(batch: dict[str, Any]) -> dict[str, Any]:
    """Parse the records of one batch from the text in the quarantine."""
    from vpclogs.recovery import replay

    with open_pipeline() as pipeline:
        return as_dict(replay.stage_replay(pipeline, convert(batch, BatchRef)))


@task
def find_reloads(log_type: str, params: Mapping[str, Any] | None = None) -> list[list[str]]:
    """Return one list of the partitions that must be read from S3 again, or none."""
    from vpclogs.recovery import replay

    with open_pipeline() as pipeline:
        form = params or {}
        keys = replay.find_reloads(pipeline, LogType(log_type), **chosen(log_type, form)) if form.get("reload") else []
    return [keys] if keys else []


def chosen(log_type: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's reason and partition as arguments of the library.

    Raises:
        InvalidPartition: the partition key is malformed.
        VpcLogsError: the reason is not a reason code.
    """
    reason, key = ((params.get(name) or "").strip() or None for name in ("reason", "partition"))
    if reason is not None and reason not in REASONS:
        raise VpcLogsError(f"{reason!r} is not a reason code; see the list in docs/schemas.md")
    return {"reason": reason, "partition": None if key is None else Partition.parse(key, log_type)}
