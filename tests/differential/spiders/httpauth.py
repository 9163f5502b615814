import scrapy


class AuthSpider(scrapy.Spider):
    name = "httpauth"
    http_user = "user"
    http_pass = "pass"
    http_auth_domain = "127.0.0.1:8000"
    start_urls = ["http://127.0.0.1:8000/auth/", "http://127.0.0.2:8000/auth/"]
    user_agent = "own-agent/1.0"
    handle_httpstatus_list = [401]
    custom_settings = {"DEFAULT_REQUEST_HEADERS": {"Accept": "*/*", "X-Default": "d"}, "COMPRESSION_ENABLED": False}

    def parse(self, response):
        yield {"status": response.status, "url": response.url, "agent": response.request.headers["User-Agent"].decode()}
