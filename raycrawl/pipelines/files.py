"""``FilesPipeline``: downloads the files that an item names and stores them."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import os
import time
from contextlib import suppress
from inspect import isawaitable
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from itemadapter import ItemAdapter

from raycrawl.exceptions import IgnoreRequest, NotConfigured
from raycrawl.failure import Failure
from raycrawl.http.request import NO_CALLBACK, Request
from raycrawl.pipelines.media import FileException, FileInfo, FileInfoOrError, MediaPipeline
from raycrawl.pipelines.stores import (
    FilesStoreProtocol,
    FSFilesStore,
    FTPFilesStore,
    GCSFilesStore,
    S3FilesStore,
    StatInfo,
    md5_of,
)
from raycrawl.utils.request import referer_str

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from os import PathLike
    from typing import Self

    from raycrawl.crawler import Crawler
    from raycrawl.http import Response
    from raycrawl.settings import BaseSettings

__all__ = [
    "FSFilesStore", "FTPFilesStore", "FileException", "FileInfo", "FilesPipeline", "FilesStoreProtocol",
    "GCSFilesStore", "S3FilesStore", "StatInfo",
]  # fmt: skip

logger = logging.getLogger(__name__)

_DAY_S = 24 * 3600
# Python's own table: with the machine's /etc/mime.types a URL would have another name on another node.
_MIME = mimetypes.MimeTypes()
# What that table lacks and the web is full of.
_FURTHER_EXTENSIONS = frozenset(
    [
        ".7z", ".apk", ".avif", ".azw3", ".bz2", ".deb", ".djvu", ".dmg", ".docm", ".docx", ".epub", ".flac",
        ".flv", ".geojson", ".gpx", ".gz", ".heic", ".heif", ".iso", ".jar", ".jsonl", ".jxl", ".kml", ".kmz",
        ".m4a", ".m4v", ".md", ".mkv", ".mobi", ".msi", ".odp", ".ods", ".odt", ".ogg", ".ogv", ".opus",
        ".parquet", ".pptm", ".pptx", ".rar", ".rpm", ".rtf", ".tgz", ".torrent", ".ttf", ".wasm", ".webm", ".webp",
        ".woff", ".woff2", ".xlsm", ".xlsx", ".xz", ".yaml", ".yml", ".zst",
    ]
)  # fmt: skip


class FilesPipeline(MediaPipeline):
    """Stores what an item's ``file_urls`` name and lists it in the item's ``files``.

    Names are content addressed by URL (``full/SHA1.ext``); a file that the store has is fetched again only after
    ``FILES_EXPIRES`` days. A subclass has settings of its own as ``CLASSNAME_FILES_...``, and defaults as attributes.

    Args:
        store_uri: a directory, ``file://``, ``s3://``, ``gs://`` or ``ftp://`` URI (``STORE_SCHEMES``).

    Raises:
        NotConfigured: there is no ``store_uri``.
    """

    MEDIA_NAME: str = "file"
    EXPIRES: int = 90
    STORE_SCHEMES: dict[str, Any] = {
        "": FSFilesStore,
        "file": FSFilesStore,
        "s3": S3FilesStore,
        "gs": GCSFilesStore,
        "ftp": FTPFilesStore,
    }
    DEFAULT_FILES_URLS_FIELD: str = "file_urls"
    DEFAULT_FILES_RESULT_FIELD: str = "files"

    # The prefix of this pipeline's settings, and the class that they are those of.
    _PREFIX = "FILES"

    def __init__(self, store_uri: str | PathLike[str], download_func: None = None, *, crawler: Crawler) -> None:
        store_uri = os.fspath(store_uri) if store_uri else ""
        if not store_uri:
            raise NotConfigured(f"Set {self._PREFIX}_STORE to a directory or URI to enable {type(self).__name__}")
        super().__init__(download_func, crawler=crawler)
        settings = crawler.settings
        self.store: FilesStoreProtocol = self._get_store(store_uri)
        self.expires: int = settings.getint(self._own_key("FILES_EXPIRES", "FilesPipeline"), self.EXPIRES)
        self.files_urls_field: str = self._field("FILES_URLS_FIELD", "FilesPipeline")
        self.files_result_field: str = self._field("FILES_RESULT_FIELD", "FilesPipeline")

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings[f"{cls._PREFIX}_STORE"], crawler=crawler)

    def _own_key(self, key: str, base_class_name: str) -> str:
        return self._key_for_pipe(key, base_class_name, self.crawler.settings)

    def _field(self, key: str, base_class_name: str) -> str:
        """An item field's name: the setting, else the class attribute of that name, else ``DEFAULT_...``."""
        default = getattr(self, key, None) or getattr(self, f"DEFAULT_{key}")
        value: str = self.crawler.settings.get(self._own_key(key, base_class_name), default)
        return value

    def _get_store(self, uri: str) -> FilesStoreProtocol:
        scheme = "file" if Path(uri).is_absolute() else urlsplit(uri).scheme
        store_class = self.STORE_SCHEMES.get(scheme)
        if store_class is None:
            raise NotConfigured(f"{self._PREFIX}_STORE: no store for the scheme {scheme!r}")
        return self._store_of_settings(store_class, self.crawler.settings)(uri)  # type: ignore[no-any-return]

    def _store_of_settings(self, store_class: Any, settings: BaseSettings) -> Any:
        """A subclass of ``store_class`` with the values of the settings, so that two pipelines do not share them."""
        values: dict[str, Any] = {}
        if isinstance(store_class, type) and issubclass(store_class, S3FilesStore):
            names = [name for name in vars(S3FilesStore) if name.startswith("AWS_")]
            values = {name: settings.get(name) for name in names}
            values["POLICY"] = settings.get(f"{self._PREFIX}_STORE_S3_ACL")
        elif isinstance(store_class, type) and issubclass(store_class, GCSFilesStore):
            values = {"GCS_PROJECT_ID": settings.get("GCS_PROJECT_ID")}
            values["POLICY"] = settings.get(f"{self._PREFIX}_STORE_GCS_ACL") or None
        elif isinstance(store_class, type) and issubclass(store_class, FTPFilesStore):
            values = {"FTP_USERNAME": settings.get("FTP_USER"), "FTP_PASSWORD": settings.get("FTP_PASSWORD")}
            values["USE_ACTIVE_MODE"] = settings.getbool("FEED_STORAGE_FTP_ACTIVE")
        given = {name: value for name, value in values.items() if value is not None}
        return type(store_class.__name__, (store_class,), given) if given else store_class

    def get_media_requests(self, item: Any, info: MediaPipeline.SpiderInfo) -> list[Request]:
        return self._requests(item, self.files_urls_field)

    def _requests(self, item: Any, field: str) -> list[Request]:
        urls = ItemAdapter(item).get(field) or []
        if not isinstance(urls, list | tuple):
            raise TypeError(f"{field} must be a list of URLs, got {type(urls).__name__}")
        return [Request(url, callback=NO_CALLBACK) for url in urls]

    async def media_to_download(
        self, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> FileInfo | None:
        """The stored file when it is young enough, else None."""
        path = self.file_path(request, info=info, item=item)
        try:
            found: Any = self.store.stat_file(path, info)
            stat: StatInfo = await found if isawaitable(found) else found
        except FileException:
            raise
        except Exception:
            # A store that cannot say what it has may still take files.
            logger.exception(
                "%s.store.stat_file failed for %s", type(self).__name__, path, extra={"spider": info.spider}
            )
            return None
        last_modified_s = (stat or {}).get("last_modified")
        if not last_modified_s or (time.time() - last_modified_s) / _DAY_S > self.expires:
            return None
        logger.debug(
            "File (uptodate): Downloaded %(medianame)s from %(request)s referred in <%(referer)s>",
            {"medianame": self.MEDIA_NAME, "request": request, "referer": referer_str(request)},
            extra={"spider": info.spider},
        )
        self.inc_stats("uptodate")
        return {"url": request.url, "path": path, "checksum": stat.get("checksum"), "status": "uptodate"}

    def media_failed(self, failure: Failure, request: Request, info: MediaPipeline.SpiderInfo) -> Failure:
        """Says so (unless a middleware refused the request) and raises FileException."""
        if not failure.check(IgnoreRequest):
            self._warn("unknown-error", request, info, failure.getErrorMessage())
        raise FileException(failure.getErrorMessage()) from failure.value

    async def media_downloaded(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> FileInfo:
        """Stores a good response. Raises: FileException for another status than 200, and for nothing at all."""
        if response.status != 200:
            self._warn(f"code: {response.status}", request, info)
            raise FileException("download-error")
        if not response.body:
            self._warn("empty-content", request, info, "no-content")
            raise FileException("empty-content")
        status = "cached" if "cached" in response.flags else "downloaded"
        logger.debug(
            "File (%(status)s): Downloaded file from %(request)s referred in <%(referer)s>",
            {"status": status, "request": request, "referer": referer_str(request)},
            extra={"spider": info.spider},
        )
        # What arrived counts, even when it turns out to be no use (an image that is too small).
        self.inc_stats(status)
        try:
            path = self.file_path(request, response=response, info=info, item=item)
            stored: Any = self.file_downloaded(response, request, info, item=item)
            checksum: str = await stored if isawaitable(stored) else stored
        except FileException as error:
            self._warn("error", request, info, str(error))
            raise
        except Exception as error:
            logger.exception(
                "File (unknown-error): Error processing file from %(request)s referred in <%(referer)s>",
                {"request": request, "referer": referer_str(request)},
                extra={"spider": info.spider},
            )
            raise FileException(str(error)) from error
        return {"url": request.url, "path": path, "checksum": checksum, "status": status}

    async def _file_downloaded(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> str:
        path = self.file_path(request, response=response, info=info, item=item)
        checksum = md5_of(BytesIO(response.body))
        await self._persist(path, BytesIO(response.body), info)
        return checksum

    def file_downloaded(
        self, response: Response, request: Request, info: MediaPipeline.SpiderInfo, *, item: Any = None
    ) -> str | Awaitable[str]:
        """Stores the file and gives its checksum (MD5)."""
        return self._file_downloaded(response, request, info, item=item)

    async def _persist(self, path: str, buf: BytesIO, info: MediaPipeline.SpiderInfo, **kwargs: Any) -> None:
        written = self.store.persist_file(path, buf, info, **kwargs)
        if isawaitable(written):
            await written

    def inc_stats(self, status: str) -> None:
        """Count a file: ``file_count`` and ``file_status_count/STATUS``."""
        self.crawler.stats.inc_value("file_count")
        self.crawler.stats.inc_value(f"file_status_count/{status}")

    def item_completed(self, results: list[FileInfoOrError], item: Any, info: MediaPipeline.SpiderInfo) -> Any:
        """Lists the stored files in the item, where it has the field for them."""
        item = super().item_completed(results, item, info)
        return self._listed(results, item, self.files_result_field)

    def _listed(self, results: list[FileInfoOrError], item: Any, field: str) -> Any:
        with suppress(KeyError):
            ItemAdapter(item)[field] = [value for is_stored, value in results if is_stored]
        return item

    def file_path(
        self,
        request: Request,
        response: Response | None = None,
        info: MediaPipeline.SpiderInfo | None = None,
        *,
        item: Any = None,
    ) -> str:
        """``full/SHA1-OF-URL.ext``; the extension is the URL's when it is one of a known file type."""
        return f"full/{_sha1(request.url)}{_extension(request.url)}"

    def _warn(self, what: str, request: Request, info: MediaPipeline.SpiderInfo, why: str = "") -> None:
        logger.warning(
            "File (%(what)s): Error downloading %(medianame)s from %(request)s referred in <%(referer)s>%(why)s",
            {
                "what": what,
                "medianame": self.MEDIA_NAME,
                "request": request,
                "referer": referer_str(request),
                "why": f": {why}" if why else "",
            },
            extra={"spider": info.spider},
        )


def _sha1(url: str) -> str:
    return hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()


def _extension(url: str) -> str:
    known = _MIME.types_map[True]
    extension = PurePosixPath(urlsplit(url).path).suffix.lower()
    if extension in known or extension in _FURTHER_EXTENSIONS:
        return extension
    media_type = _MIME.guess_type(url)[0]
    return (_MIME.guess_extension(media_type) or "") if media_type else ""
