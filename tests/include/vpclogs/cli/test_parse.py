"""`vpclogs parse`: records out, refused records with reasons, counts that add up."""

from __future__ import annotations

import gzip
import io
import json
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from demo.sample import Sample
from demo.seaweed import Seaweed
from tests.include.vpclogs.cli.conftest import Deployment
from vpclogs.cli.records import Output, Report
from vpclogs.parsing import ObjectEnd, ObjectState, Parsed, Refused

pytestmark = pytest.mark.server

SEED_EVENT = (
    b'{"version":"1.100000","account_id":"0123456789012","region":"us-west-2","vpc_id":"vpc-c26c48ba",'
    b'"query_timestamp":"2022-10-07T21:39:49Z","query_name":"ec2messages.us-west-2.amazonaws.com.",'
    b'"query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"52.94.176.105","Type":"A",'
    b'"Class":"IN"}],"srcaddr":"172.31.46.187","srcport":"52635","transport":"UDP",'
    b'"srcids":{"instance":"i-09d9aa4e31675db61"}}'
)
PARSE = ("parse", "--log-type", "vpc_dns")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_comes_out_with_what_the_table_adds(here: Deployment) -> None:
    (here.folder / "a.log.gz").write_bytes(gzip.compress(SEED_EVENT + b"\n"))

    done = here.vpclogs(*PARSE, "a.log.gz")

    assert done.returncode == 0
    assert lines(done.stdout) == [
        json.loads(SEED_EVENT)
        | {
            "p_event_time": "2022-10-07T21:39:49Z",
            "p_any_ip_addresses": ["172.31.46.187", "52.94.176.105"],
            "p_any_domain_names": ["ec2messages.us-west-2.amazonaws.com"],
            "p_any_aws_instance_ids": ["i-09d9aa4e31675db61"],
            "p_source_key": "a.log.gz",
            "p_source_line": 1,
        }
    ]
    assert "records: 1 = 1 good + 0 refused" in done.stderr


def test_refused_records_go_to_their_file_with_the_reason(here: Deployment) -> None:
    bad = b'{"version":\xff}'
    (here.folder / "a.log.gz").write_bytes(gzip.compress(b"\n".join([SEED_EVENT, bad, b"{}", SEED_EVENT])))

    done = here.vpclogs(*PARSE, "a.log.gz", "--rejects", "rejects.ndjson")

    rejects = lines((here.folder / "rejects.ndjson").read_text())
    assert (done.returncode, len(lines(done.stdout))) == (0, 2)
    assert [(r["object"], r["line"], r["reason"], r["raw"]) for r in rejects] == [
        ("a.log.gz", 2, "invalid_utf8", '{"version":\\xff}'),
        ("a.log.gz", 3, "missing_field", "{}"),
    ]
    assert all(r["detail"] for r in rejects)
    assert rejects[1]["field"] == "version"
    assert "records: 4 = 2 good + 2 refused\n  1 invalid_utf8: The line is not UTF-8." in done.stderr


def test_file_refused_whole_is_named_and_others_continue(here: Deployment) -> None:
    whole = gzip.compress(SEED_EVENT + b"\n")
    (here.folder / "cut.log.gz").write_bytes(whole[:-9])
    (here.folder / "empty.log.gz").touch()
    (here.folder / "good.log.gz").write_bytes(whole)

    done = here.vpclogs(*PARSE, "cut.log.gz", "empty.log.gz", "gone.log.gz", "good.log.gz", "--rejects", "r")

    assert done.returncode == 1
    assert [row["p_source_key"] for row in lines(done.stdout)] == ["good.log.gz"]
    assert "vpclogs: cut.log.gz: refused whole, gzip_truncated: " in done.stderr
    assert "vpclogs: gone.log.gz: not read, No such file or directory" in done.stderr
    assert "files: 1 refused, 1 empty, 1 failed, 1 loaded" in done.stderr
    (reject,) = lines((here.folder / "r").read_text())
    assert (reject["object"], reject["line"], reject["reason"]) == ("cut.log.gz", None, "gzip_truncated")


def test_stdin_and_unpacked_text_can_be_parsed_without_settings(here: Deployment) -> None:
    (here.folder / "vpclogs.yaml").unlink()

    done = here.vpclogs(*PARSE, "-", stdin=SEED_EVENT + b"\n" + SEED_EVENT)

    assert (done.returncode, len(lines(done.stdout))) == (0, 2)


def test_limit_stops_early(here: Deployment) -> None:
    done = here.vpclogs(*PARSE, "--limit", "2", "-", stdin=b"\n".join([SEED_EVENT] * 5))

    assert (done.returncode, len(lines(done.stdout))) == (0, 2)
    assert "stopped after 2 good records" in done.stderr


