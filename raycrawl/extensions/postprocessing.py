"""Post-processing of feeds: plugins that a feed's bytes pass through on their way to the storage.

A plugin is made with ``(file, feed_options)``, gets the data by ``write`` and writes what it makes of it to ``file``;
``close`` ends it. ``file`` is the next plugin's input or the feed's file, which no plugin closes.
"""

from __future__ import annotations

from bz2 import BZ2File
from gzip import GzipFile
from io import IOBase
from lzma import LZMAFile
from typing import IO, Any, BinaryIO

from raycrawl.utils.misc import load_object


class GzipPlugin:
    """Compresses with gzip. Options of the feed: ``gzip_compresslevel``, ``gzip_mtime``, ``gzip_filename``."""

    def __init__(self, file: BinaryIO, feed_options: dict[str, Any]) -> None:
        self.file = file
        self.feed_options = feed_options
        self.gzipfile = GzipFile(
            fileobj=file,
            mode="wb",
            compresslevel=feed_options.get("gzip_compresslevel", 9),
            mtime=feed_options.get("gzip_mtime"),
            filename=feed_options.get("gzip_filename"),
        )

    def write(self, data: bytes) -> int:
        return self.gzipfile.write(data)

    def close(self) -> None:
        self.gzipfile.close()


class Bz2Plugin:
    """Compresses with bzip2. Option of the feed: ``bz2_compresslevel``."""

    def __init__(self, file: BinaryIO, feed_options: dict[str, Any]) -> None:
        self.file = file
        self.feed_options = feed_options
        self.bz2file = BZ2File(filename=file, mode="wb", compresslevel=feed_options.get("bz2_compresslevel", 9))

    def write(self, data: bytes) -> int:
        return self.bz2file.write(data)

    def close(self) -> None:
        self.bz2file.close()


class LZMAPlugin:
    """Compresses with LZMA. Options of the feed: ``lzma_format``, ``lzma_check``, ``lzma_preset``, ``lzma_filters``."""

    def __init__(self, file: BinaryIO, feed_options: dict[str, Any]) -> None:
        self.file = file
        self.feed_options = feed_options
        self.lzmafile = LZMAFile(  # noqa: SIM115 - close() closes it
            filename=file,
            mode="wb",
            format=feed_options.get("lzma_format"),
            check=feed_options.get("lzma_check", -1),
            preset=feed_options.get("lzma_preset"),
            filters=feed_options.get("lzma_filters"),
        )

    def write(self, data: bytes) -> int:
        return self.lzmafile.write(data)

    def close(self) -> None:
        self.lzmafile.close()


class PostProcessingManager(IOBase):
    """A writable file that passes what it gets through a chain of plugins, the first one first.

    Args:
        plugins: plugin classes, or paths to them.
        file: where the last plugin's output goes.
        feed_options: the feed's options, which plugins read their own from.
    """

    def __init__(self, plugins: list[Any], file: IO[bytes], feed_options: dict[str, Any]) -> None:
        self.plugins = [load_object(plugin) for plugin in plugins]
        self.file = file
        self.feed_options = feed_options
        self._chain: list[Any] = []
        head: Any = file
        for plugin in reversed(self.plugins):
            head = plugin(head, feed_options)
            self._chain.insert(0, head)
        self.head_plugin: Any = head

    def write(self, data: bytes) -> int:
        """Pass data on. Returns its length; how much comes out at the other end is the plugins' affair."""
        written: int | None = self.head_plugin.write(data)
        return len(data) if written is None else written

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        """End every plugin, the first one first, so that each gets what the one before it still held."""
        if self.closed:
            return
        for plugin in self._chain:
            plugin.close()
        super().close()

    def writable(self) -> bool:
        return True
