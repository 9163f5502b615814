"""The handler of ``s3:`` URLs at the path where Scrapy has it."""

from raycrawl.transport.s3 import S3DownloadHandler

__all__ = ["S3DownloadHandler"]
