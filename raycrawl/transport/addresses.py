"""Which addresses a request may connect to: the rule against server-side request forgery.

A URL found on a public page must not lead into the crawler's own network, in whatever spelling and through whatever DNS
answer; so the connector asks here about the very address it is going to connect to, and nothing is asked before.

Where a request comes from is in its meta:

* ``is_start_request`` (Scrapy's key): it came from ``Spider.start()``.
* ``_private_ok``: True when the page that it came from was served from a private address (or from a file), False when
  that page was public. The handlers write it into the meta of every request they have fetched, where ``response.meta``
  shows it, so that redirects and copies of the meta carry it on; the Scraper gives it to the page's children. It
  outranks ``is_start_request``, so a public start page can not redirect into the private network.
* neither: a request that came from a page has a ``depth`` and is not trusted; one without (a component's own download)
  is the user's.

``ALLOW_PRIVATE_ADDRESSES``: ``"start"`` (default: start requests, and what comes from private pages), True (no rule),
False (never), or a list of addresses, CIDR networks and host names that are allowed beside ``"start"``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

PRIVATE_OK = "_private_ok"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Prefixes that carry an IPv4 address, with its position in bits from the right (RFC 6052, RFC 3056, RFC 4291).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    number = int(address)
    if address in _NAT64 or address in _COMPATIBLE or (number >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


@lru_cache(maxsize=4096)
def is_private_address(text: str) -> bool:
    """Whether ``text`` (an IP address, with or without a zone) is anything but a public unicast address.

    Loopback, private, link-local, shared, benchmark, documentation, multicast, reserved and unspecified addresses are
    private here, and so are IPv6 addresses that embed one. Source: the IANA special-purpose address registries.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64_LOCAL or address.is_site_local:
            return True
        inner = _embedded_ipv4(address)
        if inner is not None:
            return is_private_address(str(inner))
    return not address.is_global or address.is_multicast or address.is_reserved


def comes_from_user(meta: Mapping[str, Any]) -> bool:
    """Whether what led to a request with this meta was the user or a private page, by the rules above.

    For the children of a page: call it with the meta of the page's request when its response is there. A request that
    has not been fetched from a server (it failed, or is a ``data:`` URL) hands on what it had itself.
    """
    private_ok = meta.get(PRIVATE_OK)
    if private_ok is None:
        return bool(meta.get("is_start_request")) or not meta.get("depth")
    return private_ok is True


class AddressPolicy:
    """The reading of ``ALLOW_PRIVATE_ADDRESSES``.

    Args:
        allowed: the setting's value, see the module's docstring.

    Raises:
        ValueError: the setting has a value that says nothing.
    """

    def __init__(self, allowed: object = "start") -> None:
        self._always = False
        self._from_start = True
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._hosts: set[str] = set()
        if isinstance(allowed, str) and allowed.strip().lower() in ("true", "1", "false", "0"):
            allowed = allowed.strip().lower() in ("true", "1")
        if isinstance(allowed, bool) or allowed is None or allowed in (0, 1):
            self._always = bool(allowed)
            self._from_start = False
        elif isinstance(allowed, str):
            self._read_names(allowed.split(","))
        elif isinstance(allowed, Iterable):
            self._read_names(allowed)
        else:
            raise ValueError(f"ALLOW_PRIVATE_ADDRESSES: {allowed!r} is neither 'start', True, False nor a list")

    def _read_names(self, names: Iterable[object]) -> None:
        for item in names:
            name = str(item).strip().lower()
            if not name or name == "start":
                continue
            try:
                self._networks.append(ipaddress.ip_network(name, strict=False))
            except ValueError:
                self._hosts.add(name.rstrip("."))

    def is_trusted(self, meta: Mapping[str, Any]) -> bool:
        """Whether a request with this meta may go to any address, so that nothing needs to be checked."""
        if self._always:
            return True
        if not self._from_start:
            return False
        return comes_from_user(meta)

    def is_allowed(self, host: str, ip: str) -> bool:
        """Whether an untrusted request for ``host`` may connect to ``ip``."""
        if not is_private_address(ip):
            return True
        if host.rstrip(".").lower() in self._hosts:
            return True
        address = ipaddress.ip_address(ip.partition("%")[0])
        return any(address.version == network.version and address in network for network in self._networks)
