"""Which places of the net a user's URL may lead the server to (security, 11).

A name is resolved once, and the connection goes to the very address that was looked at: a name
that means another address a moment later leads nowhere else.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from culm.core.errors import FieldFault, Misconfigured
from tasks.notices.failures import GaveUp, TryAgain

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks of a setting: `10.1.0.0/16, 127.0.0.0/8`.

    Raises:
        Misconfigured: one is none.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        fault = FieldFault("webhook_networks", repr(text), f"networks like 10.1.0.0/16 ({error})")
        raise Misconfigured("the settings do not fit", faults=[fault]) from error


def url_fault(url: str) -> str:
    """Words for a URL that no webhook may have; empty if it may."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "a URL like https://example.org/hook is needed"
    if parts.scheme not in _PORTS or not parts.hostname:
        return "a URL like https://example.org/hook is needed"
    if parts.username is not None or parts.password is not None:
        return "must not hold a name or password"
    return "must not hold a fragment" if parts.fragment else ""


def connect(url: str, allowed: Sequence[Network]) -> http.client.HTTPConnection:
    """A connection to a URL's host, if its address is a public one or allowed.

    Raises:
        GaveUp: the URL is none that may be called.
        TryAgain: the name means nothing now, or the host does not answer.
    """
    fault = url_fault(url)
    if fault:
        raise GaveUp(f"{url}: {fault}")
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    address = _address(host, port, allowed)
    try:
        stream: socket.socket = socket.create_connection((address, port), timeout=SECONDS)
        if parts.scheme == "https":
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
    except OSError as error:
        raise TryAgain(f"{host}:{port}: {error}") from error
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    connection.sock = stream
    return connection


def request_target(url: str) -> str:
    """What stands in the request for a URL: path and query."""
    parts: SplitResult = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _address(host: str, port: int, allowed: Sequence[Network]) -> str:
    """The first address of a name; every one of them must be one that may be called."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TryAgain(f"{host}: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not _may_call(address, allowed):
            raise GaveUp(f"{host} is at {address}, which this server does not call")
    if not addresses:
        raise TryAgain(f"{host}: no address")
    return addresses[0]


def _may_call(address: str, allowed: Sequence[Network]) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    if any(found in network for network in allowed if network.version == found.version):
        return True
    return found.is_global and not found.is_multicast
