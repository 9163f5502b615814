import scrapy


class AuthorSpider(scrapy.Spider):
    name = "author"

    start_urls = ["http://127.0.0.1:8000/quotes/"]

    def parse(self, response):
        author_page_links = response.css(".author + a")
        yield from response.follow_all(author_page_links, self.parse_author)
        yield from response.follow_all(css="a.tag", callback=self.parse)
        pagination_links = response.css("li.next a")
        yield from response.follow_all(pagination_links, self.parse)

    def parse_author(self, response):
        def extract_with_css(query):
            return response.css(query).get(default="").strip()

        yield {
            "name": extract_with_css("h3.author-title::text"),
            "birthdate": extract_with_css(".born::text"),
            "bio": extract_with_css("p.bio::text"),
            "url": response.url,
            "redirects": response.meta.get("redirect_urls"),
            "depth": response.meta["depth"],
        }
