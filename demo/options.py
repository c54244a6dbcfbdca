"""The demo's settings, all from environment variables that begin with DEMO_."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

__all__ = ["REPOSITORY", "DemoError", "Options"]

N = TypeVar("N", int, float)

REPOSITORY = Path(__file__).resolve().parent.parent


class DemoError(RuntimeError):
    """Raised when the demo cannot go on. The message has the next step."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the demo lives and how big it is.

    A port that is None is chosen: 8080 and up for Airflow, any free range for S3. A ``scale`` or
    ``seed`` that is None is that of the sample which is there, else 1 (470,000 records) and 7.
    """

    folder: Path
    port: int | None = None
    s3_port: int | None = None
    scale: float | None = None
    seed: int | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read DEMO_DIR, DEMO_PORT, DEMO_S3_PORT, DEMO_SCALE and DEMO_SEED.

        Raises:
            DemoError: one of them is invalid.
        """
        return cls(
            folder=Path(env.get("DEMO_DIR") or REPOSITORY / "var" / "demo").absolute(),
            port=_number(env, "DEMO_PORT", int, 1024, 65535),
            s3_port=_number(env, "DEMO_S3_PORT", int, 1024, 55000),
            scale=_number(env, "DEMO_SCALE", float, 0.02, 100),
            seed=_number(env, "DEMO_SEED", int, 0, 2**32),
        )


def _number(env: Mapping[str, str], name: str, kind: type[N], low: N, high: N) -> N | None:
    text = env.get(name)
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise DemoError(f"{name}={text}: give a number from {low} to {high}, or leave it out")
    return value
