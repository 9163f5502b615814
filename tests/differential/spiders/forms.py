import scrapy
from scrapy import FormRequest
from scrapy.http import JsonRequest, XmlRpcRequest


class FormsSpider(scrapy.Spider):
    name = "forms"
    start_urls = ["http://127.0.0.1:8000/forms/"]

    def parse(self, response):
        made = [
            dict(formname="get", formdata={"q": "über & more"}),
            dict(formname="get", dont_click=True),
            dict(formid="many"),
            dict(formid="many", formdata={"s": ["3", "4"], "n": None, "extra": "1"}, clickdata={"name": "yes"}),
            dict(formcss="form.weird"),
            dict(formid="noaction", method="GET"),
            dict(formnumber=3),
            dict(formxpath="//input[@name='z']"),
        ]
        for number, options in enumerate(made):
            yield FormRequest.from_response(response, callback=self.parse_echo, cb_kwargs={"number": number}, dont_filter=True, **options)
        yield FormRequest("http://127.0.0.1:8000/echo", formdata={"a": "1", "b": ["2", "3"], "é": "ü"}, callback=self.parse_echo, cb_kwargs={"number": 90})
        yield FormRequest("http://127.0.0.1:8000/echo?x=1", formdata={"a": "1"}, method="GET", callback=self.parse_echo, cb_kwargs={"number": 91})
        yield JsonRequest("http://127.0.0.1:8000/api/search", data={"q": "life", "n": 3, "ü": [None, True]}, headers={"X-Requested-With": "XMLHttpRequest"}, callback=self.parse_echo, cb_kwargs={"number": 92})
        yield scrapy.Request("http://127.0.0.1:8000/echo", method="PUT", body="späm", callback=self.parse_echo, cb_kwargs={"number": 93})
        yield scrapy.Request("http://127.0.0.1:8000/echo", method="delete", callback=self.parse_echo, cb_kwargs={"number": 94})
        yield scrapy.Request("http://127.0.0.1:8000/echo", method="POST", callback=self.parse_echo, cb_kwargs={"number": 95})
        yield XmlRpcRequest("http://127.0.0.1:8000/echo", methodname="hello", params=(1, "two"), callback=self.parse_echo, cb_kwargs={"number": 96})
        yield scrapy.Request.from_curl("curl 'http://127.0.0.1:8000/echo' -H 'X-A: b' --data-raw 'x=1&y=2' --compressed", callback=self.parse_echo, cb_kwargs={"number": 97})

    def parse_echo(self, response, number):
        yield {"number": number, "echo": response.json(), "url": response.url}
