"""``file:`` URLs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from raycrawl.responsetypes import responsetypes
from raycrawl.transport.addresses import PRIVATE_OK

if TYPE_CHECKING:
    from raycrawl.http import Request, Response


class FileDownloadHandler:
    """Reads local files, off the event loop. Errors are those of the file system (FileNotFoundError, ...)."""

    lazy = False

    async def download_request(self, request: Request) -> Response:
        path = url2pathname(urlsplit(request.url).path)
        body = await asyncio.to_thread(_read, path)
        response_class = responsetypes.from_args(filename=path, body=body)
        request.meta[PRIVATE_OK] = True  # a local page may lead to local files and hosts
        return response_class(url=request.url, body=body)

    async def close(self) -> None:
        """Nothing is held."""
        return None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
