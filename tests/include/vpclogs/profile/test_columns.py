"""Facts about columns, against plain Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpclogs.profile.columns import all_equal, contiguous, unexpected, valid_mask, value_counts, value_mask
from vpclogs.profile.hashing import exact, spread

texts = st.lists(st.one_of(st.none(), st.sampled_from(["", "a", "ab", "aaa", "OK", "123456789", "ü" * 9]), st.text()))


def forms(values: list[str | None]) -> list[pa.Array]:
    """The column as text, as a dictionary, as slices of more, and with a dictionary that holds unused values."""
    plain = pa.array(values, pa.string())
    encoded = plain.dictionary_encode()
    padded = pa.array(["x", "a", *values, "a"], pa.string())
    shared = padded.dictionary_encode()
    count = len(values)
    return [plain, encoded, padded.slice(2, count), shared.slice(2, count)]


@given(texts)
def test_counts_masks_and_equality(values: list[str | None]) -> None:
    counts = Counter(value for value in values if value is not None)
    for column in forms(values):
        assert value_counts(column) == counts
        assert all_equal(column, "a") == (counts.keys() <= {"a"})
        assert unexpected(column, frozenset({"a", "OK"})) == {k: n for k, n in counts.items() if k not in ("a", "OK")}
        assert value_mask(column, "a").tolist() == [value == "a" for value in values]
        assert valid_mask(column).tolist() == [value is not None for value in values]


@given(texts)
def test_a_hash_depends_on_the_values_alone(values: list[str | None]) -> None:
    plain, *others = forms(values)
    for column in others:
        assert spread([column]).tolist() == spread([plain]).tolist()
        assert exact([column]).tolist() == exact([plain]).tolist()


@given(st.lists(st.text()))
def test_the_cheap_hash_is_of_the_last_eight_bytes(values: list[str]) -> None:
    ends = [int.from_bytes(value.encode()[-8:].rjust(8, b"\0"), "little") for value in values]
    tails = [number >> 8 * max(0, 8 - len(value.encode())) for number, value in zip(ends, values, strict=True)]
    numbers = pa.array(np.array(tails, np.uint64).view(np.int64), pa.int64())

    assert spread([pa.array(values, pa.string())]).tolist() == spread([numbers]).tolist()


def test_several_chunks_become_one() -> None:
    first, second = pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "b"]).dictionary_encode()

    column = contiguous(pa.chunked_array([first, second]))

    assert column.to_pylist() == ["a", "b", "c", "b"]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string()), pa.int64()])
def test_no_chunks_become_an_empty_column(kind: pa.DataType) -> None:
    assert len(contiguous(pa.chunked_array([], kind))) == 0
