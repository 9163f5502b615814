"""``ftp:`` URLs, with the standard library's client in a thread (RFC 959)."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import io
import re
import socket
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
)
from raycrawl.http import Headers
from raycrawl.responsetypes import responsetypes
from raycrawl.transport.addresses import PRIVATE_OK, AddressPolicy, is_private_address

if TYPE_CHECKING:
    from raycrawl.crawler import Crawler
    from raycrawl.http import Request, Response

_CODE = re.compile(r"(\d{3})")
# FTP codes as HTTP status; anything else is 503.
_STATUS = {"550": 404}


class FTPDownloadHandler:
    """Fetches files. meta: ``ftp_user``, ``ftp_password``, ``ftp_passive``, ``ftp_local_filename``.

    With ``ftp_local_filename`` the file is written there and the response's ``Local Filename`` header and body say so.
    """

    lazy = True

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._user: str = settings["FTP_USER"]
        self._password: str = settings["FTP_PASSWORD"]
        self._is_passive = settings.getbool("FTP_PASSIVE_MODE")
        self._timeout_s = settings.getfloat("DOWNLOAD_TIMEOUT")
        self._max_nbytes = settings.getint("DOWNLOAD_MAXSIZE")
        self._policy = AddressPolicy(settings.get("ALLOW_PRIVATE_ADDRESSES", "start"))

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        timeout_s = request.meta.get("download_timeout") or self._timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.to_thread(self._fetch, request, timeout_s)
        except TimeoutError:
            raise DownloadTimeoutError(f"the FTP download took longer than {timeout_s:g} seconds") from None
        except ConnectionRefusedError as exc:
            raise DownloadConnectionRefusedError(str(exc)) from exc
        except socket.gaierror as exc:
            raise CannotResolveHostError(str(exc)) from exc
        except (ftplib.Error, OSError, EOFError) as exc:
            raise DownloadFailedError(f"FTP: {exc}") from exc

    def _fetch(self, request: Request, timeout_s: float) -> Response:
        meta = request.meta
        parts = urlsplit(request.url)
        path = unquote(parts.path)
        if re.search(r"[\r\n\0]", path):
            raise DownloadCancelledError("the path of the FTP URL contains a line end or NUL")
        max_nbytes = int(meta.get("download_maxsize", self._max_nbytes))
        local_name = meta.get("ftp_local_filename")
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(ftplib.FTP(timeout=timeout_s))
            ip = self._connect(client, parts.hostname or "", parts.port or ftplib.FTP_PORT, request)
            client.login(meta.get("ftp_user", self._user), meta.get("ftp_password", self._password))
            client.set_pasv(bool(meta.get("ftp_passive", self._is_passive)))
            sink: IO[bytes] = stack.enter_context(open(_text(local_name), "wb")) if local_name else io.BytesIO()
            try:
                size = _retrieve(client, path, sink, max_nbytes)
            except ftplib.Error as exc:
                code = _CODE.match(str(exc))
                status = _STATUS.get(code[1], 503) if code else 503
                return self._response(request, str(exc).encode(), {}, status)
            body = _text(local_name).encode() if local_name else sink.getvalue()  # type: ignore[attr-defined]
        headers = {"Local Filename": _text(local_name) if local_name else "", "Size": str(size)}
        meta[PRIVATE_OK] = is_private_address(ip)
        return self._response(request, body, headers, 200)

    def _connect(self, client: ftplib.FTP, host: str, port: int, request: Request) -> str:
        ip = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
        if not self._policy.is_trusted(request.meta) and not self._policy.is_allowed(host, ip):
            raise DownloadCancelledError(f"{host!r} has a private address; see ALLOW_PRIVATE_ADDRESSES")
        client.connect(ip, port)
        return ip

    def _response(self, request: Request, body: bytes, headers: dict[str, str], status: int) -> Response:
        response_class = responsetypes.from_args(url=request.url, body=body)
        return response_class(url=request.url, status=status, body=body, headers=Headers(headers))

    async def close(self) -> None:
        """Nothing is held: each download has its own connection."""
        return None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _retrieve(client: ftplib.FTP, path: str, sink: IO[bytes], max_nbytes: int) -> int:
    size = 0

    def write(block: bytes) -> None:
        nonlocal size
        size += len(block)
        if max_nbytes and size > max_nbytes:
            raise DownloadCancelledError(f"the file is larger than the limit of {max_nbytes} bytes")
        sink.write(block)

    client.retrbinary(f"RETR {path}", write)
    return size
