"""Readers of Iceberg tables other than vpclogs: each returns all rows of a table, given its metadata file.

This module also runs in the environment of requirements-readers.txt, without vpclogs:
``python tests/integration/readers.py READER FOLDER`` reads each table that
``FOLDER/tables.json`` lists, by name, and writes ``FOLDER/<name>.arrow``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

__all__ = ["READERS"]


def read_with_duckdb(metadata: str) -> pa.Table:
    import duckdb

    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        for name in ("avro", "httpfs", "iceberg"):
            found = Path(__import__(f"duckdb_extension_{name}").__path__[0])
            (path,) = found.rglob(f"v{duckdb.__version__}/{name}.duckdb_extension")
            connection.load_extension(str(path))
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute("SELECT * FROM iceberg_scan(?)", [metadata]).to_arrow_table()


def read_with_datafusion(metadata: str) -> pa.Table:
    import datafusion
    from pyiceberg.table import StaticTable

    context = datafusion.SessionContext()
    context.register_table("found", StaticTable.from_metadata(metadata))
    return context.sql("SELECT * FROM found").to_arrow_table()


def read_with_polars(metadata: str) -> pa.Table:
    import polars

    # its own reader, which it leaves for pyiceberg's when it cannot read a table
    return polars.scan_iceberg(metadata, reader_override="native").collect().to_arrow()


def read_with_daft(metadata: str) -> pa.Table:
    import daft
    from pyiceberg.table import StaticTable

    return daft.read_iceberg(StaticTable.from_metadata(metadata)).to_arrow()


READERS: dict[str, Callable[[str], pa.Table]] = {
    "duckdb": read_with_duckdb,
    "datafusion": read_with_datafusion,
    "polars": read_with_polars,
    "daft": read_with_daft,
}


def main(reader: str, folder: Path) -> None:
    for name, metadata in json.loads((folder / "tables.json").read_text()).items():
        rows = READERS[reader](metadata)
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
