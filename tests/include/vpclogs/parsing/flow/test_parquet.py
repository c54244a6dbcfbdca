from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.include.vpclogs.parsing.flow_fates import V2, V5, fates, parquet, text_fate
from tests.include.vpclogs.parsing.test_flow_reference import EVERY, good_value, random
from vpclogs.parsing.flow.cells import clean_texts
from vpclogs.parsing.flow.parquet import parse_parquet
from vpclogs.parsing.model import ParseLimits
from vpclogs.schemas.vpc_flow import VPC_FLOW

# AWS documents INT_64 for these, INT_32 for the other numbers.
WIDE = {"packets", "bytes", "start", "end"}


def aws_type(name: str) -> pa.DataType:
    field = VPC_FLOW.by_key.get(name)
    if field is None or field.type == pa.string():
        return pa.string()
    return pa.int64() if name in WIDE else pa.int32()


def aws_table(text: str) -> pa.Table:
    """The same flows as AWS writes them to Parquet."""
    header, *records = [line.split() for line in text.splitlines()]
    columns = {}
    for place, name in enumerate(header):
        kind = aws_type(name)
        values = [None if record[place] == "-" else record[place] for record in records]
        numbers = [value if value is None or kind == pa.string() else int(value) for value in values]
        columns[name.replace("-", "_")] = pa.array(numbers, kind)
    return pa.table(columns)


def flows(header: str, count: int, seed: int = 1) -> str:
    choose = random.Random(seed)
    names = header.split()
    return "\n".join([header, *(" ".join(good_value(name, choose) for name in names) for _ in range(count))]) + "\n"


def without_lines(fate):
    return [row for _, row in fate]


def minimal(**columns: pa.Array) -> pa.Table:
    count = len(next(iter(columns.values())))
    required = {"start": [1700000000] * count, "end": [1700000060] * count, "log_status": ["OK"] * count}
    return pa.table(required | columns)


@pytest.mark.parametrize(
    "header", [V2, V5, EVERY, "new-field log-status end start other"], ids=["2", "5", "11", "unknown"]
)
def test_parquet_and_text_of_equal_flows_have_equal_rows(header):
    text = flows(header, 500)

    fate = fates([parquet(aws_table(text), row_group_size=100)])[0]

    assert without_lines(fate) == without_lines(text_fate(text))
    assert [line for line, _ in fate] == list(range(1, 501))


def test_numbers_may_be_any_integer_type_or_text():
    table = minimal(
        srcport=pa.array(["443", "-", None]),
        dstport=pa.array([1, 2, None], pa.uint16()),
        protocol=pa.array([6, 17, None], pa.int64()),
        account_id=pa.array(["123456789012", "unknown", "-"]),
    )

    rows = without_lines(fates([parquet(table)])[0])

    names = ("srcPort", "dstPort", "protocol", "account")
    assert [tuple(row[name] for name in names) for row in rows] == [
        (443, 1, 6, "123456789012"),
        (None, 2, 17, None),
        (None, None, None, None),
    ]


def test_texts_of_a_dictionary_that_repeats_itself_are_distinct():
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None], pa.int32()), ["10.0.0.1", "10.0.0.1", "-"])

    texts, bad = clean_texts(column)

    assert (texts.to_pylist(), bad) == (["10.0.0.1", "10.0.0.1", None, None], None)
    assert len(set(texts.dictionary.to_pylist())) == len(texts.dictionary)


def test_unknown_columns_are_kept_as_texts_by_their_text_spelling():
    table = minimal(new_field=pa.array([7, None]), other=pa.array(["-", "x"]), flag=pa.array([True, None]))

    rows = without_lines(fates([parquet(table)])[0])

    assert [row["p_extra"] for row in rows] == [[("new-field", "7"), ("flag", "true")], [("other", "x")]]


