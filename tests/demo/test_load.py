"""The sample, loaded by the product: every object and record ends where the generator knows it must."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from demo.counts import Counts
from demo.sample import DNS, FLOW, Sample, Truth
from tests.pipelines import make_pipeline, run_hour
from vpclogs.partitions import LogType

THE_DAY_AFTER = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.mark.parametrize("log", [DNS, FLOW])
def test_each_run_puts_every_object_and_record_in_place(log, s3, bucket, tmp_path):
    sample = Sample(seed=7, days=(date(2026, 1, 14), date(2026, 1, 15)), scale=0.05)
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: THE_DAY_AFTER, batch_objects=10)

    punctual = sample.write(s3, bucket)
    run_hour(pipeline, "first", LogType(log))
    assert differences(pipeline, punctual, log) == []

    late = sample.write(s3, bucket, late=True)
    whole = Truth(bucket, punctual.objects + late.objects)
    run_hour(pipeline, "second", LogType(log))
    assert differences(pipeline, whole, log) == []

    run_hour(pipeline, "third", LogType(log))
    assert differences(pipeline, whole, log) == []


def differences(pipeline, truth, log):
    return list(Counts.found(pipeline.settings, log, truth).differences(Counts.expected(truth, log)))