def test_limits_of_the_settings_hold(here: Deployment) -> None:
    (here.folder / "vpclogs.yaml").open("a").write("limits: {max_line_bytes: 100}\n")

    done = here.vpclogs(*PARSE, "-", stdin=SEED_EVENT)

    assert "1 line_too_long" in done.stderr


@pytest.mark.parametrize("log_type", ["vpc_dns", "vpc_flow"])
def test_every_object_of_the_sample_gives_what_it_holds(here: Deployment, log_type: str) -> None:
    sample = Sample(seed=5, days=(date(2026, 1, 14),), scale=0.02)
    objects = [(t, body) for t, body in sample.objects() if t.log_type == log_type and t.state == "loaded"]
    names = [f"{number}.{'parquet' if body[:4] == b'PAR1' else 'gz'}" for number, (_, body) in enumerate(objects)]
    for name, (_, body) in zip(names, objects, strict=True):
        (here.folder / name).write_bytes(body)

    done = here.vpclogs("parse", "--log-type", log_type, *names, "--rejects", "rejects")

    assert done.returncode == 0, done.stderr
    assert len(lines(done.stdout)) == sum(truth.good for truth, _ in objects)
    assert len(lines((here.folder / "rejects").read_text())) == sum(sum(truth.refused.values()) for truth, _ in objects)


def test_an_object_in_s3_is_read_as_its_source_says(deployment: Deployment, s3: Any) -> None:
    s3.put_object(Bucket=deployment.bucket, Key="a/b.log.gz", Body=gzip.compress(SEED_EVENT))
    url = f"s3://{deployment.bucket}/a/b.log.gz"

    done = deployment.vpclogs(*PARSE, url, f"s3://{deployment.bucket}/none.log.gz")

    assert [row["p_source_key"] for row in lines(done.stdout)] == [url]
    assert done.returncode == 1
    assert "none.log.gz: not read, there is no such object" in done.stderr


def test_bucket_of_no_source_is_read_with_default_credentials(deployment: Deployment, seaweed: Seaweed) -> None:
    (deployment.folder / "vpclogs.yaml").unlink()

    done = deployment.vpclogs(*PARSE, f"s3://{deployment.bucket}/x.gz", AWS_ENDPOINT_URL_S3=seaweed.endpoint)

    assert done.returncode == 1
    assert "there is no such object" in done.stderr


def test_airflow_logs_reach_neither_the_records_nor_the_terminal(
    deployment: Deployment, s3: Any, seaweed: Seaweed
) -> None:
    s3.put_object(Bucket=deployment.bucket, Key="a.log.gz", Body=gzip.compress(SEED_EVENT))
    deployment.configure(log_type="connection: logs, log_type")
    connection = {
        "conn_type": "aws",
        "login": deployment.env["AWS_ACCESS_KEY_ID"],
        "password": deployment.env["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"},
    }
    home = str(deployment.folder / "airflow")

    done = deployment.vpclogs(
        *PARSE,
        f"s3://{deployment.bucket}/a.log.gz",
        AIRFLOW_HOME=home,
        AIRFLOW_CONN_LOGS=json.dumps(connection),
        AWS_ACCESS_KEY_ID="",
    )

    assert (done.returncode, len(lines(done.stdout))) == (0, 1), done.stderr
    assert "loc=" not in done.stderr  # Airflow's log tells the place in the code in each line


def provisional(line: int) -> Parsed:
    refused = Refused(0, line + 1, "not_json", None, "no", b"x", 0, 1)
    rows = pa.table({"n": [line]})
    return Parsed(rows, np.zeros(1, np.int32), np.array([line], np.int64), [refused], provisional=True)


@pytest.mark.parametrize(
    ("state", "count", "code"), [(ObjectState.LOADED, 2, 0), (ObjectState.REFUSED, 0, 1)], ids=["good", "cut short"]
)
def test_records_of_a_large_file_appear_after_its_end(state: ObjectState, count: int, code: int) -> None:
    rows, rejects = io.BytesIO(), io.BytesIO()
    report = Report(["big.gz"], Output(rows, rejects), limit=None)

    report.add(provisional(1))
    report.add(provisional(3))
    assert rows.getvalue() == b""
    report.end(ObjectEnd(0, state, rows=2, refused=2, reason="gzip_truncated", detail="cut"))

    assert len(rows.getvalue().splitlines()) == count
    assert len([r for r in lines(rejects.getvalue().decode()) if r["line"]]) == count
    assert report.summary() == code
