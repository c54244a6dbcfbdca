"""Operations on many that fail for a few."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpclogs.staging.halving import fail_apart


class _Attempts:
    """An operation that fails for some numbers, and records those it was done for."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.done: list[int] = []
        self.calls = 0

    def __call__(self, numbers: Sequence[int]) -> None:
        self.calls += 1
        for number in numbers:
            if number in self.bad:
                raise KeyError(number)
        self.done += numbers


@given(count=st.integers(0, 200), bad=st.sets(st.integers(0, 199), max_size=20))
def test_all_but_the_bad_are_done_once(count: int, bad: set[int]) -> None:
    attempt = _Attempts(bad)

    failed = fail_apart(range(count), attempt, KeyError)

    assert {number: error.args[0] for number, error in failed.items()} == {n: n for n in bad if n < count}
    assert sorted(attempt.done) == [number for number in range(count) if number not in bad]
    assert attempt.calls <= 1 + 2 * 8 * len(failed)


def test_it_gives_up_where_everything_fails() -> None:
    attempt = _Attempts(set(range(1000)))

    with pytest.raises(KeyError):
        fail_apart(range(1000), attempt, KeyError)

    assert attempt.calls < 100


def test_other_errors_are_raised_at_once() -> None:
    attempt = _Attempts({5})

    with pytest.raises(KeyError):
        fail_apart(range(10), attempt, OSError)

    assert attempt.calls == 1
