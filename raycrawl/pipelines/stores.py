"""Where media pipelines keep files: a directory, S3, Google Cloud Storage, FTP.

Names come from the web more often than not (``file_path`` of many projects uses the URL or a title), so no store
follows a name out of its base: ``checked_path`` refuses it.
"""

from __future__ import annotations

import asyncio
import base64
import calendar
import ftplib
import hashlib
import os
import posixpath
import secrets
import time
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Protocol, TypedDict
from urllib.parse import unquote, urlsplit

from raycrawl.exceptions import NotConfigured
from raycrawl.pipelines.media import FileException

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from os import PathLike

    from raycrawl.pipelines.media import MediaPipeline

_CHUNK = 1 << 18


class StatInfo(TypedDict, total=False):
    """``checksum``: MD5 of the content; ``last_modified``: seconds since the epoch. Empty: there is no such file."""

    checksum: str
    last_modified: float


class FilesStoreProtocol(Protocol):
    """What ``STORE_SCHEMES`` maps a URI's scheme to. Both methods may be plain or ``async``."""

    def __init__(self, basedir: str) -> None: ...

    def persist_file(
        self,
        path: str,
        buf: BytesIO,
        info: MediaPipeline.SpiderInfo,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Awaitable[Any] | None: ...

    def stat_file(self, path: str, info: MediaPipeline.SpiderInfo) -> StatInfo | Awaitable[StatInfo]: ...


def checked_path(path: str | PathLike[str]) -> PurePosixPath:
    """``path`` as a relative path of plain names.

    Raises:
        FileException: it is empty, absolute, has ``..`` or a NUL, so that it could lead out of the store.
    """
    text = os.fspath(path).replace("\\", "/")
    pure = PurePosixPath(text)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in text or pure.parts[0].endswith(":"):
        raise FileException(f"{path!s} is not a path inside the store")
    return pure


def md5_of(file: IO[bytes]) -> str:
    """The hex MD5 of what is left to read. It is a name for content here, not a protection."""
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class FSFilesStore:
    """A directory of this machine (or one that all nodes share)."""

    def __init__(self, basedir: str | PathLike[str]) -> None:
        text = os.fspath(basedir)
        self.basedir = text.split("://", 1)[1] if "://" in text else text
        Path(self.basedir).mkdir(parents=True, exist_ok=True)

    def persist_file(
        self,
        path: str | PathLike[str],
        buf: BytesIO,
        info: MediaPipeline.SpiderInfo,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Write the file beside its place and rename it: readers never see half of it."""
        target = self._get_filesystem_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".unfinished-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            unfinished.write_bytes(buf.getvalue())
            unfinished.replace(target)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def stat_file(self, path: str | PathLike[str], info: MediaPipeline.SpiderInfo) -> StatInfo:
        target = self._get_filesystem_path(path)
        try:
            last_modified = target.stat().st_mtime
            with target.open("rb") as file:
                return {"last_modified": last_modified, "checksum": md5_of(file)}
        except OSError:
            return {}

    def _get_filesystem_path(self, path: str | PathLike[str]) -> Path:
        base = Path(self.basedir)
        target = base.joinpath(*checked_path(path).parts)
        # A link inside the base may lead out of it, too.
        if not target.resolve().is_relative_to(base.resolve()):
            raise FileException(f"{path!s} is not a path inside the store")
        return target


class _RemoteStore:
    """A bucket, through fsspec. Calls block and run in a thread."""

    SCHEME = ""
    PACKAGE = ""

    def __init__(self, uri: str) -> None:
        if not uri.startswith(f"{self.SCHEME}://"):
            raise ValueError(f"Incorrect URI scheme in {uri}, expected {self.SCHEME!r}")
        self.bucket, _, self.prefix = uri[len(self.SCHEME) + 3 :].partition("/")
        self._fs: Any = None

    def persist_file(
        self,
        path: str,
        buf: BytesIO,
        info: MediaPipeline.SpiderInfo,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Awaitable[None]:
        return asyncio.to_thread(self._persist, self._key(path), buf.getvalue(), meta or {}, headers or {})

    def stat_file(self, path: str, info: MediaPipeline.SpiderInfo) -> Awaitable[StatInfo]:
        return asyncio.to_thread(self._stat, self._key(path))

    def _key(self, path: str) -> str:
        return posixpath.join(self.bucket, self.prefix.strip("/"), str(checked_path(path)))

    def _filesystem(self) -> Any:
        if self._fs is None:
            import fsspec

            try:
                self._fs = fsspec.filesystem(self.SCHEME, **self._options())
            except ImportError as error:
                raise NotConfigured(f"{self.SCHEME}:// stores need the package {self.PACKAGE}") from error
        return self._fs

    def _options(self) -> dict[str, Any]:
        raise NotImplementedError

    def _persist(self, key: str, content: bytes, meta: dict[str, Any], headers: dict[str, str]) -> None:
        raise NotImplementedError

    def _stat(self, key: str) -> StatInfo:
        try:
            entry = self._filesystem().info(key)
        except FileNotFoundError:
            return {}
        return self._entry(entry)

    def _entry(self, entry: dict[str, Any]) -> StatInfo:
        raise NotImplementedError


class S3FilesStore(_RemoteStore):
    """A bucket of S3 or of a server that speaks its protocol; needs s3fs. Attributes are settings of the same names."""

    SCHEME = "s3"
    PACKAGE = "s3fs"

    AWS_ACCESS_KEY_ID: str | None = None
    AWS_SECRET_ACCESS_KEY: str | None = None
    AWS_SESSION_TOKEN: str | None = None
    AWS_ENDPOINT_URL: str | None = None
    AWS_REGION_NAME: str | None = None
    AWS_USE_SSL: bool | None = None
    AWS_VERIFY: bool | None = None
    AWS_MAX_POOL_CONNECTIONS: int | None = None
    POLICY = "private"  # FILES_STORE_S3_ACL, IMAGES_STORE_S3_ACL
    HEADERS = {"Cache-Control": "max-age=172800"}

    def _options(self) -> dict[str, Any]:
        client = {"region_name": self.AWS_REGION_NAME, "verify": self.AWS_VERIFY}
        config = {"max_pool_connections": self.AWS_MAX_POOL_CONNECTIONS}
        options: dict[str, Any] = {
            "key": self.AWS_ACCESS_KEY_ID,
            "secret": self.AWS_SECRET_ACCESS_KEY,
            "token": self.AWS_SESSION_TOKEN,
            "endpoint_url": self.AWS_ENDPOINT_URL,
            "use_ssl": self.AWS_USE_SSL,
            "client_kwargs": {key: value for key, value in client.items() if value is not None},
            "config_kwargs": {key: value for key, value in config.items() if value is not None},
            # The bucket is written by several processes: a cached listing would hide their files.
            "use_listings_cache": False,
        }
        return {key: value for key, value in options.items() if value not in (None, {})}

    def _persist(self, key: str, content: bytes, meta: dict[str, Any], headers: dict[str, str]) -> None:
        sent = {**self.HEADERS, **headers}
        known = {"Cache-Control": "CacheControl", "Content-Type": "ContentType", "Content-Encoding": "ContentEncoding"}
        unknown = sorted(set(sent) - set(known))
        if unknown:
            raise TypeError(f"Headers that S3 objects cannot have: {', '.join(unknown)}")
        arguments = {known[name]: value for name, value in sent.items()}
        metadata = {name: str(value) for name, value in meta.items()}
        self._filesystem().pipe_file(key, content, ACL=self.POLICY, Metadata=metadata, **arguments)

    def _entry(self, entry: dict[str, Any]) -> StatInfo:
        return {"checksum": str(entry.get("ETag", "")).strip('"'), "last_modified": entry["LastModified"].timestamp()}


class GCSFilesStore(_RemoteStore):
    """A bucket of Google Cloud Storage; needs gcsfs."""

    SCHEME = "gs"
    PACKAGE = "gcsfs"

    GCS_PROJECT_ID: str | None = None
    CACHE_CONTROL = "max-age=172800"
    POLICY: str | None = None  # FILES_STORE_GCS_ACL, IMAGES_STORE_GCS_ACL

    def _options(self) -> dict[str, Any]:
        return {"project": self.GCS_PROJECT_ID} if self.GCS_PROJECT_ID else {}

    def _persist(self, key: str, content: bytes, meta: dict[str, Any], headers: dict[str, str]) -> None:
        options: dict[str, Any] = {
            "metadata": {name: str(value) for name, value in meta.items()},
            "content_type": headers.get("Content-Type", "application/octet-stream"),
            "fixed_key_metadata": {"cache_control": self.CACHE_CONTROL},
        }
        if self.POLICY:
            options["acl"] = self.POLICY
        with self._filesystem().open(key, "wb", **options) as file:
            file.write(content)

    def _entry(self, entry: dict[str, Any]) -> StatInfo:
        updated = entry.get("mtime") or entry["updated"]
        moment = datetime.fromisoformat(updated) if isinstance(updated, str) else updated
        checksum = base64.b64decode(entry.get("md5Hash", "")).hex()
        return {"checksum": checksum, "last_modified": moment.timestamp()}


class FTPFilesStore:
    """A directory of an FTP server: ``ftp://user:password@host:port/path``."""

    FTP_USERNAME: str | None = None  # FTP_USER
    FTP_PASSWORD: str | None = None
    USE_ACTIVE_MODE: bool | None = None  # FEED_STORAGE_FTP_ACTIVE

    def __init__(self, uri: str) -> None:
        if not uri.startswith("ftp://"):
            raise ValueError("Incorrect URI scheme, expected 'ftp'")
        parts = urlsplit(uri)
        self.host = parts.hostname or ""
        self.port = parts.port or ftplib.FTP_PORT
        self.username = unquote(parts.username) if parts.username else self.FTP_USERNAME
        self.password = unquote(parts.password) if parts.password else self.FTP_PASSWORD
        self.basedir = parts.path.rstrip("/")

    def persist_file(
        self,
        path: str,
        buf: BytesIO,
        info: MediaPipeline.SpiderInfo,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Awaitable[None]:
        return asyncio.to_thread(self._persist, checked_path(path), buf)

    def stat_file(self, path: str, info: MediaPipeline.SpiderInfo) -> Awaitable[StatInfo]:
        return asyncio.to_thread(self._stat_file, checked_path(path))

    def _connected(self) -> ftplib.FTP:
        ftp = ftplib.FTP()
        ftp.connect(self.host, self.port)
        ftp.login(self.username or "anonymous", self.password or "")
        ftp.set_pasv(not self.USE_ACTIVE_MODE)
        return ftp

    def _persist(self, path: PurePosixPath, buf: BytesIO) -> None:
        with self._connected() as ftp:
            directory = self.basedir or "/"
            for name in path.parts[:-1]:
                directory = posixpath.join(directory, name)
                with suppress(ftplib.error_perm):  # it is there already; if not, STOR says so
                    ftp.mkd(directory)
            buf.seek(0)
            ftp.storbinary(f"STOR {posixpath.join(directory, path.name)}", buf)

    def _stat_file(self, path: PurePosixPath) -> StatInfo:
        name = posixpath.join(self.basedir or "/", str(path))
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with self._connected() as ftp:
                modified = ftp.voidcmd(f"MDTM {name}").split()[1][:14]
                ftp.retrbinary(f"RETR {name}", digest.update)
        except ftplib.error_perm:
            return {}
        # MDTM answers in UTC (RFC 3659, 3.1).
        seconds = calendar.timegm(time.strptime(modified, "%Y%m%d%H%M%S"))
        return {"last_modified": float(seconds), "checksum": digest.hexdigest()}
