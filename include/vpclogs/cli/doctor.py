"""``vpclogs doctor``: check everything that a load needs, with advice for each failure."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from vpclogs.cli.terminal import Subparsers, error_lines, outside, print_lines
from vpclogs.quantities import many

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        parents=[common],
        help="check settings, credentials, sources, catalog and ledger",
        description="Check all that a load needs: the settings, each source's credentials, the listing of one day, "
        "one object of it, the catalog, the place for staged files, and the ledger. Nothing is loaded. Exit code 1 if "
        "anything fails.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the checks and print a line for each."""
    from vpclogs.config.settings import find_settings, load_settings
    from vpclogs.errors import ConfigError

    doctor = _Doctor(traceback=arguments.traceback)
    try:
        settings = load_settings(arguments.config, os.environ)
    except ConfigError as error:
        doctor.print_failed("settings", *error.lines)
        return 1
    from vpclogs.cli import doctor_checks as examine  # slow, and of no use without settings

    path = find_settings(arguments.config, os.environ).resolve()
    doctor.print_ok("settings", f"{path}, {many(len(settings.sources), 'source')}")
    for source in settings.sources:
        patient = examine.SourceUnderTest(source, settings)
        name = f"source {source.name}"
        if doctor.check(f"{name}: credentials", patient.credentials) and doctor.check(
            f"{name}: listing", patient.listing
        ):
            doctor.check(f"{name}: one object", patient.one_object)
            if patient.has_organizations:
                doctor.check(f"{name}: organizations", patient.organizations)
            if source.has_filters:
                doctor.check(f"{name}: filters", patient.filters)
    if doctor.check("catalog", lambda: examine.catalog(settings)):
        doctor.check("staging", lambda: examine.staging(settings))
    doctor.check("ledger", lambda: examine.ledger(settings))
    return 1 if doctor.failed else 0


class _Doctor:
    """Prints a line per check, and records whether one failed."""

    def __init__(self, *, traceback: bool) -> None:
        self._traceback = traceback
        self.failed = False

    def check(self, name: str, examine: Callable[[], str]) -> bool:
        """Run one check. Return True if it passes."""
        try:
            self.print_ok(name, examine())
        except Exception as error:
            if self._traceback or not outside(error):
                raise
            self.print_failed(name, *error_lines(error))
            return False
        return True

    def print_ok(self, name: str, text: str) -> None:
        """Print a check that passed."""
        print_lines(f"OK    {name}: {text}")

    def print_failed(self, name: str, text: str, *more: str) -> None:
        """Print a check that failed, with advice."""
        self.failed = True
        print_lines(f"FAIL  {name}: {text}", *(f"      {line}" for line in more))
