import scrapy


class FeedsSpider(scrapy.Spider):
    name = "feeds"
    start_urls = ["http://127.0.0.1:8000/api/quotes?page=3"]
    custom_settings = {
        "CONCURRENT_REQUESTS": 1,
        "FEEDS": {
            "out/all.json": {"format": "json", "indent": 4, "encoding": "utf8"},
            "out/plain.json": {"format": "json"},
            "out/lines.jl": {"fields": ["author", "number"]},
            "out/all.csv": {"format": "csv", "fields": {"number": "No.", "text": "Text", "tags": "Tags"}},
            "out/auto.csv": {"format": "csv", "item_export_kwargs": {"delimiter": ";", "join_multivalued": "|"}},
            "out/all.xml": {"format": "xml", "indent": 2, "item_export_kwargs": {"root_element": "quotes", "item_element": "quote"}},
            "out/plain.xml": {},
            "out/batch-%(batch_id)d.jsonl": {"format": "jsonlines", "batch_item_count": 4},
            "out/%(name)s.csv.gz": {"format": "csv", "postprocessing": ["scrapy.extensions.postprocessing.GzipPlugin"], "gzip_compresslevel": 5},
            "out/empty.json": {"format": "json", "item_classes": ["scrapy.Item"], "store_empty": True},
            "out/notstored.json": {"format": "json", "item_classes": ["scrapy.Item"], "store_empty": False},
            "out/latin.csv": {"format": "csv", "encoding": "cp1252", "fields": ["author"]},
        },
    }

    def parse(self, response):
        for number, quote in enumerate(response.json()["quotes"]):
            yield {"number": number, "text": quote["text"], "author": quote["author"], "tags": quote["tags"], "price": 1.0 * number, "none": None, "flag": True, "nested": {"a": [1, {"b": "<&>"}]}}
