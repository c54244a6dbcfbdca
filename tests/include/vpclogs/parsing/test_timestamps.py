"""Times of the DNS log: RFC 3339, and what does not exist stays invalid."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpclogs.parsing.timestamps import rfc3339_column, rfc3339_micros

VALID = [
    ("2022-10-07T21:39:49Z", datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)),
    ("2022-10-07t21:39:49z", datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)),
    ("2017-03-16T19:20:25.177Z", datetime(2017, 3, 16, 19, 20, 25, 177000, tzinfo=UTC)),
    ("2017-03-16T19:20:25.123456789Z", datetime(2017, 3, 16, 19, 20, 25, 123456, tzinfo=UTC)),
    ("2017-03-16T19:20:25.1Z", datetime(2017, 3, 16, 19, 20, 25, 100000, tzinfo=UTC)),
    ("2022-10-07T21:39:49+05:30", datetime(2022, 10, 7, 16, 9, 49, tzinfo=UTC)),
    ("2022-12-31T23:30:00-01:00", datetime(2023, 1, 1, 0, 30, tzinfo=UTC)),
    ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ("1969-12-31T23:59:59Z", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
]
INVALID = """
2017-03-16T19:20:177Z|2022-10-07T24:00:00Z|2022-10-07T21:39:49|2022-10-07 21:39:49Z|2022-10-07T21:39Z|2022-10-07
2022-02-29T00:00:00Z|2022-13-01T00:00:00Z|2022-00-01T00:00:00Z|2022-01-00T00:00:00Z|2022-04-31T00:00:00Z
2022-10-07T21:60:00Z|2022-10-07T23:59:60Z|0000-01-01T00:00:00Z|0001-01-01T00:00:00+00:01|9999-12-31T23:59:59-00:01
2022-10-07T21:39:49.Z|2022-10-07T21:39:49.1234567890Z|2022-10-07T21:39:49+24:00|2022-10-07T21:39:49+05:60
2022-10-07T21:39:49+0530|2022-10-07T21:39:49ZZ|20221007T213949Z|2022-10-07T2\uff11:39:49Z|1665178789||Z
2022/10/07T21:39:49Z|2022-10-07X21:39:49Z|2022-10-07T21:39:49,1Z|2022-10-07T21:39:49.1xZ
""".replace("\n", "|").strip("|").split("|")  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), VALID)
def test_a_time_is_microseconds_in_utc(text, moment):
    micros = rfc3339_micros(text)

    assert micros == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


@pytest.mark.parametrize("text", INVALID)
def test_what_does_not_exist_or_is_spelled_otherwise_is_none(text):
    assert rfc3339_micros(text) is None


FIELD = st.integers(0, 99)
SPELLED = st.tuples(st.integers(0, 9999), *[FIELD] * 5, st.sampled_from(["", ".5", ".000001", "0"])).map(
    lambda parts: "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z".format(*parts)
)


@given(st.lists(st.sampled_from([text for text, _ in VALID] + INVALID) | SPELLED, max_size=30))
@settings(deadline=None)
def test_a_column_has_the_times_of_its_texts(texts):
    micros, valid = rfc3339_column(pa.array(texts, pa.string()))

    found = [time if good else None for time, good in zip(micros.tolist(), valid.tolist(), strict=True)]
    assert found == [rfc3339_micros(text) for text in texts]
