"""Which partition a run is for. How the graph runs: tests/dags/test_runs.py."""

from __future__ import annotations

import pytest

from vpclogs.errors import InvalidPartition
from vpclogs_airflow.graph import chosen_key

KEY, OTHER = "123456789012|us-west-2|2022-10-07", "123456789012|eu-west-1|2022-10-07"


@pytest.mark.parametrize(
    ("partition_key", "form"),
    [
        pytest.param(KEY, None, id="the run's own key"),
        pytest.param(None, KEY, id="the form's"),
        pytest.param(KEY, f" {KEY}\n", id="both, the same"),
        pytest.param(KEY, " ", id="an empty form"),
    ],
)
def test_a_run_has_one_partition(partition_key, form):
    assert chosen_key(partition_key, {"partition": form}) == KEY


@pytest.mark.parametrize(
    ("partition_key", "form", "says"),
    [
        pytest.param(None, None, "names no partition", id="none"),
        pytest.param(KEY, OTHER, "names two partitions", id="two"),
    ],
)
def test_a_run_without_exactly_one_is_refused_with_an_example(partition_key, form, says):
    with pytest.raises(InvalidPartition, match=rf"{says}.*such as 123456789012\|us-west-2\|2022-10-07"):
        chosen_key(partition_key, {"partition": form})
