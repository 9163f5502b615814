import scrapy
from scrapy.pipelines.files import FilesPipeline
from scrapy.pipelines.images import ImagesPipeline


class MyFilesPipeline(FilesPipeline):
    def file_path(self, request, response=None, info=None, *, item=None):
        return "docs/" + item["kind"] + "-" + request.url.split("/")[-1]


class MediaSpider(scrapy.Spider):
    name = "media"
    start_urls = [f"http://127.0.0.1:8000/books/page-{i}.html" for i in (1, 2)]
    custom_settings = {
        "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1, MyFilesPipeline: 2},
        "IMAGES_STORE": "store/images",
        "FILES_STORE": "store/files",
        "IMAGES_THUMBS": {"small": (20, 20)},
        "MEDIA_ALLOW_REDIRECTS": True,
    }

    def parse(self, response):
        yield from response.follow_all(css="h3 a", callback=self.parse_book)

    def parse_book(self, response):
        yield {
            "kind": "manual",
            "name": response.css("h1::text").get(),
            "image_urls": [response.urljoin(src) for src in response.css("#gallery img::attr(src)").getall()] + ["http://127.0.0.1:8000/media/bad.png", "http://127.0.0.1:8000/media/gone.png"],
            "file_urls": [response.urljoin(response.css("a.pdf::attr(href)").get()), "http://127.0.0.1:8000/files/moved.pdf"],
        }


assert issubclass(ImagesPipeline, FilesPipeline)
