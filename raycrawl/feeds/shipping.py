"""What happens to a file that is full: post-processing or conversion, then delivery, in a thread of its own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from raycrawl.feeds.layout import PartFile, discard
from raycrawl.feeds.options import FeedOptions
from raycrawl.feeds.targets import Target, deliver_with_retries, redacted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedDelivery:
    """A file that could not be delivered, and where it is instead."""

    uri: str
    path: str
    error: str

    def __str__(self) -> str:
        return f"{self.uri}: {self.error} (kept as {self.path})"


class Shipping:
    """Delivers the files of one feed, one after the other, while the feed goes on.

    A file stays in the work directory until the journal knows that it was delivered.
    """

    def __init__(
        self,
        options: FeedOptions,
        target: Target,
        directory: Path,
        count: Callable[..., None],
        settings: Any,
        keep_dir: Path | str | None,
        *,
        is_parquet: bool,
    ) -> None:
        self._options = options
        self._target = target
        self._directory = directory
        self._count = count
        self._keep_dir = Path(keep_dir) if keep_dir else _default_keep_dir(settings)
        self._is_parquet = is_parquet
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: list[Future[None]] = []
        self._shipped: dict[int, Path] = {}
        self._failed: list[FailedDelivery] = []

    def ship(self, file: PartFile, *, keep: bool = False) -> None:
        """Deliver a file that is complete. ``keep``: it will grow further, so its spool file stays."""
        if file.in_place:
            self._count(f"success_count/{self._target.name}")
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="feed-delivery")
        self._under_way.append(self._pool.submit(self._ship, file, keep))

    def _ship(self, file: PartFile, keep: bool) -> None:
        try:
            prepared = self._prepare(file)
            error = deliver_with_retries(self._target, prepared, file.uri, base=file.base)
        except Exception as failure:  # a plugin or the conversion: the raw file is kept
            prepared, error = file.path, failure
        if error is not None:
            self._keep(file, prepared, error)
            return
        self._count(f"success_count/{self._target.name}")
        logger.info("Stored the feed %s", redacted(file.uri))
        if prepared != file.path:
            discard(prepared)
        if not keep:
            self._shipped[file.seq] = file.path

    def _prepare(self, file: PartFile) -> Path:
        path = file.path
        if self._is_parquet:
            from raycrawl.feeds.parquet import assemble

            path = path.with_name(f"{file.path.name}.whole")
            existing = self._target.existing(file.uri) if file.base else None
            assemble(file.path, path, self._options.exporter_kwargs, existing=existing)
            file.base = 0  # what was there before is in it
        if self._options.postprocessing:
            path = self._postprocess(path, path.with_name(f"{path.name}.processed"))
        return path

    def _postprocess(self, path: Path, output_path: Path) -> Path:
        from raycrawl.extensions.postprocessing import PostProcessingManager

        output = output_path.open("wb")
        manager = PostProcessingManager(list(self._options.postprocessing), output, self._options.raw)
        try:
            with path.open("rb") as source:
                shutil.copyfileobj(source, cast("IO[bytes]", manager), 1 << 18)
        finally:
            manager.close()
            output.close()
        return output_path

    def _keep(self, file: PartFile, prepared: Path, error: Exception) -> None:
        self._keep_dir.mkdir(parents=True, exist_ok=True)
        name = file.uri.rstrip("/").rpartition("/")[2] or file.path.name
        kept = self._keep_dir / f"{os.getpid()}-{file.seq:05d}-{name}"
        if prepared.is_dir():
            shutil.copytree(prepared, kept, dirs_exist_ok=True)
        else:
            shutil.copyfile(prepared, kept)
        self._count(f"failed_count/{self._target.name}")
        logger.error("The feed %s could not be delivered (%s); it was kept as %s", redacted(file.uri), error, kept)
        self._failed.append(FailedDelivery(uri=redacted(file.uri), path=str(kept), error=str(error)))

    def take_shipped(self) -> dict[int, Path]:
        """Files that were delivered since the last call: number to spool file, to be removed when journaled."""
        shipped, self._shipped = self._shipped, {}
        return shipped

    def wait(self) -> tuple[FailedDelivery, ...]:
        """Wait for all deliveries. Returns those that failed."""
        for future in self._under_way:
            future.result()
        self._under_way.clear()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        return tuple(self._failed)

    def write_manifest(self, uri: str, files: Sequence[str]) -> tuple[FailedDelivery, ...]:
        """Deliver the list of a directory's part files. Returns all deliveries that failed.

        Parts of an earlier crawl stay on the list, or with ``overwrite`` are removed.
        """
        names = [file.rpartition("/")[2] for file in files]
        earlier = [name for name in self._names_in(uri) if name not in names]
        if self._options.overwrite:
            for name in earlier:
                self._target.remove(self._options.uri + name)
        else:
            names = earlier + names
        path = self._directory / "manifest.json"
        path.write_text(json.dumps({"version": 1, "format": self._options.format, "files": names}, indent=1))
        error = deliver_with_retries(self._target, path, uri, base=0)
        if error is not None:
            self._keep(PartFile(seq=0, uri=uri, path=path, in_place=False), path, error)
        return tuple(self._failed)

    def _names_in(self, uri: str) -> list[str]:
        data = self._target.read(uri)
        try:
            return [str(name) for name in json.loads(data)["files"]] if data else []
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("The manifest %s is not one of ours (%s) and is replaced", redacted(uri), error)
            return []


def _default_keep_dir(settings: Any) -> Path:
    return Path(settings.get("FEED_TEMPDIR") or tempfile.gettempdir()) / "raycrawl-undelivered"
