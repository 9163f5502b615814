from scrapy.spiders import CSVFeedSpider


class CsvSpider(CSVFeedSpider):
    name = "csv"
    start_urls = ["http://127.0.0.1:8000/feed/semicolon.csv"]
    delimiter = ";"
    quotechar = "'"
    headers = ["id", "name", "price"]

    def parse_row(self, response, row):
        self.logger.info("Hi, this is a row!: %r", row)
        return {"row": row}
