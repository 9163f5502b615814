"""The handler of ``ftp:`` URLs at the path where Scrapy has it."""

from raycrawl.transport.ftp import FTPDownloadHandler

__all__ = ["FTPDownloadHandler"]
