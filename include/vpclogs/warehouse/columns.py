"""The columns of an Iceberg table as they are now, compared with the columns that vpclogs writes.

Other engines may change a table: they add columns, widen types, and rename or drop what
vpclogs needs. Data files therefore take types and field ids from the table, not from
the schemas of this version. A change that no file can be written for is refused with an error
that names the column and the remedy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from vpclogs.errors import TableChanged
from vpclogs.schemas.model import TIMESTAMP

__all__ = ["FIELD_ID", "missing_columns", "with_field_ids"]

FIELD_ID = b"PARQUET:field_id"
"""The key under which Arrow keeps the field id of a Parquet column."""

_ACCEPTED: dict[pa.DataType, tuple[type[IcebergType], ...]] = {
    pa.string(): (StringType,),
    pa.binary(): (BinaryType,),
    pa.bool_(): (BooleanType,),
    pa.int16(): (IntegerType, LongType),
    pa.int32(): (IntegerType, LongType),
    pa.int64(): (LongType,),
    pa.date32(): (DateType,),
    TIMESTAMP: (TimestamptzType,),
}
"""The Iceberg types that each of our types can be written as, widened ones included."""


def with_field_ids(schema: pa.Schema, table: Table) -> pa.Schema:
    """Return the schema of a data file with these columns: types and field ids are those of the table.

    Dictionaries of texts stay dictionaries. Nested fields that the table has and
    ``schema`` lacks are left out.

    Raises:
        TableChanged: the table lacks one of the columns.
    """
    wanted = {field.name: field for field in table.schema().fields}
    return pa.schema([_with_id(field, wanted, table) for field in schema])


def missing_columns(table: Table, written: pa.Schema) -> list[str]:
    """Return the optional columns and nested fields of ``written`` that the table lacks and that can be added to it.

    Raises:
        TableChanged: another engine renamed, dropped or retyped a column of ours, made
            one required, or added a required one. Files with our columns do not fit then.
    """
    missing: list[str] = []
    problems = [*_renamed(table, written), *_unfit(table.schema().fields, written, "", missing)]
    if problems:
        raise TableChanged(
            f"{'.'.join(table.name())} was changed by another engine so that vpclogs cannot write to it: "
            f"{'; '.join(problems)}. Nothing was written. Change the table, then run this again."
        )
    return missing


def _with_id(field: pa.Field, wanted: dict[str, NestedField], table: Table) -> pa.Field:
    if field.name not in wanted:
        raise TableChanged(f"{'.'.join(table.name())} has no column {field.name} (any more), so no file with it fits")
    target = wanted[field.name]
    return _numbered(
        pa.field(field.name, _typed(field.type, target.field_type, table), field.nullable), target.field_id, target
    )


def _numbered(field: pa.Field, number: int, target: NestedField | None = None) -> pa.Field:
    required = target is not None and target.required
    return field.with_nullable(field.nullable and not required).with_metadata({FIELD_ID: str(number)})


def _typed(found: pa.DataType, wanted: IcebergType, table: Table) -> pa.DataType:
    """The type to write, with the ids of nested fields."""
    if isinstance(wanted, StructType):
        fields = {field.name: field for field in wanted.fields}
        return pa.struct([_with_id(field, fields, table) for field in found])
    if isinstance(wanted, ListType):
        element = pa.field("element", _typed(found.value_type, wanted.element_type, table), found.value_field.nullable)
        return pa.list_(_numbered(element, wanted.element_id, wanted.element_field))
    if isinstance(wanted, MapType):
        key = pa.field("key", _typed(found.key_type, wanted.key_type, table), nullable=False)
        value = pa.field("value", _typed(found.item_type, wanted.value_type, table), found.item_field.nullable)
        return pa.map_(
            _numbered(key, wanted.key_id),
            _numbered(value, wanted.value_id, wanted.value_field),
        )
    # A dictionary of texts is kept; the reader sees the same column either way.
    if isinstance(wanted, StringType | BinaryType):
        return found
    return schema_to_pyarrow(wanted, include_field_ids=False)


def _renamed(table: Table, written: pa.Schema) -> Iterator[str]:
    """Columns that an earlier schema of the table had by our name, and the current one has by another."""
    # Field ids survive a rename, so the earlier name of a column leads to its current one.
    now = {field.field_id: field.name for field in table.schema().fields}
    missing = set(written.names) - set(now.values())
    if not missing:
        return
    earlier = {
        (field.name, field.field_id)
        for schema in table.metadata.schemas
        for field in schema.fields
        if field.name in missing and field.field_id in now
    }
    for name, number in sorted(earlier):
        yield f"column {name} is now called {now[number]}; rename it back"


def _unfit(
    fields: Collection[NestedField], written: Iterable[pa.Field], outer: str, missing: list[str]
) -> Iterator[str]:
    ours = {field.name: field for field in written}
    theirs = {field.name: field for field in fields}
    for name, field in theirs.items():
        if name in ours:
            yield from _unfit_type(field, ours[name], outer + name, missing)
        elif field.required:
            yield f"column {outer + name} is required, but vpclogs does not write it; make it optional"
    for name, column in ours.items():
        if name in theirs:
            continue
        if column.nullable:
            missing.append(outer + name)
        else:
            yield f"column {outer + name} is missing; add it as an optional {_name_of(column.type)}"


def _unfit_type(theirs: NestedField, ours: pa.Field, path: str, missing: list[str]) -> Iterator[str]:
    if theirs.required and ours.nullable:
        yield f"column {path} is required, but vpclogs writes nulls to it; make it optional"
    kind = theirs.field_type
    if pa.types.is_struct(ours.type) and isinstance(kind, StructType):
        yield from _unfit(kind.fields, ours.type, f"{path}.", missing)
    elif pa.types.is_list(ours.type) and isinstance(kind, ListType):
        yield from _unfit_type(kind.element_field, ours.type.value_field, f"{path}.element", missing)
    elif pa.types.is_map(ours.type) and isinstance(kind, MapType):
        yield from _unfit_type(kind.value_field, ours.type.item_field, f"{path}.value", missing)
    elif not isinstance(kind, _ACCEPTED.get(ours.type, ())):
        yield f"column {path} has the type {kind}, but vpclogs writes {_name_of(ours.type)}; change the type back"


def _name_of(kind: pa.DataType) -> str:
    return str(_ACCEPTED[kind][0]()) if kind in _ACCEPTED else str(kind)
