"""The spider middlewares that are on by default, in Scrapy's order (``SPIDER_MIDDLEWARES_BASE``)."""
