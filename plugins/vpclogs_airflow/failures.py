"""Decide which errors of the library Airflow retries, and how the others reach its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from vpclogs.errors import VpcLogsError
from vpclogs.foreign_text import logger

__all__ = ["UnforeseenError", "retry_only_transient"]

_LOG = logger(__name__)


class UnforeseenError(VpcLogsError):
    """Raised in place of an unexpected error. The log has its stack trace, escaped."""

    transient = True


@contextmanager
def retry_only_transient() -> Iterator[None]:
    """Fail the task at once, with the error's own message, when a retry cannot help.

    Transient errors pass through, and Airflow retries them, as it does unexpected errors. Messages of other libraries
    may quote records and settings, and Airflow would print them unescaped, so they are logged here, escaped, and go
    no further.

    Raises:
        AirflowFailException: the library raised an error that is not transient.
        UnforeseenError: another library raised an error, or there is a bug.
    """
    try:
        yield
    except VpcLogsError as error:
        if error.__cause__ is not None:
            _LOG.exception("the task failed")
        if error.transient:
            raise error from None
        raise AirflowFailException(str(error)) from None
    except AirflowException:
        raise
    except Exception as error:
        _LOG.exception("the task failed")
        raise UnforeseenError(f"{type(error).__name__}: {error}") from None
