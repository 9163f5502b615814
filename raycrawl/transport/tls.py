"""TLS contexts from the settings, and session reuse.

With ``DOWNLOAD_VERIFY_CERTIFICATES = False`` old and expired servers are met halfway: no verification, and servers
without secure renegotiation are accepted.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from typing import Any

_VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
# DOWNLOADER_CLIENT_TLS_METHOD pins one version (Scrapy's documentation, "DOWNLOADER_CLIENT_TLS_METHOD").
_METHODS = {"TLS": None, "TLSv1.0": "TLSv1.0", "TLSv1.1": "TLSv1.1", "TLSv1.2": "TLSv1.2"}
_MAX_SESSIONS = 2000


def tls_version(name: object, setting: str) -> ssl.TLSVersion | None:
    """The version that a setting names, None when it names none.

    Raises:
        ValueError: an unknown version; the message names the setting and what it may be.
    """
    if name is None or name == "":
        return None
    try:
        return _VERSIONS[str(name)]
    except KeyError:
        raise ValueError(f"{setting}: unknown TLS version {name!r}, use one of {', '.join(_VERSIONS)}") from None


class SessionContext(ssl.SSLContext):
    """A client context that offers the last session of a host again, which saves the full handshake.

    asyncio has no argument for the session, so it is handed over where asyncio makes the SSL object.
    """

    sessions: OrderedDict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if session is None and isinstance(server_hostname, str):
            session = self.sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, ssl_object: Any) -> None:
        """Keep the session of a connection whose first response has arrived (TLS 1.3 sends tickets with it)."""
        session = getattr(ssl_object, "session", None)
        name = getattr(ssl_object, "server_hostname", None)
        if session is None or name is None or not getattr(session, "has_ticket", False):
            return
        self.sessions[name] = session
        self.sessions.move_to_end(name)
        if len(self.sessions) > _MAX_SESSIONS:
            self.sessions.popitem(last=False)


def client_context(
    *,
    verify: bool = False,
    method: object = "TLS",
    ciphers: object = "DEFAULT",
    min_version: object = None,
    max_version: object = None,
) -> SessionContext:
    """Build the client's context.

    Raises:
        ValueError: a setting's value is unknown.
    """
    context = SessionContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sessions = OrderedDict()
    context.set_alpn_protocols(["http/1.1"])
    if verify:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.options |= getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)
    if method is not None and str(method) not in _METHODS:
        raise ValueError(f"DOWNLOADER_CLIENT_TLS_METHOD: unknown {method!r}, use one of {', '.join(_METHODS)}")
    pinned = _METHODS[str(method)] if method is not None else None
    lowest = tls_version(min_version or pinned, "DOWNLOAD_TLS_MIN_VERSION")
    highest = tls_version(max_version or pinned, "DOWNLOAD_TLS_MAX_VERSION")
    if lowest is not None:
        context.minimum_version = lowest
    if highest is not None:
        context.maximum_version = highest
    if ciphers and ciphers != "DEFAULT":
        try:
            context.set_ciphers(str(ciphers))
        except ssl.SSLError as exc:
            raise ValueError(f"DOWNLOADER_CLIENT_TLS_CIPHERS: no cipher matches {ciphers!r}") from exc
    return context
