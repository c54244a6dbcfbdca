"""The ports of a SeaweedFS server: six for HTTP beside one another, and as many for gRPC."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

from demo.ports import is_free

__all__ = [
    "ICEBERG",
    "PortLostError",
    "SeaweedError",
    "free_base",
    "ports_from",
    "remove_sockets",
    "require_free",
    "reserve",
]

# HTTP ports are base + 0..5; each gRPC port is its HTTP port + 10000, which is
# SeaweedFS's own rule (one inner client dials it without reading the flags).
_COMPONENTS = ("s3", "iceberg", "master", "volume", "filer", "admin")
_GRPC_OFFSET = 10_000
ICEBERG = _COMPONENTS.index("iceberg")
"""The offset from the base port to that of the Iceberg REST catalog."""


class SeaweedError(RuntimeError):
    """Raised when the server cannot be started. The message has the next step."""


class PortLostError(SeaweedError):
    """Raised when another program took one of the server's ports first."""


def ports_from(base: int) -> dict[str, int]:
    """Return the port of each of weed's port flags, in a server at the base port."""
    ports: dict[str, int] = {}
    for index, component in enumerate(_COMPONENTS):
        if component == "iceberg":  # HTTP only
            ports["s3.port.iceberg"] = base + index
        else:
            ports[f"{component}.port"] = base + index
            ports[f"{component}.port.grpc"] = base + index + _GRPC_OFFSET
    return ports


def _taken(base: int) -> list[int]:
    return [port for port in ports_from(base).values() if not is_free(port)]


def require_free(base: int) -> None:
    """Raise `SeaweedError` unless a server could use the base port and those that follow from it."""
    if taken := _taken(base):
        raise SeaweedError(
            f"port {taken[0]} is taken: SeaweedFS at port {base} needs {base}-{base + len(_COMPONENTS) - 1} and the "
            f"same + {_GRPC_OFFSET}; stop what holds it or choose another port"
        )


def free_base() -> int:
    """Return a base port all of whose ports are free now, below the range that outgoing connections use."""
    for _ in range(100):
        base = random.randrange(11_000, 21_000, len(_COMPONENTS))
        if not _taken(base):
            return base
    raise SeaweedError("no free range of ports between 11000 and 31000: give one as port")


def reserve(base: int) -> socket.socket:
    """Bind the UDP port ``base`` and return its socket, which the server process must inherit.

    While it is open, no other `Seaweed` uses the base port. Finding the TCP ports free is not enough: weed binds
    them seconds later, and before it finds one taken it has replaced the Unix sockets of the server that holds
    it, whose parts then no longer reach one another. weed itself uses no UDP.

    Raises:
        PortLostError: another server has reserved the base port.
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reservation.bind(("127.0.0.1", base))
    except OSError as error:
        reservation.close()
        raise PortLostError(f"another SeaweedFS, or a program at UDP port {base}, uses port {base}: {error}") from None
    return reservation


def remove_sockets(base: int) -> None:
    """Remove the Unix sockets, named by port, that an ended server left: another user's would be in its way.

    Call it only while holding the reservation of the base port.
    """
    for port in ports_from(base).values():
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - weed's own choice of folder
            with contextlib.suppress(OSError):
                left.unlink()
