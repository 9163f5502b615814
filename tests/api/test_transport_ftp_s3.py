"""ftp: URLs against a small server, s3: URLs as far as the signed request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    UnsupportedURLSchemeError,
)
from raycrawl.http import Request, Response, TextResponse
from raycrawl.utils.test import get_crawler

FILES = {"/file.txt": b"I have the power!", "/html file.html": b"<html></html>", "/big.bin": b"\0" * 100_000}


class FtpServer:
    """Enough of RFC 959 for passive downloads."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.port = 0
        self.is_silent = False
        self.writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        return f"ftp://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

        def accept(_reader: asyncio.StreamReader, channel: asyncio.StreamWriter) -> None:
            self.writers.append(channel)
            data.put_nowait(channel)

        self.writers.append(writer)
        passive = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = passive.sockets[0].getsockname()[1]
        if not self.is_silent:
            writer.write(b"220 ready\r\n")
        try:
            while line := await reader.readline():
                command, _, argument = line.decode().strip().partition(" ")
                self.commands.append(line.decode().strip())
                answer = {"USER": "331 password", "TYPE": "200 ok", "QUIT": "221 bye"}.get(command, "500 unknown")
                if command == "PASS":
                    answer = "530 wrong" if argument == "wrong" else "230 in"
                elif command in ("PASV", "EPSV"):
                    answer = f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})"
                    if command == "EPSV":
                        answer = f"229 Entering Extended Passive Mode (|||{port}|)"
                elif command == "RETR":
                    answer = await self._send(argument, writer, data)
                writer.write(f"{answer}\r\n".encode())
                await writer.drain()
        except ConnectionError:
            self.commands.append("(reset)")
        finally:
            passive.close()
            writer.close()

    async def _send(self, path: str, writer: asyncio.StreamWriter, data: asyncio.Queue[asyncio.StreamWriter]) -> str:
        if path not in FILES:
            return "550 no such file"
        writer.write(b"150 here it comes\r\n")
        channel = await data.get()
        channel.write(FILES[path])
        try:
            await channel.drain()
        except ConnectionError:
            return "426 aborted"
        channel.close()
        return "226 done"


@asynccontextmanager
async def ftp_server() -> AsyncIterator[FtpServer]:
    server = FtpServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for writer in server.writers:
            writer.transport.abort()


async def get(url: str, meta: dict[str, Any] | None = None, **settings: Any) -> Response:
    handlers = DownloadHandlers(get_crawler(settings_dict={"DOWNLOAD_TIMEOUT": 5, **settings}))
    try:
        return await handlers.download_request_async(Request(url, meta=meta))
    finally:
        await handlers.close()


async def test_ftp_files() -> None:
    async with ftp_server() as server:
        response = await get(f"{server.url}/file.txt")
        assert isinstance(response, TextResponse)
        assert (response.status, response.body) == (200, b"I have the power!")
        assert response.headers["Size"] == b"17"
        assert {"USER anonymous", "PASS guest", "RETR /file.txt"} <= set(server.commands)
        response = await get(f"{server.url}/html%20file.html")
        assert response.body == b"<html></html>"
        response = await get(f"{server.url}/none.txt")
        assert response.status == 404


async def test_ftp_login_from_meta_and_settings() -> None:
    async with ftp_server() as server:
        await get(f"{server.url}/file.txt", {"ftp_user": "me", "ftp_password": "mine"})
        await get(f"{server.url}/file.txt", FTP_USER="set", FTP_PASSWORD="ting")
        assert {"USER me", "PASS mine", "USER set", "PASS ting"} <= set(server.commands)
        with pytest.raises(DownloadFailedError) as caught:
            await get(f"{server.url}/file.txt", {"ftp_password": "wrong"})
    assert "wrong" not in str(caught.value).replace("530 wrong", "")


async def test_ftp_to_a_local_file(tmp_path: Any) -> None:
    target = tmp_path / "saved"
    async with ftp_server() as server:
        response = await get(f"{server.url}/file.txt", {"ftp_local_filename": str(target).encode()})
    assert target.read_bytes() == b"I have the power!"
    assert response.body == str(target).encode()
    assert response.headers["Local Filename"] == str(target).encode()


async def test_ftp_limits_and_errors() -> None:
    async with ftp_server() as server:
        with pytest.raises(DownloadCancelledError, match="limit"):
            await get(f"{server.url}/big.bin", {"download_maxsize": 1000})
        with pytest.raises(DownloadCancelledError, match="line end"):
            await get(f"{server.url}/a%0d%0aDELE%20b")
        with pytest.raises(DownloadCancelledError, match="ALLOW_PRIVATE_ADDRESSES"):
            await get(f"{server.url}/file.txt", {"depth": 1})
        assert not any("DELE" in command for command in server.commands)
        server.is_silent = True
        with pytest.raises(DownloadTimeoutError):
            await get(f"{server.url}/file.txt", {"download_timeout": 0.1})
        url = server.url
    with pytest.raises(DownloadConnectionRefusedError):
        await get(f"{url}/file.txt")
    with pytest.raises(CannotResolveHostError):
        await get("ftp://nowhere.invalid/x")


# s3


async def test_s3_without_botocore_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("botocore", "botocore.auth", "botocore.credentials"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnsupportedURLSchemeError, match="botocore"):
        await get("s3://bucket/key")


@pytest.mark.parametrize(("meta", "scheme"), [({}, "https"), ({"is_secure": False}, "http")])
async def test_s3_requests_are_signed(monkeypatch: pytest.MonkeyPatch, meta: dict[str, Any], scheme: str) -> None:
    pytest.importorskip("botocore")
    from raycrawl.transport.http11 import HTTP11DownloadHandler

    seen: list[Request] = []

    async def fetch(self: Any, request: Request) -> Response:
        seen.append(request)
        return Response(request.url)

    monkeypatch.setattr(HTTP11DownloadHandler, "download_request", fetch)
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
    await get("s3://bucket/a%20b?x=1", dict(meta), **keys)
    await get("s3://bucket/key", dict(meta))
    assert seen[0].url == f"{scheme}://bucket.s3.amazonaws.com/a%20b?x=1"
    signature = seen[0].headers["Authorization"]
    assert signature is not None
    assert signature.startswith(b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert b"wJalr" not in signature
    assert "Authorization" not in seen[1].headers
