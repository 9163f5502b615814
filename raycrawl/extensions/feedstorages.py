"""The storages of feeds as Scrapy's documentation describes them: ``open(spider)`` a file, ``store(file)`` it.

They serve the ``FeedExporter`` of one process, and user classes derived from them. A crawl's own feeds are written by
``raycrawl.feeds``, which delivers through the same settings.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from raycrawl.exceptions import NotConfigured

logger = logging.getLogger(__name__)


@runtime_checkable
class FeedStorageProtocol(Protocol):
    """What a storage has to offer; it is made with ``(uri, *, feed_options=None)``."""

    def open(self, spider: Any) -> IO[bytes]:
        """The file that the feed is exported into."""

    def store(self, file: IO[bytes]) -> Awaitable[None] | None:
        """Put the file where it belongs, and close it."""


class BlockingFeedStorage(ABC):
    """A storage that exports into a temporary file and then stores that, blocking, in a thread."""

    def open(self, spider: Any) -> IO[bytes]:
        directory = spider.crawler.settings["FEED_TEMPDIR"]
        if directory and not Path(directory).is_dir():
            raise OSError(f"FEED_TEMPDIR is not a directory: {directory}")
        return NamedTemporaryFile(prefix="feed-", dir=directory or None)

    def store(self, file: IO[bytes]) -> Awaitable[None] | None:
        """Store in a thread: awaitable where an event loop runs, done on return where none does."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._store_in_thread(file)
            return None
        return loop.run_in_executor(None, self._store_in_thread, file)

    @abstractmethod
    def _store_in_thread(self, file: IO[bytes]) -> None:
        """Upload ``file``, whose position is its end, and close it."""
        raise NotImplementedError


class StdoutFeedStorage:
    """Standard output; nothing can be overwritten there."""

    def __init__(
        self, uri: str, _stdout: IO[bytes] | None = None, *, feed_options: dict[str, Any] | None = None
    ) -> None:
        if feed_options and feed_options.get("overwrite"):
            logger.warning("Standard output cannot be overwritten: set the option 'overwrite' of this feed to False")
        self._stdout: IO[bytes] = _stdout or sys.stdout.buffer

    def open(self, spider: Any) -> IO[bytes]:
        return self._stdout

    def store(self, file: IO[bytes]) -> None:
        """There is nothing to do, and the file is not ours to close."""


class FileFeedStorage:
    """A local file; its directory is made. Option ``overwrite``: False (the default) appends."""

    def __init__(self, uri: str, *, feed_options: dict[str, Any] | None = None) -> None:
        self.path: str = unquote(urlsplit(uri).path) if uri.lower().startswith("file:") else uri
        self.write_mode: str = "wb" if feed_options and feed_options.get("overwrite") else "ab"

    def open(self, spider: Any) -> IO[bytes]:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        return open(self.path, self.write_mode)  # store() closes it

    def store(self, file: IO[bytes]) -> None:
        file.close()


class S3FeedStorage(BlockingFeedStorage):
    """Amazon S3 and what speaks its protocol, by s3fs (``pip install raycrawl[s3]``), else boto3.

    Credentials in the URI (``s3://key:secret@bucket/path``) come before those of the settings.
    """

    def __init__(
        self,
        uri: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        acl: str | None = None,
        endpoint_url: str | None = None,
        *,
        feed_options: dict[str, Any] | None = None,
        session_token: str | None = None,
        region_name: str | None = None,
        max_pool_connections: int | None = None,
    ) -> None:
        _require("s3fs", "boto3", extra="s3")
        parts = urlsplit(uri)
        self.bucketname: str = parts.hostname or ""
        self.access_key = unquote(parts.username) if parts.username else access_key
        self.secret_key = unquote(parts.password) if parts.password else secret_key
        self.session_token = session_token
        self.keyname: str = parts.path[1:]
        self.acl = acl
        self.endpoint_url = endpoint_url
        self.region_name = region_name
        self.max_pool_connections = max_pool_connections
        if feed_options and feed_options.get("overwrite", True) is False:
            logger.warning("S3 cannot append to %s: overwrite=False is ignored", uri)

    @classmethod
    def from_crawler(cls, crawler: Any, uri: str, *, feed_options: dict[str, Any] | None = None) -> S3FeedStorage:
        settings = crawler.settings
        return cls(
            uri,
            access_key=settings["AWS_ACCESS_KEY_ID"],
            secret_key=settings["AWS_SECRET_ACCESS_KEY"],
            session_token=settings["AWS_SESSION_TOKEN"],
            acl=settings["FEED_STORAGE_S3_ACL"] or None,
            endpoint_url=settings["AWS_ENDPOINT_URL"] or None,
            region_name=settings["AWS_REGION_NAME"] or None,
            max_pool_connections=settings.getint("AWS_MAX_POOL_CONNECTIONS") or None,
            feed_options=feed_options,
        )

    def _store_in_thread(self, file: IO[bytes]) -> None:
        file.seek(0)
        with file:
            if _is_installed("s3fs"):
                self._store_with_s3fs(file)
            else:
                self._store_with_boto(file)

    def _store_with_s3fs(self, file: IO[bytes]) -> None:
        import s3fs

        client = {"endpoint_url": self.endpoint_url, "region_name": self.region_name}
        config = {"max_pool_connections": self.max_pool_connections} if self.max_pool_connections else {}
        filesystem = s3fs.S3FileSystem(
            key=self.access_key,
            secret=self.secret_key,
            token=self.session_token,
            client_kwargs={key: value for key, value in client.items() if value},
            config_kwargs=config,
            skip_instance_cache=True,
        )
        acl = {"acl": self.acl} if self.acl else {}
        with filesystem.open(f"{self.bucketname}/{self.keyname}", "wb", **acl) as target:
            shutil.copyfileobj(file, target, 1 << 20)

    def _store_with_boto(self, file: IO[bytes]) -> None:
        import boto3
        from botocore.config import Config

        config = Config(max_pool_connections=self.max_pool_connections) if self.max_pool_connections else None
        client = boto3.client(
            "s3",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.session_token,
            endpoint_url=self.endpoint_url,
            region_name=self.region_name,
            config=config,
        )
        client.upload_fileobj(file, self.bucketname, self.keyname, ExtraArgs={"ACL": self.acl} if self.acl else None)


