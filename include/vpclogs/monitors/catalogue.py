"""Every monitor, with its default severity, its reason, and the action to take."""

from __future__ import annotations

from typing import Final

from vpclogs.findings import Severity
from vpclogs.monitors.coverage import uncovered_accounts, uncovered_regions, unread_folders
from vpclogs.monitors.drift import drifts
from vpclogs.monitors.freshness import missing_runs, stale_places
from vpclogs.monitors.lag import lags
from vpclogs.monitors.monitor import Monitor
from vpclogs.monitors.quarantine import refused_objects, refused_records
from vpclogs.monitors.silence import silences
from vpclogs.monitors.unlisted import unlisted_days
from vpclogs.monitors.volume import drops, rises

__all__ = ["MONITORS"]

MONITORS: Final = (
    Monitor(
        "no_runs",
        Severity.ERROR,
        missing_runs,
        finds="No run has listed all sources of a log type for longer than usual: `max_run_gap_hours`, or twice the "
        "usual time between runs if that is longer.",
        why="Without runs nothing is loaded, and silence cannot be detected either.",
        action="Check the hourly DAG: is it paused, is a run stuck, are tasks queued, is the scheduler up? "
        "When runs resume, they load everything that waits.",
        threshold=("max_run_gap_hours",),
    ),
    Monitor(
        "unlisted_days",
        Severity.WARNING,
        unlisted_days,
        finds="Since the `start_day` of a source, or since its first hourly run, there are days that no run has listed "
        "after they were over, or on which the newest listing of an account failed.",
        why="Objects of these days may be in S3 and not in the table, and nothing else misses them.",
        action="After a pause, nothing: each hourly run lists `limits.catch_up_days` of these days, the oldest first, "
        "once runs come again. Days before the first hourly run are never listed by themselves: "
        "`vpclogs load --log-type LOG --from DAY --to DAY` lists and loads them; or set a later `start_day`.",
    ),
    Monitor(
        "freshness",
        Severity.ERROR,
        stale_places,
        finds="Objects that are listed are not in the table after `waiting_hours`, or a place could not be listed for "
        "`unlisted_hours`.",
        why="The data is in S3 but not in the table. It is lost when the bucket expires it.",
        action="If the message names a failed partition, follow its check (`vpclogs status --partition KEY`) and "
        "rerun it. If it could not be listed, fix the bucket policy or the role; `vpclogs doctor` shows which.",
        threshold=("waiting_hours", "unlisted_hours"),
    ),
    Monitor(
        "silence",
        Severity.ERROR,
        silences,
        finds="A VPC, flow log, region or account that delivers regularly has delivered nothing, and by the same hours "
        "of the weeks before, that is less likely than 1 in `false_alarm_odds`. A VPC that delivers all the time is "
        "missed after three hours, an office's VPC in the early afternoon.",
        why="Traffic that was not logged can never be logged later, and the silence may be deliberate.",
        action="In the account, check that the flow log or the query log configuration still exists and its delivery "
        "status is SUCCESS; then check the bucket's policy and KMS key. For a VPC that was deleted on purpose: none, "
        "it is dropped after `give_up_days`, or at once by `ignore`.",
        threshold=("silence_hours", "false_alarm_odds", "give_up_days", "min_history_days"),
    ),
    Monitor(
        "volume_drop",
        Severity.WARNING,
        drops,
        finds="A place delivers, but over three hours fewer records than `volume_drop` of the lowest that is normal in "
        "these hours of the week, and further below than `volume_deviations` of its usual spread.",
        why="Part of the records is missing: a filter, some interfaces, some resolvers.",
        action="Compare with a week before: which hosts or interfaces are missing? Was the flow log's filter or its "
        "subnets changed? On a public holiday: none.",
        threshold=("volume_drop", "volume_deviations", "min_hourly_records"),
    ),
    Monitor(
        "volume_rise",
        Severity.WARNING,
        rises,
        finds="A place delivers over three hours more records than `volume_rise` times the highest that is normal in "
        "these hours of the week.",
        why="A scan, a loop, or a second flow log for the same traffic; and it costs money.",
        action="Query the table for the top talkers of these hours. If it is traffic, inform security; if records are "
        "duplicated, `repeated_records` names the objects.",
        threshold=("volume_rise", "volume_deviations", "min_hourly_records"),
    ),
    Monitor(
        "ingest_lag",
        Severity.WARNING,
        lags,
        finds="In each of the last three hours, a tenth of the records of a source or more (in three objects or more) "
        "took longer than `max_lag_minutes` from their minute to the table. Records of days beyond the lookback, as in "
        "a backfill, do not count.",
        why="Detections see attacks that late. The message separates AWS's part from that of the runs.",
        action="If the runs are slow: do they take longer than an hour? Give them more workers or a bigger pool. If "
        "AWS is slow: see the AWS Health Dashboard.",
        threshold=("max_lag_minutes",),
    ),
    Monitor(
        "quarantine_rise",
        Severity.WARNING,
        refused_records,
        finds="In the last three hours or two days, a place has a larger share of refused records than "
        "`min_quarantined_share`, and more than `quarantine_rise` times its usual share.",
        why="A new format starts with a few records, long before the audit stops a partition.",
        action='Inspect the reasons and raw records: `vpclogs query "select reason, field, count(*) from quarantine '
        'where p_day >= current_date - 1 group by all order by 3 desc"`. After an upgrade, `vpclogs replay` moves them '
        "to the table.",
        threshold=("min_quarantined_share", "min_quarantined_records", "quarantine_rise"),
    ),
    Monitor(
        "refused_objects_rise",
        Severity.WARNING,
        refused_objects,
        finds="`min_refused_objects` or more objects of a source were refused whole in two days, and more than "
        "`quarantine_rise` times as many as usual.",
        why="All records of such an object are missing from the table.",
        action="The quarantine has a row for each, with the reason. Damaged: upload it again. Foreign: move it out of "
        "the prefix.",
        threshold=("min_refused_objects", "quarantine_rise"),
    ),
    Monitor(
        "schema_drift",
        Severity.WARNING,
        drifts,
        finds="A source shows a field that the schema does not have, a new version, a column that never had values "
        "(info), or a column that had values on nearly every day has none.",
        why="AWS adds fields and versions, and people change formats. Queries and detections on a missing column "
        "silently find nothing.",
        action="None tonight. New field: upgrade vpclogs; until then it is kept in p_extra. Missing column: ask the "
        "owner of the flow log about its format.",
        tells_end=False,
    ),
    Monitor(
        "uncovered_accounts",
        Severity.WARNING,
        uncovered_accounts,
        finds="Logs of an account arrive in the bucket of a source whose `accounts` list does not have it.",
        why="A new account of the organization is unmonitored without anyone noticing.",
        action="None tonight. Add the account to the source's `accounts`, then backfill; or use `all` with a `deny` "
        "list of the unwanted ones.",
    ),
    Monitor(
        "uncovered_regions",
        Severity.WARNING,
        uncovered_regions,
        finds="VPCs with query logs are in a region that the `regions` list of their source does not have.",
        why="Their logs are never listed. The region of a VPC is learned from its own records, so a wrong record may "
        "be the reason.",
        action="Nothing tonight. Compare the region with the one that the account's console shows for the VPC. Add it "
        "to the source's `regions`, then backfill; or use `all` with a `deny` list of those you do not want.",
    ),
    Monitor(
        "unread_folders",
        Severity.WARNING,
        unread_folders,
        finds="A folder in the bucket has a name that the layouts of AWS do not have: below `AWSLogs/` it is no "
        "account, below an account no log of AWS, below the log no region or VPC.",
        why="Nothing below it is listed. It may hold logs of a form that this version does not know.",
        action="Nothing tonight. List the folder: logs from AWS need a newer version of vpclogs, or a source with "
        "another `prefix`; anything else can be moved out of `AWSLogs/`. `ignore: [unread_folders/SOURCE]` accepts it.",
    ),
    Monitor(
        "failed_monitors",
        Severity.ERROR,
        None,
        finds="A monitor failed.",
        why="Its findings are unknown; its open alerts stay as they are.",
        action="The message has the error. Denied listing: fix the policy. Anything else is a bug: report it.",
    ),
    Monitor(
        "broken_checks",
        Severity.ERROR,
        None,
        finds="A check in `checks_folder` has a bad header, or its SQL fails.",
        why="A check that cannot run would otherwise look like one without findings.",
        action="Fix the file that the message names; `vpclogs check` runs it at once.",
    ),
)
"""In the order of the documentation."""
