"""HTML from templates. Every text of foreign origin is escaped, control characters included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from vpclogs.foreign_text import shown
from vpclogs.partitions import Partition
from vpclogs.quantities import size_text
from vpclogs_airflow.page import PREFIX

__all__ = ["address", "render"]


def render(request: Request, template: str, values: Mapping[str, Any], *, status_code: int = 200) -> HTMLResponse:
    """Return the page made from a template."""
    base = request.scope.get("root_path", PREFIX)
    text = (
        _environment()
        .get_template(template)
        .render(
            values,
            base=base,
            airflow=base.removesuffix(PREFIX),
            address=lambda partition, **query: address(request, partition, **query),
            here=dict(request.query_params),
        )
    )
    return HTMLResponse(text, status_code=status_code)


def address(request: Request, partition: Partition, **query: Any) -> str:
    """Return the path of a partition's page."""
    parts = (partition.log_type.value, partition.account, partition.region, partition.day.isoformat())
    path = request.scope.get("root_path", PREFIX) + "/" + "/".join(parts)
    return f"{path}?{urlencode(query)}" if query else path


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("vpclogs_airflow.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    made.filters |= {"time": _time, "bytes": size_text, "number": "{:,}".format, "span": _span, "segment": _segment}
    made.filters["turn"] = lambda query, page: urlencode(query | {"page": page})
    return made


def _segment(text: str) -> str:
    return quote(text, safe="")


def _time(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%SZ}"


def _span(value: timedelta) -> str:
    hours, minutes = divmod(int(value.total_seconds()) // 60, 60)
    return f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h {minutes:02} min"
