"""What can be known to be wrong before anything is started: settings, feeds, start URLs, the cluster's address.

Every check raises :class:`~raycrawl.exceptions.UsageError` with a complete message: it names the setting, the URL or
the path and says what would be right.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from raycrawl.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raycrawl.settings import Settings
    from raycrawl.spiders import Spider

# a live head node answers in milliseconds, also across a country
ADDRESS_TIMEOUT_S = 3.0
_ADDRESS_WORDS = frozenset({"auto", "local"})


def check_crawl(spidercls: type[Spider], settings: Settings, address: str | None = None) -> None:
    """Every check. ``settings`` are the crawl's own, the spider's ``custom_settings`` applied.

    Raises:
        UsageError: for the first thing that is wrong.
    """
    from raycrawl.settings.check import check_settings

    check_settings(settings)
    check_feeds(settings)
    check_start_urls(spidercls, settings)
    check_address(address or settings.get("RAY_ADDRESS") or os.environ.get("RAY_ADDRESS"))


def check_feeds(settings: Settings) -> None:
    """Each feed's format and scheme are known, and its local file can be written."""
    formats = settings.getwithbase("FEED_EXPORTERS")
    schemes = settings.getwithbase("FEED_STORAGES")
    for uri, options in _feeds(settings).items():
        name = options.get("format")
        if name is not None and formats.get(name) is None:
            known = ", ".join(sorted(key for key in formats if formats[key] is not None))
            raise UsageError(f"feed {_shown(uri)}: there is no format {name!r}; known: {known}")
        path = _local_path(uri)
        if path is not None:
            check_output_path(path)
        elif _scheme(uri) not in schemes:
            raise UsageError(
                f"feed {_shown(uri)}: there is no storage for {_scheme(uri)}: "
                f"(FEED_STORAGES has {', '.join(filter(None, schemes))})"
            )


def _feeds(settings: Settings) -> dict[str, dict[str, Any]]:
    return {str(uri): dict(options) for uri, options in settings.getdict("FEEDS").items()}


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme


def _shown(uri: str) -> str:
    """The URI without what may be a password."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else uri


def _local_path(uri: str) -> str | None:
    """The file's path, with its %(...)s parameters; None for standard output and for anything remote."""
    if uri in {"-", "stdout:"} or uri.startswith("stdout:"):
        return None
    if uri.startswith("file:"):
        return unquote(urlsplit(uri).path)
    return uri if "://" not in uri else None


def check_output_path(path: str) -> None:
    """A file at this path can be created or appended to, its missing directories included. Leaves nothing behind."""
    fixed = path.partition("%(")[0]  # what comes after depends on the crawl
    target = Path(fixed or ".").absolute()
    if fixed == path and target.is_dir():
        raise UsageError(f"cannot write {path}: it is a directory")
    try:
        if fixed == path and target.exists():
            with target.open("ab"):
                return
        directory = target if path != fixed and fixed.endswith("/") else target.parent
        while not directory.exists():
            directory = directory.parent
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def check_start_urls(spidercls: type[Spider], settings: Settings) -> None:
    """The class's ``start_urls`` are URLs with a scheme that a download handler knows.

    A spider with a ``start`` of its own may keep anything in ``start_urls``, and one that computes them in its
    constructor is looked at when it starts.
    """
    from raycrawl.spiders import Spider

    if spidercls.start is not Spider.start or spidercls.start_requests is not Spider.start_requests:
        return
    urls: Any = getattr(spidercls, "start_urls", None) or []
    if isinstance(urls, str):
        raise UsageError(f"{spidercls.__name__}.start_urls is a string: make it a list, [{urls!r}]")
    if isinstance(urls, list | tuple):
        _check_urls(spidercls.__name__, urls, settings.getwithbase("DOWNLOAD_HANDLERS"))


def _check_urls(owner: str, urls: Iterable[Any], handlers: Mapping[str, Any]) -> None:
    from raycrawl.http import Request

    for url in urls:
        try:
            request = Request(url)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{owner}.start_urls has {url!r}: {error}") from error
        parts = urlsplit(request.url)
        if handlers.get(parts.scheme) is None:
            raise UsageError(f"{owner}.start_urls has {url!r}: there is no download handler for {parts.scheme}:")
        if parts.scheme in {"http", "https"} and not parts.hostname:
            raise UsageError(f"{owner}.start_urls has {url!r}: it names no host")


def check_address(address: str | None) -> None:
    """Somebody listens at the Ray address; ``auto`` and ``local`` are Ray's own business."""
    if not address or address in _ADDRESS_WORDS:
        return
    host, port = _host_and_port(address)
    try:
        with socket.create_connection((host, port), timeout=ADDRESS_TIMEOUT_S):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"no Ray cluster answers at {address}: {reason}") from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"a Ray address is host:port, ray://host:port, auto or local, not {address!r}")
    return host.strip("[]"), int(port)
