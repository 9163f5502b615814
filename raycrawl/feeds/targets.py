"""Where finished feed files go: a local path by rename, object stores through fsspec, FTP, or a user's own storage."""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from raycrawl.feeds.journal import FeedError
from raycrawl.feeds.options import LOCAL, STDOUT, FeedOptions, local_path
from raycrawl.utils.misc import load_object

logger = logging.getLogger(__name__)

_TRIES = 5
_FIRST_PAUSE_S = 0.5


class Target(Protocol):
    """A place that takes finished files."""

    name: str  # of the storage class, for the stats

    def deliver(self, path: Path, uri: str, base: int) -> None:
        """Put the file there, whole or not at all. The local file stays.

        ``base``: that many bytes were there before the crawl and are to be kept in front of it.
        """

    def existing(self, uri: str) -> Path | None:
        """The local file that is there now, where there is such a thing."""

    def read(self, uri: str) -> bytes | None:
        """What is there now. None when nothing is, or when this place cannot be read."""

    def remove(self, uri: str) -> None:
        """Remove what is there, if it can be."""


class WriteOnlyTarget:
    """What targets share that cannot look at what is there."""

    def existing(self, uri: str) -> Path | None:
        return None

    def read(self, uri: str) -> bytes | None:
        return None

    def remove(self, uri: str) -> None:
        logger.warning("%s is of an earlier crawl, and was left", redacted(uri))


class LocalTarget:
    """A path on this machine. Written beside it, then renamed, so that readers see the old file or the new one."""

    name = "FileFeedStorage"

    def __init__(self, *, fsync: bool = False) -> None:
        self._fsync = fsync

    def existing(self, uri: str) -> Path | None:
        path = local_path(uri)
        return path if path.is_file() else None

    def read(self, uri: str) -> bytes | None:
        path = local_path(uri)
        return path.read_bytes() if path.is_file() else None

    def remove(self, uri: str) -> None:
        local_path(uri).unlink(missing_ok=True)

    def deliver(self, path: Path, uri: str, base: int) -> None:
        target = local_path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # a device or a pipe: nothing to rename over
            with target.open("wb") as output:
                _copy(path, output)
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as output:
                if base:
                    _copy(target, output)
                    output.seek(base)  # delivering a second time (after a crash) must not append twice
                    output.truncate()
                _copy(path, output)
                if self._fsync:
                    output.flush()
                    os.fsync(output.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


class StdoutTarget(WriteOnlyTarget):
    """Standard output, for what cannot be passed on as it comes: post-processed feeds and Parquet."""

    name = "StdoutFeedStorage"

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink

    def deliver(self, path: Path, uri: str, base: int) -> None:
        with path.open("rb") as source:
            while chunk := source.read(1 << 20):
                self._sink(chunk)


def _copy(path: Path, output: IO[bytes]) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, output, 1 << 20)


class FsspecTarget(WriteOnlyTarget):
    """An object store: s3 and gs. An upload there appears when it is complete."""

    def __init__(self, options: FeedOptions, settings: Any) -> None:
        scheme = urlsplit(options.uri).scheme
        self.name = {"s3": "S3FeedStorage", "gs": "GCSFeedStorage"}.get(scheme, "FsspecFeedStorage")
        self._upload_options: dict[str, Any] = {}
        if scheme == "s3" and settings.get("FEED_STORAGE_S3_ACL"):
            self._upload_options["ACL"] = settings.get("FEED_STORAGE_S3_ACL")
        if scheme == "gs" and settings.get("FEED_STORAGE_GCS_ACL"):
            self._upload_options["acl"] = settings.get("FEED_STORAGE_GCS_ACL")
        self._filesystem = open_filesystem(options.uri, settings)

    @staticmethod
    def _key(uri: str) -> str:
        """Bucket and key, without the credentials that may stand before them."""
        address = uri.partition("://")[2]
        bucket, slash, key = address.partition("/")
        return bucket.rpartition("@")[2] + slash + key

    def deliver(self, path: Path, uri: str, base: int) -> None:
        self._filesystem.put_file(os.fspath(path), self._key(uri), **self._upload_options)

    def read(self, uri: str) -> bytes | None:
        self._filesystem.invalidate_cache()
        try:
            data: bytes = self._filesystem.cat_file(self._key(uri))
        except FileNotFoundError:
            return None
        return data

    def remove(self, uri: str) -> None:
        self._filesystem.rm_file(self._key(uri))


