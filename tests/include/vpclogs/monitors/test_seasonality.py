"""How odd it is that a place does not deliver, by what it did in the weeks before."""

from __future__ import annotations

import numpy as np
import pytest

from vpclogs.monitors.seasonality import WEEK, current_gap

ODDS = 100_000
WEEKS = 4


def gap_after(delivered: np.ndarray, hours: int) -> bool:
    """Whether it is odd that nothing comes for so many hours after these."""
    quiet = np.concatenate([delivered, np.zeros(hours, bool)])
    gap = current_gap(quiet, 0, len(quiet))
    assert gap is not None
    return gap.odd(ODDS)


def weekly(hours: list[int]) -> np.ndarray:
    """Deliveries in these hours of each week, up to the last one of the last week."""
    week = np.isin(np.arange(WEEK), hours)
    return np.tile(week, WEEKS)[: WEEK * (WEEKS - 1) + hours[-1] + 1]


ALWAYS = list(range(WEEK))
OFFICE = [24 * day + hour for day in range(5) for hour in range(9, 17)]


def test_what_delivers_all_the_time_is_missed_after_three_hours():
    assert [gap_after(weekly(ALWAYS), hours) for hours in (2, 3)] == [False, True]


def test_silent_office_is_found_on_monday_not_at_weekends():
    friday_evening = weekly(OFFICE)
    until_monday_morning = 7 + 48 + 9

    assert not gap_after(friday_evening, until_monday_morning)
    assert gap_after(friday_evening, until_monday_morning + 5)


def test_a_clock_change_is_no_gap():
    assert not gap_after(weekly(OFFICE), 7 + 48 + 9 + 1)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6])
def test_random_deliveries_are_judged_by_their_frequency(share):
    rng = np.random.default_rng(7)
    delivered = rng.random(WEEK * WEEKS) < share
    delivered[-1] = True

    assert not gap_after(delivered, round(3 / share))


def test_repeated_gaps_are_usual_and_one_outage_is_not():
    steady = weekly(ALWAYS)
    once, often = steady.copy(), steady.copy()
    once[200:220] = False
    for start in (100, 250, 400, 550):
        often[start : start + 20] = False

    assert gap_after(once, 4)
    assert not gap_after(often, 20)
    assert gap_after(often, 30)


def test_delivery_in_the_current_hour_ends_a_gap():
    delivered = np.concatenate([weekly(ALWAYS), np.zeros(5, bool), [True]])
    gap = current_gap(delivered, 0, len(delivered) - 1)

    assert (gap.hours, gap.odd(ODDS)) == (0, False)


def test_without_a_delivery_there_is_no_gap():
    assert current_gap(np.zeros(100, bool), 0, 100) is None
