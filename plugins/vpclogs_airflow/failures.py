"""Which errors of the library Airflow may retry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from vpclogs.errors import VpcLogsError

__all__ = ["retry_only_transient"]


@contextmanager
def retry_only_transient() -> Iterator[None]:
    """Fail the task at once, with the error's own sentence, when a retry cannot help.

    Transient errors and errors nobody foresaw go through, and Airflow retries them.

    Raises:
        AirflowFailException: the library raised an error that is not transient.
    """
    try:
        yield
    except VpcLogsError as error:
        if error.transient:
            raise
        raise AirflowFailException(str(error)) from error