def open_filesystem(uri: str, settings: Any) -> Any:
    """The fsspec filesystem for a URI, with its own credentials, else those of the settings or the environment.

    Raises:
        FeedError: the package that knows the scheme is missing.
    """
    import fsspec

    parts = urlsplit(uri)
    scheme = parts.scheme
    options: dict[str, Any] = {"skip_instance_cache": True}
    if scheme == "s3":
        client = {
            "endpoint_url": settings.get("AWS_ENDPOINT_URL"),
            "region_name": settings.get("AWS_REGION_NAME"),
            "use_ssl": settings.get("AWS_USE_SSL"),
            "verify": settings.get("AWS_VERIFY"),
        }
        options.update(
            key=unquote(parts.username) if parts.username else settings.get("AWS_ACCESS_KEY_ID"),
            secret=unquote(parts.password) if parts.password else settings.get("AWS_SECRET_ACCESS_KEY"),
            token=settings.get("AWS_SESSION_TOKEN"),
            client_kwargs={key: value for key, value in client.items() if value is not None},
        )
        if settings.get("AWS_MAX_POOL_CONNECTIONS"):
            options["config_kwargs"] = {"max_pool_connections": settings.getint("AWS_MAX_POOL_CONNECTIONS")}
    if scheme == "gs" and settings.get("GCS_PROJECT_ID"):
        options["project"] = settings.get("GCS_PROJECT_ID")
    try:
        return fsspec.filesystem(scheme, **options)
    except (ImportError, ValueError) as error:
        extra = {"s3": "s3", "gs": "gcs"}.get(scheme)
        hint = f": pip install raycrawl[{extra}]" if extra else ""
        raise FeedError(f"feeds cannot be written to {scheme}:// here ({error}){hint}") from error


class FtpTarget(WriteOnlyTarget):
    """An FTP server: stored under a temporary name and renamed, or appended to when ``overwrite`` is off."""

    name = "FTPFeedStorage"

    def __init__(self, options: FeedOptions, settings: Any) -> None:
        self._append = not options.overwrite
        self._active = settings.getbool("FEED_STORAGE_FTP_ACTIVE")
        self._user = settings.get("FTP_USER") or "anonymous"
        self._password = settings.get("FTP_PASSWORD") or ""

    def deliver(self, path: Path, uri: str, base: int) -> None:
        from raycrawl.feeds.ftp import store_file

        parts = urlsplit(uri)
        with path.open("rb") as file:
            store_file(
                file,
                host=parts.hostname or "",
                port=parts.port or 21,
                username=unquote(parts.username or self._user),
                password=unquote(parts.password or self._password),
                path=unquote(parts.path),
                tls=parts.scheme == "ftps",
                active=self._active,
                append=self._append,
            )


class StorageTarget(WriteOnlyTarget):
    """A storage class of the user's ``FEED_STORAGES``: ``open(spider)`` a file, fill it, ``store(file)``."""

    def __init__(self, storage_class: Any, options: FeedOptions, spider: Any, crawler: Any) -> None:
        self.name = storage_class.__name__
        self._class = storage_class
        self._options = options
        self._spider = spider
        self._crawler = crawler

    def deliver(self, path: Path, uri: str, base: int) -> None:
        from raycrawl.extensions.feedexport import build_storage

        storage = build_storage(self._class, self._crawler, uri, self._options.raw)
        file = storage.open(self._spider)
        _copy(path, file)
        outcome = storage.store(file)
        if hasattr(outcome, "__await__"):
            import asyncio

            async def wait() -> Any:
                return await outcome

            asyncio.run(wait())


def make_target(
    options: FeedOptions,
    settings: Any,
    spider: Any,
    crawler: Any,
    sink: Callable[[bytes], None] | None,
    *,
    fsync: bool = False,
) -> Target:
    """The target for a feed's URI, as ``FEED_STORAGES`` says."""
    if options.kind == STDOUT:
        if sink is None:
            raise FeedError("a feed on standard output needs a sink")
        return StdoutTarget(sink)
    if options.kind == LOCAL:
        scheme = "file" if options.uri.lower().startswith("file:") else ""
    else:
        scheme = urlsplit(options.uri).scheme
    path = settings.getwithbase("FEED_STORAGES").get(scheme)
    own_base = settings.get("FEED_STORAGES_BASE") or {}
    if path is not None and path != own_base.get(scheme):
        return StorageTarget(load_object(path), options, spider, crawler)
    if options.kind == LOCAL:
        return LocalTarget(fsync=fsync)
    if scheme in ("ftp", "ftps"):
        return FtpTarget(options, settings)
    if scheme in ("s3", "gs") and not options.overwrite and not options.is_directory:
        logger.warning("%s: object stores cannot append, overwrite=False is ignored", options.uri)
    return FsspecTarget(options, settings)


def deliver_with_retries(
    target: Target, path: Path, uri: str, *, base: int
) -> Exception | None:
    """Deliver, and again after a pause that doubles. None when it worked, else the last error."""
    error: Exception | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        try:
            target.deliver(path, uri, base)
            return None
        except Exception as failure:
            error = failure
            logger.warning("Delivering %s failed (try %d of %d): %s", redacted(uri), attempt + 1, _TRIES, error)
    return error


def redacted(uri: str) -> str:
    """The URI without its password, for logs."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return uri.replace(f":{parts.password}@", ":***@", 1)