@pytest.mark.parametrize(
    ("name", "values", "verdict"),
    [
        pytest.param("srcport", [443, 65536], ("bad_port", "srcPort"), id="port out of range"),
        pytest.param("bytes", [1, -1], ("bad_integer", "bytes"), id="negative"),
        pytest.param("bytes", ["1", "0x1F"], ("bad_integer", "bytes"), id="text that is no number"),
        pytest.param("bytes", ["1", ""], ("bad_integer", "bytes"), id="empty text"),
        pytest.param("traffic_path", [1, 40000], ("bad_integer", "trafficPath"), id="more than a smallint"),
        pytest.param("end", [1, None], ("missing_field", "end"), id="required and null"),
        pytest.param("log_status", ["OK", "-"], ("missing_field", "status"), id="required and a dash"),
        pytest.param("start", [1, 253402300800000], ("bad_timestamp", "start"), id="after the year 9999"),
        pytest.param("account_id", ["123456789012", "12"], ("bad_account", "account"), id="account"),
        pytest.param("vpc_id", ["vpc-1", "a\0"], ("nul_character", None), id="NUL"),
        pytest.param("bytes", ["1", "\0"], ("nul_character", None), id="NUL in a number"),
        pytest.param("vpc_id", [b"vpc-1", b"\xff"], ("invalid_utf8", None), id="invalid utf-8"),
    ],
)
def test_a_row_is_refused_as_its_line_would_be(name, values, verdict):
    table = minimal(action=pa.array(["ACCEPT", "REJECT"]))
    table = table.drop([name]) if name in table.column_names else table

    (first, row), second = fates([parquet(table.append_column(name, pa.array(values)))])[0]

    assert (first, row["action"]) == (1, "ACCEPT")
    assert second == (2, verdict)


def test_a_refusal_keeps_the_row_as_json():
    file = io.BytesIO(parquet(minimal(srcport=pa.array([1, 70000]), vpc_id=pa.array([b"x", b"\xff\x00"]))))

    ((refused,),) = [result.refused for result in parse_parquet(5, file, ParseLimits())]

    assert (refused.object, refused.line, refused.start, refused.end) == (5, 2, -1, -1)
    assert json.loads(refused.raw) == {
        "start": "1700000000",
        "end": "1700000060",
        "log_status": "OK",
        "srcport": "70000",
        "vpc_id": "\\xff\x00",
    }


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        pytest.param(pa.table({"version": [2], "srcaddr": ["1.2.3.4"]}), "header_missing_required", id="no times"),
        pytest.param(minimal(tgw_id=pa.array(["tgw-1"])), "transit_gateway", id="transit gateway"),
        pytest.param(minimal(bytes=pa.array([1.5])), "parquet_type", id="fraction"),
        pytest.param(minimal(account_id=pa.array([123456789012])), "parquet_type", id="account as a number"),
        pytest.param(minimal(new=pa.array([[1]])), "parquet_type", id="nested"),
        pytest.param(
            minimal(account_id=pa.array(["1"]), **{"account-id": pa.array(["2"])}), "header_duplicate", id="twice"
        ),
    ],
)
def test_file_that_is_no_vpc_flow_log_is_refused_whole(table, reason):
    assert fates([parquet(table)]) == [reason]


def test_a_file_without_rows_is_empty():
    assert fates([parquet(aws_table(V2))]) == [[]]


@pytest.mark.parametrize("damage", ["cut", "footer", "page"])
def test_a_damaged_file_is_refused_whole(damage):
    data = bytearray(parquet(aws_table(flows(V2, 2000)), row_group_size=500, write_page_checksum=True))
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "footer":
        data[-100:-90] = b"\xff" * 10
    else:
        place = pq.read_metadata(io.BytesIO(data)).row_group(2).column(3).data_page_offset
        data[place + 40 : place + 60] = bytes(20)

    assert fates([bytes(data)]) == ["parquet_corrupt"]


def test_file_that_grows_beyond_the_limit_is_refused_whole():
    data = parquet(minimal(vpc_id=pa.array(["x" * 5000] * 1000)), use_dictionary=False)

    assert fates([data], ParseLimits(max_object_bytes=1_000_000)) == ["object_too_large"]
