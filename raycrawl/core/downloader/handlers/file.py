"""The handler of ``file:`` URLs at the path where Scrapy has it."""

from raycrawl.transport.file import FileDownloadHandler

__all__ = ["FileDownloadHandler"]
