"""Which files a feed has: their URIs, where they grow, with which exporter, and when one is full."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from raycrawl.exporters import ParquetItemExporter
from raycrawl.feeds.appending import end_of_existing
from raycrawl.feeds.encoder import FeedEncoder
from raycrawl.feeds.journal import FeedError
from raycrawl.feeds.options import LOCAL, FeedOptions, local_path, resolve_uri
from raycrawl.feeds.parts import Part, StreamPart, remove

# Part files of a directory target, when no batch_item_count says otherwise: what dataset readers like to split by.
PART_NBYTES = 128 << 20


@dataclass(slots=True, kw_only=True)
class PartFile:
    """One file of a feed.

    ``path`` is where it grows, ``uri`` where it belongs; they are the same file when ``in_place``. ``base`` bytes were
    there before this crawl, and are appended to; ``exporter_state`` is what the exporter must know of them.
    """

    seq: int
    uri: str
    path: Path
    in_place: bool
    base: int = 0
    exporter_state: dict[str, Any] | None = None
    items: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> PartFile:
        return cls(**{**entry, "path": Path(entry["path"])})


class FeedLayout:
    """Names and opens the parts of a feed."""

    def __init__(
        self,
        options: FeedOptions,
        directory: Path,
        spider: Any,
        crawler: Any,
        count: Callable[..., None],
        *,
        label: str,
        fsync: bool,
        has_own_storage: bool,
    ) -> None:
        self._options = options
        self._spool = directory / "spool"
        self._spider = spider
        self._crawler = crawler
        self._count = count
        self._label = label
        self._fsync = fsync
        self.is_parquet = issubclass(options.exporter, ParquetItemExporter)
        self._grows_in_place = not (
            options.kind != LOCAL
            or has_own_storage
            or options.is_directory
            or options.postprocessing
            or self.is_parquet
        )

    @property
    def manifest_uri(self) -> str:
        return f"{self._options.uri}_manifest{'' if self._label == '0' else '-' + self._label}.json"

    def new_file(self, seq: int, run: str, started: str, batch_started: str, *, again: bool) -> PartFile:
        """The next file.

        Args:
            run: tells this crawl's part files from those of other crawls into the same directory.
            again: the feed was delivered already and must not be overwritten by what came late.
        """
        options = self._options
        template = options.uri
        if options.is_directory:
            extension = "warc.gz" if options.takes_pages else options.format
            template += f"part-{started}-{run}-{self._label}-{seq:05d}.{extension}"
        uri = resolve_uri(
            template, self._spider, started=started, batch_started=batch_started, batch_id=seq,
            uri_params=options.uri_params,
        )  # fmt: skip
        if again:
            head, dot, extension = uri.rpartition(".")
            uri = f"{head}-{seq}{dot}{extension}"
        file = PartFile(seq=seq, uri=uri, path=self._spool / f"{seq:05d}.{options.format}", in_place=False)
        if options.kind == LOCAL:
            self._place(file, local_path(uri))
        return file

    def _place(self, file: PartFile, target: Path) -> None:
        exists = target.exists()
        if self._grows_in_place and (not exists or target.is_file()):
            file.path, file.in_place = target.absolute(), True
        if exists and not self._options.overwrite and target.is_file():
            if file.in_place:
                file.base, file.exporter_state = end_of_existing(target, self._new_exporter)
            else:
                file.base = target.stat().st_size

    def check(self, file: PartFile) -> None:
        """Raises FeedError when a local feed cannot be written: better now than at the first item."""
        if self._options.kind != LOCAL:
            return
        target = local_path(file.uri)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            writable = os.access(target if target.exists() else target.parent, os.W_OK) and not target.is_dir()
        except OSError as error:
            raise FeedError(f"the feed {file.uri} cannot be written: {error}") from error
        if not writable:
            raise FeedError(f"the feed {file.uri} cannot be written: no permission, or it is a directory")

    def open_part(self, file: PartFile, state: dict[str, Any] | None) -> Part:
        """Open a file to go on with it: from ``state``, or from nothing."""
        if self.is_parquet:
            from raycrawl.feeds.parquet import ParquetPart

            return ParquetPart(
                file.path, self._row_exporter(), self._options.exporter_kwargs, state, self._count, fsync=self._fsync
            )
        exporter_state = state["exporter"] if state else file.exporter_state
        encoder = FeedEncoder(self._new_exporter, exporter_state, self._count)
        return StreamPart(
            file.path,
            encoder,
            state=state,
            base=file.base if file.in_place else 0,
            keep_valid=file.in_place,
            fsync=self._fsync,
        )

    def _new_exporter(self, file: IO[bytes]) -> Any:
        from raycrawl.exporters import JsonItemExporter, JsonLinesItemExporter

        options = self._options
        kwargs = dict(options.exporter_kwargs)
        if options.exporter in (JsonItemExporter, JsonLinesItemExporter):
            kwargs.setdefault("allow_nan", False)  # NaN is not JSON: FeedEncoder writes null for it
        kwargs.update(fields_to_export=options.fields, encoding=options.encoding, indent=options.indent)
        if self._crawler is not None and hasattr(options.exporter, "from_crawler"):
            return options.exporter.from_crawler(self._crawler, file, **kwargs)
        return options.exporter(file, **kwargs)

    def _row_exporter(self) -> Any:
        from raycrawl.feeds.parquet import RowExporter

        own = inspect.signature(ParquetItemExporter.__init__).parameters
        kwargs = {key: value for key, value in self._options.exporter_kwargs.items() if key not in own}
        return RowExporter(fields_to_export=self._options.fields, **kwargs)

    def is_full(self, part: Part) -> bool:
        if self._options.batch_item_count:
            return part.items >= self._options.batch_item_count
        return self._options.is_directory and part.nbytes >= PART_NBYTES

    def undo(self, created: Iterable[dict[str, Any]]) -> None:
        """Take back files that were begun after the last commit."""
        for entry in created:
            file = PartFile.from_dict(entry)
            if not file.in_place:
                continue  # ``clean`` removes it
            if file.base:
                part = self.open_part(file, None)  # cuts it to what was there before, and ends it properly
                part.close()
            else:
                remove(file.path)

    def clean(self, keep: Iterable[Path]) -> None:
        """Remove everything from the spool but these."""
        kept = set(keep)
        if self._spool.is_dir():
            for path in self._spool.iterdir():
                if path not in kept:
                    discard(path)

    def read_from(self, file: PartFile | None, part: Part | None, start: int) -> bytes:
        """What a stream part has gained since ``start``."""
        if file is None or part is None:
            return b""
        with file.path.open("rb") as stream:
            stream.seek(start)
            return stream.read(part.nbytes - start)


def discard(path: Path) -> None:
    """Remove a spool file or the directory of a Parquet part."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        remove(path)
