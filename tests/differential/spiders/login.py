import scrapy
from scrapy.http import FormRequest


def authentication_failed(response):
    return b"wrong" in response.body


class LoginSpider(scrapy.Spider):
    name = "login"
    start_urls = ["http://127.0.0.1:8000/login"]
    custom_settings = {"COOKIES_DEBUG": True}

    def parse(self, response):
        yield {"names": response.css("input::attr(name)").getall()}
        return_value = FormRequest.from_response(
            response,
            formxpath="//form[@method='post']",
            formdata={"username": "john", "password": "secret"},
            callback=self.after_login,
            clickdata={"name": "go"},
        )
        yield return_value
        yield FormRequest.from_response(response, formnumber=1, formdata={"username": "eve", "password": "guess"}, callback=self.after_login, dont_click=True)

    def after_login(self, response):
        if authentication_failed(response):
            self.logger.error("Login failed")
            yield {"failed": True}
            return
        yield {"user": response.css("#user::text").get(), "url": response.url, "history": response.meta.get("redirect_urls"), "reasons": response.meta.get("redirect_reasons")}
        yield response.follow("/cookies/echo", self.parse_cookies)

    def parse_cookies(self, response):
        yield {"cookies": sorted(response.json())}
        yield scrapy.Request("http://127.0.0.1:8000/logout", self.parse_logout)

    def parse_logout(self, response):
        yield scrapy.Request("http://127.0.0.1:8000/cookies/echo?after=logout", self.parse_after)

    def parse_after(self, response):
        yield {"after": response.json()}
