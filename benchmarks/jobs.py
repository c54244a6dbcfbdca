"""One job, run in a process of its own: prints CPU and wall seconds, peak memory and counts as JSON.

python -m benchmarks.jobs whole dns FILE…     vpclogs: gunzip, parse, validate, quarantine, indicators,
                                              lineage, row ids, statistics, zstd Parquet
python -m benchmarks.jobs duckdb dns FILE…    a peer: read and write Parquet, nothing else
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Job = Callable[[str, list[Path], Path], int]
"""(kind, files, folder to write to) -> rows written"""


def gunzip(kind: str, files: list[Path], out: Path) -> int:
    """Decompress and count lines: what any tool must do."""
    from isal import igzip

    lines = 0
    for file in files:
        with igzip.open(file, "rb") as stream:
            while block := stream.read(4 << 20):
                lines += block.count(b"\n")
    return lines


def whole(kind: str, files: list[Path], out: Path) -> int:
    """All of staging, from bytes to the files that would be published."""
    from datetime import UTC, date, datetime

    from vpclogs.objects import LogObject
    from vpclogs.parsing.model import ObjectInput, ParseLimits
    from vpclogs.partitions import LogType
    from vpclogs.staging.stage import stage

    log_type = LogType.VPC_DNS if kind == "dns" else LogType.VPC_FLOW
    now = datetime(2026, 1, 15, 13, tzinfo=UTC)
    objects = [
        LogObject(
            source="bench",
            log_type=log_type,
            bucket="bench",
            key=file.name,
            etag="0",
            size=file.stat().st_size,
            last_modified=now,
            account="111122223333",
            region="us-west-2",
            day=date(2026, 1, 15),
            scope="vpc-1",
        )
        for file in files
    ]
    paths = {file.name: file for file in files}

    def fetch(source: str, items: list[LogObject]) -> list[ObjectInput]:
        return [ObjectInput(place, item.key, _chunks(paths[item.key]), item.region) for place, item in enumerate(items)]

    result = stage(
        objects,
        log_type=log_type,
        stem="bench",
        fetch=fetch,
        warehouse=_warehouse(out),
        limits=ParseLimits(),
        now=now,
    )
    return sum(outcome.rows for outcome in result.outcomes)


def _warehouse(out: Path):
    from vpclogs.warehouse.tables import Warehouse

    catalog = {"type": "sql", "uri": f"sqlite:///{out}/catalog.db", "warehouse": f"file://{out}/warehouse"}
    return Warehouse(catalog, namespace="bench")


def _chunks(path: Path):
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            yield chunk


def duckdb(kind: str, files: list[Path], out: Path) -> int:
    import duckdb

    connection = duckdb.connect(config={"temp_directory": str(out)})
    if kind == "dns":
        read = f"read_ndjson({_sql(files)}, columns={_duckdb_dns()})"
    else:
        columns = _duckdb_flow(files[0])
        read = f"read_csv({_sql(files)}, delim=' ', header=true, nullstr='-', auto_detect=false, columns={columns})"
    connection.execute(f"COPY (SELECT * FROM {read}) TO '{out}/rows.parquet' (FORMAT parquet, COMPRESSION zstd)")
    return int(connection.execute(f"SELECT count(*) FROM '{out}/rows.parquet'").fetchone()[0])


def pyarrow(kind: str, files: list[Path], out: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv as pacsv
    from pyarrow import json as pajson

    rows, writer = 0, None
    for file in files:
        with pa.CompressedInputStream(pa.OSFile(str(file)), "gzip") as stream:
            if kind == "dns":
                reader = pajson.open_json(
                    stream,
                    read_options=pajson.ReadOptions(block_size=4 << 20),
                    parse_options=pajson.ParseOptions(explicit_schema=_arrow_dns(), unexpected_field_behavior="ignore"),
                )
            else:
                reader = pacsv.open_csv(
                    stream,
                    read_options=pacsv.ReadOptions(block_size=4 << 20),
                    parse_options=pacsv.ParseOptions(delimiter=" ", quote_char=False),
                    convert_options=pacsv.ConvertOptions(
                        null_values=["-"], strings_can_be_null=True, column_types=_arrow_flow(file)
                    ),
                )
            for batch in reader:
                writer = writer or pq.ParquetWriter(f"{out}/rows.parquet", batch.schema, compression="zstd")
                writer.write_batch(batch)
                rows += len(batch)
    if writer:
        writer.close()
    return rows


def polars(kind: str, files: list[Path], out: Path) -> int:
    import polars as pl

    if kind == "dns":
        frame = pl.concat([pl.scan_ndjson(file) for file in files])
    else:
        kinds = {name: pl.Int64 if name in _INTEGERS else pl.String for name in _header(files[0])}
        frame = pl.concat(
            [pl.scan_csv(file, separator=" ", null_values="-", quote_char=None, schema=kinds) for file in files]
        )
    frame.sink_parquet(out / "rows.parquet", compression="zstd")
    return int(pl.scan_parquet(out / "rows.parquet").select(pl.len()).collect().item())


def pandas(kind: str, files: list[Path], out: Path) -> int:
    import pandas as pd

    frames = [
        pd.read_json(file, lines=True, dtype=False, convert_dates=False)
        if kind == "dns"
        else pd.read_csv(file, sep=" ", na_values="-")
        for file in files
    ]
    frame = pd.concat(frames)
    frame.to_parquet(out / "rows.parquet", compression="zstd")
    return len(frame)


def chdb(kind: str, files: list[Path], out: Path) -> int:
    import chdb

    shape = "JSONEachRow" if kind == "dns" else "CustomSeparatedWithNames"
    custom = (
        ", format_custom_field_delimiter=' ', format_custom_escaping_rule='CSV', format_csv_null_representation='-'"
    )
    extra = "" if kind == "dns" else custom
    kinds = {} if kind == "dns" else {h: "Int64" if h in _INTEGERS else "String" for h in _header(files[0])}
    columns = ", ".join(f"`{name}` Nullable({sort})" for name, sort in kinds.items())
    given = f", '{columns}'" if columns else ""
    sources = " UNION ALL ".join(f"SELECT * FROM file('{file}', '{shape}'{given})" for file in files)
    chdb.query(
        f"INSERT INTO FUNCTION file('{out}/rows.parquet', 'Parquet') {sources} "
        f"SETTINGS output_format_parquet_compression_method='zstd'{extra}"
    )
    return int(str(chdb.query(f"SELECT count() FROM file('{out}/rows.parquet', 'Parquet')")).strip())


def dlt(kind: str, files: list[Path], out: Path) -> int:
    import os

    os.environ |= {"DLT_DATA_DIR": str(out / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    import dlt
    from dlt.sources.filesystem import filesystem, read_csv, read_jsonl

    out = out.absolute()
    listed = filesystem(bucket_url=files[0].parent.absolute().as_uri(), file_glob=files[0].name)
    reader = read_jsonl() if kind == "dns" else read_csv(sep=" ", na_values="-")
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.filesystem(bucket_url=(out / "lake").as_uri()),
        dataset_name="bench",
        pipelines_dir=str(out / "pipelines"),
    )
    pipeline.run((listed | reader).with_name("rows"), loader_file_format="parquet")
    return int(pipeline.last_trace.last_normalize_info.row_counts["rows"])


def _sql(files: list[Path]) -> str:
    return "[" + ", ".join(f"'{file}'" for file in files) + "]"


_TEXTS = [
    "version",
    "account_id",
    "region",
    "vpc_id",
    "query_name",
    "query_type",
    "query_class",
    "rcode",
    "srcaddr",
    "srcport",
    "transport",
]


def _duckdb_dns() -> str:
    columns = dict.fromkeys(_TEXTS, "VARCHAR") | {
        "query_timestamp": "TIMESTAMP",
        "answers": 'STRUCT("Rdata" VARCHAR, "Type" VARCHAR, "Class" VARCHAR)[]',
        "srcids": "STRUCT(instance VARCHAR, resolver_endpoint VARCHAR)",
        "firewall_rule_group_id": "VARCHAR",
        "firewall_rule_action": "VARCHAR",
        "firewall_domain_list_id": "VARCHAR",
    }
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in columns.items()) + "}"


_INTEGERS = {
    "version",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "tcp-flags",
    "traffic-path",
}


def _header(file: Path) -> list[str]:
    import gzip

    with gzip.open(file, "rt") as stream:
        return stream.readline().split()


def _duckdb_flow(file: Path) -> str:
    return "{" + ", ".join(f"'{h}': '{'BIGINT' if h in _INTEGERS else 'VARCHAR'}'" for h in _header(file)) + "}"


def _arrow_flow(file: Path):
    import pyarrow as pa

    return {name: pa.int64() if name in _INTEGERS else pa.string() for name in _header(file)}


def _arrow_dns():
    from vpclogs.schemas.vpc_dns import VPC_DNS

    return VPC_DNS.arrow


JOBS: dict[str, Job] = {job.__name__: job for job in (gunzip, whole, duckdb, pyarrow, polars, pandas, chdb, dlt)}


def main() -> None:
    name, kind, *paths = sys.argv[1:]
    if len(paths) == 1 and Path(paths[0]).is_dir():
        files = sorted(Path(paths[0]).iterdir())
    else:
        files = [Path(path) for path in paths]
    with tempfile.TemporaryDirectory(dir=Path(files[0]).parents[1] if len(files) > 1 else files[0].parent) as out:
        _warm(name, kind, Path(out))
        cpu, wall = time.process_time(), time.perf_counter()
        rows = JOBS[name](kind, files, Path(out))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = _peak_megabytes()
    print(json.dumps({"cpu": cpu, "wall": wall, "rss_mb": peak, "rows": rows}))


def _peak_megabytes() -> float:
    # getrusage would count what the parent held when it forked; the kernel's own mark starts at exec
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(mark.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _warm(name: str, kind: str, out: Path) -> None:
    """Import what the job needs, and let the tables exist, as on any day but the first: neither is timed."""
    if name == "whole":
        import vpclogs.parsing.dns.parser
        import vpclogs.parsing.flow.text
        import vpclogs.staging.stage  # noqa: F401

        for table in ("vpc_dns" if kind == "dns" else "vpc_flow", "quarantine"):
            _warehouse(out).table(table)
    elif name == "pyarrow":
        import pyarrow.csv
        import pyarrow.json
        import pyarrow.parquet  # noqa: F401
    elif name != "gunzip":
        __import__(name)


if __name__ == "__main__":
    main()
