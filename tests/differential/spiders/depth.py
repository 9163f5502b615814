import scrapy


class CalendarSpider(scrapy.Spider):
    name = "calendar"
    start_urls = ["http://127.0.0.1:8000/calendar?m=0"]
    custom_settings = {"DEPTH_LIMIT": 3, "DEPTH_STATS_VERBOSE": True, "URLLENGTH_LIMIT": 60}

    def parse(self, response):
        yield {"month": response.css("h1::text").get(), "depth": response.meta["depth"]}
        for href in response.css("a[rel]::attr(href)").getall():
            yield scrapy.Request(response.urljoin(href))
        yield from response.follow_all(css="a.day", callback=self.parse_day)
        yield response.follow("?" + "x" * 80)

    def parse_day(self, response):
        yield {"day": response.css("h1::text").get()}
