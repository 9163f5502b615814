from scrapy.spiders import CSVFeedSpider


class CsvPlainSpider(CSVFeedSpider):
    name = "csvplain"
    start_urls = ["http://127.0.0.1:8000/feed/comma.csv"]

    def parse_row(self, response, row):
        yield row
