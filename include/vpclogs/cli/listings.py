"""Lines that describe the result of a listing to the person at the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vpclogs.cli.terminal import shortened_list
from vpclogs.object_keys import ROOT
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.config.settings import Settings
    from vpclogs.planning.survey import Survey

__all__ = ["listing_notes", "nothing_new"]


def listing_notes(found: Survey, settings: Settings) -> Iterator[str]:
    """Yield lines about the regions and folders that a listing did not read, and entries of filters without effect."""
    from vpclogs.config.filters import unmatched_entries

    if found.left_out:
        places = [f"{one.label} (source {one.source})" for one in found.left_out]
        yield f"left out by the sources' lists of regions: {shortened_list(places)}"
    for one in found.unread:
        yield f"not understood, so nothing below is listed (source {one.source}): {one.label}"
    if not found.days:
        return  # only a part was listed, and the other names were not seen
    for source in settings.sources:
        if source.name in found.seen:
            labels = [one.label for one in unmatched_entries(source, found.seen[source.name])]
            if labels:
                yield f"source {source.name}: in its lists, these match nothing in S3: {shortened_list(labels)}"


def nothing_new(found: Survey, settings: Settings, arguments: argparse.Namespace) -> str:
    """Return the sentence for a load without work: every object is loaded, or S3 listed none."""
    sources = [
        f"s3://{one.bucket}/{one.prefix}{ROOT} (source {one.name})"
        for one in settings.sources_for(arguments.log_type)
        if arguments.source in (None, one.name)
    ]
    where = f"under {shortened_list(sources)}"
    if found.listed:
        return f"nothing new: {many(found.listed, 'object')} listed {where}, all of them loaded"
    days = f"{arguments.first}" + (f" to {arguments.last}" if arguments.last != arguments.first else "")
    place = "".join(f" {name} {value}" for name in ("account", "region") if (value := getattr(arguments, name)))
    return f"nothing to load: no object of {arguments.log_type}{place} on {days} {where}"
