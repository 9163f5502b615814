"""Helpers under the paths where Scrapy's documentation names them."""
