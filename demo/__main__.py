"""``python -m demo up``, ``down`` and ``put FILE``, which `make demo`, `make demo-down` and `make demo-put` run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from demo import report, runs
from demo.airflow_server import PASSWORD, USER
from demo.options import DemoError, Options
from demo.putting import put
from demo.seaweed import SeaweedError
from demo.stack import POOL, Stack

_HOURLY = ("vpc_dns_hourly", "vpc_flow_hourly")
_PARTITION = ("vpc_dns_partition", "vpc_flow_partition")


def main(arguments: Sequence[str]) -> int:
    """Run a subcommand. Return 0, or 1 after printing the problem and the next step."""
    command, *files = arguments or [""]
    if command not in ("up", "down", "put") or len(files) != (command == "put"):
        print("usage: python -m demo up|down|put FILE", file=sys.stderr)
        return 2
    # Of proxies that the environment names, none reaches the loopback address.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        stack = Stack(Options.from_env(os.environ), now=datetime.now(UTC))
        if command == "down":
            stack.stop()
            print(f"stopped; the data stays in {os.path.relpath(stack.folder)}")
        elif command == "put":
            put(stack, Path(files[0]))
        else:
            _up(stack, _teller())
    except KeyboardInterrupt:
        print("\nInterrupted; make demo-down stops what still runs.", file=sys.stderr)
        return 130
    except (DemoError, SeaweedError) as error:
        print(f"\nThe demo could not go on: {error}", file=sys.stderr)
        return 1
    return 0


def _up(stack: Stack, say: Callable[[str], None]) -> None:
    """Start everything, load the sample, compare the counts and print them. Ctrl-C stops all programs."""
    try:
        stack.start_s3()
        say(f"S3: SeaweedFS is up at {stack.seaweed.endpoint}")
        _write_sample(stack, say, late=False)
        stack.write_offices()
        stack.write_config()
        if stack.airflow.start(say):
            runs.give_up_interrupted(stack.airflow.api)
        say(f"Airflow is up: {stack.airflow.url}   login {USER} / {PASSWORD}")
        _load(stack, say)
        if _write_sample(stack, say, late=True):
            say("Late objects have arrived in yesterday's folders; the next run finds them")
            _load(stack, say)
        _monitor(stack, say)
        report.check(stack, say)
        report.show_queries(stack)
        report.show_alerts(stack)
        report.check_alerts(stack, say)
        report.show_next_steps(stack, user=USER, password=PASSWORD)
    except KeyboardInterrupt:
        print("\nStopping all that runs, within a minute; make demo goes on from here.", file=sys.stderr)
        stack.stop()
        raise SystemExit(130) from None


def _write_sample(stack: Stack, say: Callable[[str], None], *, late: bool) -> bool:
    """Return True if anything was written."""

    def progress(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            say(f"sample: {done} of {total} {'late ' if late else ''}objects written")

    truth = stack.write_sample(late=late, progress=progress)
    if truth is None and not late:
        say("sample: already there")
    return truth is not None


def _load(stack: Stack, say: Callable[[str], None]) -> None:
    api = stack.airflow.api
    api.make_pool(POOL, slots=max(2, os.cpu_count() or 2))
    started = runs.begin(api, _HOURLY, companions=_PARTITION)
    runs.finish(api, started, logs=stack.airflow.home / "logs", say=say)


def _monitor(stack: Stack, say: Callable[[str], None]) -> None:
    api = stack.airflow.api
    started = runs.begin(api, ["vpclogs_monitors"], companions=())
    # Its verdict is red because errors are open, as intended here.
    runs.finish(api, started, logs=stack.airflow.home / "logs", say=say, may_fail=["verdict"])


def _teller() -> Callable[[str], None]:
    """Prints lines with the seconds since the start, so that whoever waits sees that it goes on."""
    start = time.monotonic()
    return lambda line: print(f"[{time.monotonic() - start:4.0f} s] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
