"""Cache storages. What is stored is plain msgpack, so that reading a cache runs nothing that is in it."""

from __future__ import annotations

import gzip
import ipaddress
import os
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import msgspec

from raycrawl.http import Headers
from raycrawl.responsetypes import responsetypes
from raycrawl.utils.project import data_path

if TYPE_CHECKING:
    from raycrawl.http import Request, Response
    from raycrawl.settings import BaseSettings
    from raycrawl.spiders import Spider


class CachedPage(msgspec.Struct, array_like=True):
    """A stored response. ``stored_s`` is seconds since 1970."""

    stored_s: float
    url: str
    status: int
    headers: list[tuple[bytes, list[bytes]]]
    body: bytes
    method: str = "GET"
    request_url: str = ""
    ip: str = ""
    protocol: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CachedPage)


def encode_page(request: Request, response: Response, now_s: float) -> bytes:
    """A response as bytes."""
    page = CachedPage(
        stored_s=now_s,
        url=response.url,
        status=response.status,
        headers=[(name, list(values)) for name, values in response.headers.items()],
        body=response.body,
        method=request.method,
        request_url=request.url,
        ip=str(response.ip_address or ""),
        protocol=response.protocol or "",
    )
    return _encoder.encode(page)


def decode_page(data: bytes) -> CachedPage:
    """The opposite of ``encode_page``.

    Raises:
        ValueError: these are not its bytes.
    """
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as exc:
        raise ValueError(f"a cached response cannot be read: {exc}") from exc


def to_response(page: CachedPage) -> Response:
    """The response that was stored."""
    headers = Headers(page.headers)
    response_class = responsetypes.from_args(headers=headers, url=page.url, body=page.body)
    return response_class(
        url=page.url,
        status=page.status,
        headers=headers,
        body=page.body,
        ip_address=ipaddress.ip_address(page.ip) if page.ip else None,
        protocol=page.protocol or None,
    )


class _Storage:
    """What storages share: the key of a request, and expiry after ``HTTPCACHE_EXPIRATION_SECS`` (0: never)."""

    def __init__(self, settings: BaseSettings) -> None:
        self.expiration_secs: int = settings.getint("HTTPCACHE_EXPIRATION_SECS")
        self._fingerprinter: Any = None
        self._name = ""

    def open_spider(self, spider: Spider) -> None:
        self._fingerprinter = spider.crawler.request_fingerprinter
        self._name = spider.name

    def close_spider(self, spider: Spider) -> None:
        return None

    def _key(self, request: Request) -> str:
        fingerprint: bytes = self._fingerprinter.fingerprint(request)
        return fingerprint.hex()

    def _page(self, data: bytes | None) -> Response | None:
        if data is None:
            return None
        page = decode_page(data)
        if 0 < self.expiration_secs < time() - page.stored_s:
            return None
        return to_response(page)


class FilesystemCacheStorage(_Storage):
    """A file for each response, under ``HTTPCACHE_DIR``/spider name; compressed with ``HTTPCACHE_GZIP``.

    Files appear whole (they are renamed into place), so readers and writers in other processes do no harm.
    """

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self.cachedir: str = data_path(settings["HTTPCACHE_DIR"])
        self.use_gzip: bool = settings.getbool("HTTPCACHE_GZIP")

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        try:
            data = self._path(request).read_bytes()
        except FileNotFoundError:
            return None
        return self._page(gzip.decompress(data) if self.use_gzip else data)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        path = self._path(request)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = encode_page(request, response, time())
        if self.use_gzip:
            data = gzip.compress(data, 6)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _path(self, request: Request) -> Path:
        key = self._key(request)
        return Path(self.cachedir, self._name, key[:2], key + (".gz" if self.use_gzip else ""))


class DbmCacheStorage(_Storage):
    """A dbm file for each spider (``HTTPCACHE_DBM_MODULE``), open while the spider is. For one process only."""

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self.cachedir: str = data_path(settings["HTTPCACHE_DIR"], createdir=True)
        self.dbmodule: Any = import_module(settings["HTTPCACHE_DBM_MODULE"])
        self.db: Any = None

    def open_spider(self, spider: Spider) -> None:
        super().open_spider(spider)
        self.db = self.dbmodule.open(str(Path(self.cachedir, f"{spider.name}.db")), "c")

    def close_spider(self, spider: Spider) -> None:
        if self.db is not None:
            self.db.close()
            self.db = None

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        key = self._key(request)
        return self._page(self.db[key]) if key in self.db else None

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        self.db[self._key(request)] = encode_page(request, response, time())


class FsspecCacheStorage(_Storage):
    """Like FilesystemCacheStorage, on any file system that fsspec knows (``HTTPCACHE_DIR = "s3://bucket/cache"``).

    One for a whole cluster. Works in threads, since it waits for the network.
    """

    is_slow = True

    def __init__(self, settings: BaseSettings) -> None:
        import fsspec

        super().__init__(settings)
        self.cachedir: str = settings["HTTPCACHE_DIR"]
        if "://" not in self.cachedir:
            self.cachedir = "file://" + os.path.abspath(data_path(self.cachedir))
        self._fs, self._root = fsspec.core.url_to_fs(self.cachedir)
        self.use_gzip: bool = settings.getbool("HTTPCACHE_GZIP")

    def retrieve_response(self, spider: Spider, request: Request) -> Response | None:
        try:
            data: bytes = self._fs.cat_file(self._path(request))
        except FileNotFoundError:
            return None
        return self._page(gzip.decompress(data) if self.use_gzip else data)

    def store_response(self, spider: Spider, request: Request, response: Response) -> None:
        data = encode_page(request, response, time())
        if self.use_gzip:
            data = gzip.compress(data, 6)
        path = self._path(request)
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(path, data)

    def _path(self, request: Request) -> str:
        key = self._key(request)
        return f"{self._root}/{self._name}/{key[:2]}/{key}{'.gz' if self.use_gzip else ''}"