class GCSFeedStorage(BlockingFeedStorage):
    """Google Cloud Storage, by gcsfs (``pip install raycrawl[gcs]``)."""

    def __init__(
        self, uri: str, project_id: str | None, acl: str | None, *, feed_options: dict[str, Any] | None = None
    ) -> None:
        parts = urlsplit(uri)
        self.project_id = project_id
        self.acl = acl
        self.bucket_name: str = parts.hostname or ""
        self.blob_name: str = parts.path[1:]
        if feed_options and feed_options.get("overwrite", True) is False:
            logger.warning("GCS cannot append to %s: overwrite=False is ignored", uri)

    @classmethod
    def from_crawler(cls, crawler: Any, uri: str, *, feed_options: dict[str, Any] | None = None) -> GCSFeedStorage:
        settings = crawler.settings
        return cls(uri, settings["GCS_PROJECT_ID"], settings["FEED_STORAGE_GCS_ACL"] or None, feed_options=feed_options)

    def _store_in_thread(self, file: IO[bytes]) -> None:
        _require("gcsfs", extra="gcs")
        import gcsfs

        file.seek(0)
        filesystem = gcsfs.GCSFileSystem(project=self.project_id, skip_instance_cache=True)
        acl = {"acl": self.acl} if self.acl else {}
        with file, filesystem.open(f"{self.bucket_name}/{self.blob_name}", "wb", **acl) as target:
            shutil.copyfileobj(file, target, 1 << 20)


class FTPFeedStorage(BlockingFeedStorage):
    """FTP, and FTP over TLS (``ftps``). Option ``overwrite``: False appends, where the server can."""

    def __init__(
        self, uri: str, use_active_mode: bool = False, *, feed_options: dict[str, Any] | None = None
    ) -> None:
        parts = urlsplit(uri)
        if not parts.hostname:
            raise ValueError(f"the feed URI names no host: {uri!r}")
        self.host: str = parts.hostname
        self.port: int = parts.port or 21
        self.username: str = unquote(parts.username or "")
        self.password: str = unquote(parts.password or "")
        self.path: str = parts.path
        self.tls: bool = parts.scheme == "ftps"
        self.use_active_mode = use_active_mode
        self.overwrite: bool = not feed_options or feed_options.get("overwrite", True)

    @classmethod
    def from_crawler(cls, crawler: Any, uri: str, *, feed_options: dict[str, Any] | None = None) -> FTPFeedStorage:
        return cls(uri, crawler.settings.getbool("FEED_STORAGE_FTP_ACTIVE"), feed_options=feed_options)

    def _store_in_thread(self, file: IO[bytes]) -> None:
        from raycrawl.feeds.ftp import store_file

        file.seek(0)
        with file:
            store_file(
                file,
                host=self.host,
                port=self.port,
                username=self.username,
                password=self.password,
                path=unquote(self.path),
                tls=self.tls,
                active=self.use_active_mode,
                append=not self.overwrite,
            )


def _is_installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _require(*packages: str, extra: str) -> None:
    if not any(_is_installed(package) for package in packages):
        raise NotConfigured(f"{' or '.join(packages)} is missing: pip install raycrawl[{extra}]")
