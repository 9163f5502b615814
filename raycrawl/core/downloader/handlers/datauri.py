"""The handler of ``data:`` URLs at the path where Scrapy has it."""

from raycrawl.transport.datauri import DataURIDownloadHandler

__all__ = ["DataURIDownloadHandler"]
