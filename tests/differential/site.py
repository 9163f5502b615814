"""The site that both crawlers visit, in a process of its own: ``python -m tests.differential.site``.

Prints its port, serves 127.0.0.1 to 127.0.0.3 on it, and ends when its standard input closes. ``/_reset`` forgets sessions
and counters and the log; ``/_log`` gives the log as JSON: every request in order of arrival.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qsl, unquote

import brotli

from raycrawl.testing import SiteRequest, SiteResponse, SiteServer
from raycrawl.testing.server import Ending

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
AUTHORS = ("Ada Lovelace", "Blaise Pascal", "Carl Gauss", "Émile Zola")
TAGS = ("life", "love", "numbers", "truth", "books & more")
N_QUOTES = 47
Handler = Callable[["Visits", SiteRequest, list[str]], SiteResponse]


class Visits:
    """What the site remembers: the log, how often each path was asked for, sessions."""

    def __init__(self) -> None:
        self.log: list[dict[str, object]] = []
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, str] = {}


def page(body: str, title: str = "A page", status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> SiteResponse:
    text = f"<!doctype html><html><head><title>{escape(title)}</title></head><body>{body}</body></html>"
    return SiteResponse(body=text.encode(), status=status, headers=list(headers))


def as_json(value: object, status: int = 200) -> SiteResponse:
    return SiteResponse(body=json.dumps(value).encode(), status=status, content_type="application/json")


def not_found() -> SiteResponse:
    return page("<h1>Not found</h1>", "404", status=404)


def quote(number: int) -> dict[str, object]:
    tags = [TAGS[number % 5], TAGS[(number * 3 + 1) % 5]]
    return {"text": f"Saying number {number} – “quoted”", "author": AUTHORS[number % 4], "tags": sorted(set(tags))}


def slug(text: str) -> str:
    return text.replace(" ", "-").replace("&", "and")


def quotes(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/quotes/, /quotes/page/N/, /quotes/tag/T/page/N/"""
    tag = unquote(rest[1]) if rest[:1] == ["tag"] else None
    number = int(rest[rest.index("page") + 1]) if "page" in rest else 1
    chosen = [quote(i) for i in range(N_QUOTES) if tag is None or tag in [slug(str(t)) for t in quote(i)["tags"]]]
    shown = chosen[(number - 1) * 10 : number * 10]
    root = f"/quotes/tag/{tag}/" if tag else "/quotes/"
    rows = "".join(quote_row(each) for each in shown)
    last = (len(chosen) + 9) // 10
    links = f'<li class="next"><a href="{root}page/{number + 1}/">Next <span>&rarr;</span></a></li>' if number < last else ""
    if number > 1:
        links = f'<li class="previous"><a href="{root}page/{number - 1}/">Previous</a></li>' + links
    return page(f'<a href="/quotes/">home</a> <a href="/login">Login</a>{rows}<nav><ul>{links}</ul></nav>', "Quotes")


def quote_row(each: dict[str, object]) -> str:
    tags = "".join(f'<a class="tag" href="/quotes/tag/{slug(t)}/page/1/">{escape(t)}</a> ' for t in each["tags"])  # type: ignore[attr-defined]
    author = str(each["author"])
    return (
        f'<div class="quote"><span class="text">{escape(str(each["text"]))}</span>\n'
        f'<span>by <small class="author">{author}</small> <a href="/author/{slug(author)}">(about)</a></span>'
        f'<div class="tags">{tags}</div></div>'
    )


def author(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    name = unquote(rest[0]).replace("-", " ")
    if not request.target.endswith("/"):
        return SiteResponse(status=308, headers=[("Location", request.target + "/")])
    year = 1600 + len(name) * 10
    return page(
        f'<h3 class="author-title">{name}\n    </h3><span class="born">  {year} </span><p class="bio">Was born, and &amp; died.</p>',
        name,
    )


def books(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/books/page-N.html, /books/CATEGORY/book_I.html: 4 pages of 6 books"""
    if rest and rest[0].startswith("page-") or rest in ([""], ["index.html"], []):
        number = int(rest[0][5:-5]) if rest and rest[0].startswith("page-") else 1
        cards = "".join(book_card(i) for i in range(number * 6 - 6, number * 6))
        cats = '<ul class="side"><li><a href="travel/index.html">Travel</a><li><a href="mystery/index.html">Mystery</a></ul>'
        link = f'<a class="next" href="page-{number + 1}.html?utm=1#top">next</a>' if number < 4 else ""
        return page(cats + cards + link, f"Books {number}")
    if rest[1] == "index.html":
        mine = [i for i in range(24) if ("travel", "mystery")[i % 2] == rest[0]]
        return page("".join(book_card(i).replace('href="', 'href="../') for i in mine), rest[0])
    number = int(rest[1][5:-5])
    image = f'<div id="gallery"><img src="../../media/{number % 3}.png" alt=""></div>'
    stock = '<p class="availability">\n   In stock (22 available)\n </p>'
    facts = f"<table><tr><th>UPC</th><td>upc-{number:04}</td></tr><tr><th>Tax</th><td>£0.{number:02}</td></tr></table>"
    pdf = f'<a class="pdf" href="/files/{number % 4}.pdf">manual</a>'
    return page(f'<h1>Book {number}</h1><p class="price">£{number + 0.99:.2f}</p>{image}{stock}{facts}{pdf}', f"Book {number}")


def book_card(number: int) -> str:
    category = ("travel", "mystery")[number % 2]
    return (
        f'<article class="product_pod"><h3><a href="{category}/book_{number}.html" title="Book {number}">Book..</a></h3>'
        f'<p class="star-rating {("One", "Two", "Three")[number % 3]}"></p><p class="price_color">£{number + 0.99:.2f}</p></article>'
    )


def png(number: int) -> bytes:
    width, height = 60 + 20 * number, 80

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((number * 50, x % 256, 99) [k] for x in range(width) for k in range(3)) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def media(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "bad.png":
        return SiteResponse(body=b"no image at all", content_type="image/png")
    if rest[0] == "gone.png":
        return not_found()
    return SiteResponse(body=png(int(rest[0][0])), content_type="image/png")


def files(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "3.pdf":
        return not_found()
    if rest[0] == "moved.pdf":
        return SiteResponse(status=302, headers=[("Location", "/files/1.pdf")])
    return SiteResponse(body=f"%PDF-1.4 file {rest[0]}".encode() * 9, content_type="application/pdf")


def token_of(session: str) -> str:
    return hashlib.sha1(session.encode()).hexdigest()[:12]


def cookies_of(request: SiteRequest) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}


def login(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    session = cookies_of(request).get("session")
    if request.method == "GET":
        session = session or f"s{len(visits.sessions) + 1}"
        visits.sessions.setdefault(session, "")
        form = (
            '<form id="search" action="/headers" method="get"><input type="text" name="q" value=""></form>'
            '<form action="/login" method="post" accept-charset="utf-8">'
            f'<input type="hidden" name="csrf_token" value="{token_of(session)}">'
            '<input type="text" class="form-control" id="username" name="username">'
            '<input type="password" name="password"><input type="checkbox" name="remember" checked>'
            '<input type="checkbox" name="spam" value="yes"><select name="lang"><option value="en">E<option value="de" selected>D</select>'
            '<textarea name="note">\nhello</textarea><input type="radio" name="r" value="1"><input type="radio" name="r" value="2" checked>'
            '<input type="submit" name="go" value="Login"><input type="submit" name="cancel" value="Cancel"><input type="image" name="im">'
            '<input type="reset" name="rst" value="x"></form>'
        )
        return page(form, "Login", headers=(("Set-Cookie", f"session={session}; Path=/; HttpOnly"),))
    given = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    if session is None or given.get("csrf_token") != token_of(session) or given.get("password") != "secret":
        return page('<p class="error">wrong</p>', "Login", status=200)
    visits.sessions[session] = given.get("username", "")
    user = given.get("username", "")
    return SiteResponse(status=302, headers=[("Location", "/account"), ("Set-Cookie", f"user={user}; Path=/; Max-Age=3600")])


def account(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    user = visits.sessions.get(cookies_of(request).get("session", ""))
    if not user:
        return SiteResponse(status=302, headers=[("Location", "/login")])
    return page(f'<p id="user">{escape(user)}</p><a href="/logout">Logout</a>', "Account")


def logout(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    gone = "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    return page("bye", "Logout", headers=(("Set-Cookie", gone), ("Set-Cookie", "user=; Max-Age=0; Path=/")))


def cookies(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/cookies/set?a=b sets all of the query; /cookies/redirect too, and redirects; /cookies/echo tells"""
    setting = [("Set-Cookie", f"{name}={value}; Path=/cookies") for name, value in request.query.items()]
    if rest[0] == "redirect":
        return SiteResponse(status=302, headers=[*setting, ("Location", "/cookies/echo?from=redirect")])
    if rest[0] == "set":
        return page("set", headers=tuple(setting))
    return as_json(cookies_of(request))


def api(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "search":
        asked = json.loads(request.body or b"{}")
        return as_json({"asked": asked, "type": request.headers.get("content-type"), "xhr": request.headers.get("x-requested-with")})
    number = int(request.query.get("page", "1"))
    shown = [quote(i) for i in range(number * 10 - 10, min(number * 10, N_QUOTES))]
    return as_json({"page": number, "has_next": number * 10 < N_QUOTES, "quotes": shown})


def redirect(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/redirect/chain/N, /redirect/loop, /redirect/away, /redirect/code/C, /redirect/nowhere, /redirect/bad"""
    port = request.headers["host"].rpartition(":")[2]
    if rest[0] == "chain":
        left = int(rest[1])
        code = (301, 302, 303, 307, 308)[left % 5]
        return SiteResponse(status=code, headers=[("Location", f"../chain/{left - 1}" if left > 1 else "/headers?chained")])
    if rest[0] == "code":
        return SiteResponse(status=int(rest[1]), headers=[("Location", "/echo?after=" + rest[1])])
    place = {
        "loop": "/redirect/loop",
        "away": f"http://127.0.0.2:{port}/headers?away",
        "bad": "mailto:me@example.com",
        "space": "/headers?a b=c d&é=ü",
        "utf8": "/headers/é?é=ü".encode().decode("latin-1"),
        "fragment": "/headers?x#part",
        "scheme": f"//127.0.0.1:{port}/headers?scheme",
        "forbidden": "/private/secret",
        "empty": "",
    }.get(rest[0])
    return SiteResponse(status=302, headers=[] if place is None else [("Location", place)], body=b"<p>moved</p>")


def refresh(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    content = {
        "zero": "0; url=/headers?refreshed",
        "quoted": "1;URL='/headers?quoted'",
        "late": "500; url=/headers?late",
        "self": "5",
        "loop": "0; url=/refresh/loop",
    }[rest[0]]
    return SiteResponse(body=f'<html><head><meta http-equiv="refresh" content="{content}"></head><p>{rest[0]}</p>'.encode())


def status(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page(f"<p>status {rest[0]}</p>", rest[0], status=int(rest[0]))


def flaky(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    """/flaky/CODE/N: that status N times, then 200. /flaky/reset/N: the connection ends"""
    visits.counts[request.target] += 1
    if visits.counts[request.target] > int(rest[1]):
        return page(f"<p>fine after {rest[1]}</p>", "fine")
    if rest[0] == "reset":
        return SiteResponse(raw_head=b"", ending=Ending.RESET)
    if rest[0] == "short":
        return SiteResponse(body=b"<p>short</p>", promised_nbytes=500, ending=Ending.CLOSE)
    return page("not yet", status=int(rest[0]), headers=(("Retry-After", "1"),) if rest[0] == "503" else ())


def encoded(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    text = b"<html><title>compressed</title><p>" + b"squeeze me " * 200 + b"</p></html>"
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": ("gzip", gzip.compress(text, mtime=0)),
        "x-gzip": ("x-gzip", gzip.compress(text, mtime=0)),
        "br": ("br", brotli.compress(text)),
        "deflate": ("deflate", zlib.compress(text)),
        "rawdeflate": ("deflate", raw.compress(text) + raw.flush()),
        "identity": ("identity", text),
        "lying": ("gzip", text),
        "unknown": ("snappy", text),
    }[rest[0]]
    return SiteResponse(body=packed[1], headers=[("Content-Encoding", packed[0])])


CHARSETS: dict[str, tuple[str, bytes]] = {
    "latin1": ("text/html; charset=iso-8859-1", "<title>Café £5</title>".encode("latin-1")),
    "cp1251": ("text/html; charset=windows-1251", "<title>Привет</title>".encode("cp1251")),
    "meta-sjis": ("text/html", '<meta charset="shift_jis"><title>日本語</title>'.encode("shift_jis")),
    "meta-gb": ("text/html", '<meta http-equiv="Content-Type" content="text/html; charset=gb2312"><title>中文</title>'.encode("gb2312")),
    "bom8": ("text/html", b"\xef\xbb\xbf<title>d\xc3\xa9j\xc3\xa0</title>"),
    "bom16": ("text/html", "\ufeff<title>déjà</title>".encode("utf-16-le")),
    "none-utf8": ("text/html", "<title>naïve – “ja”</title>".encode()),
    "smart": ("text/html; charset=iso-8859-1", b"<title>\x93quotes\x94 \x80</title>"),
    "wrong": ("text/html; charset=no-such-thing", "<title>ça</title>".encode()),
    "broken": ("text/html; charset=utf-8", b"<title>a\xffb \xe2\x82 c</title>"),
    "xml": ("application/xml", "<?xml version='1.0' encoding='iso-8859-15'?><r><title>10 €</title></r>".encode("iso-8859-15")),
    "sniff": ("", b"<html><title>no type</title></html>"),
    "plain": ("text/plain; charset=utf-8", "just tëxt".encode()),
    "xhtml": ("application/xhtml+xml", b"<html xmlns='http://www.w3.org/1999/xhtml'><head><title>xh</title></head></html>"),
    "jsontype": ("application/vnd.api+json", b'{"title": "j"}'),
    "octet": ("application/octet-stream", b"\x00\x01\x02binary"),
    "nul": ("text/html", b"<title>a\x00b</title>"),
}


def charset(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    kind, body = CHARSETS[rest[0]]
    return SiteResponse(body=body, content_type=kind)


def feed(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    if rest[0] == "rss.xml":
        nodes = "".join(
            f"<item><title>News {i} &amp; more</title><link>/quotes/page/{i}/</link><media:thumb url='/media/{i % 3}.png'/>"
            f"<description><![CDATA[<b>bold {i}</b>]]></description></item>"
            for i in range(1, 5)
        )
        text = f"<?xml version='1.0' encoding='UTF-8'?><rss xmlns:media='http://m.example/ns'><channel><title>T</title>{nodes}</channel></rss>"
        return SiteResponse(body=text.encode(), content_type="application/rss+xml")
    rows = ["id;name;price", "1;'Widget; large';9,50", "2;Gadget é;3", "3;short", "4;Nut;1;extra", "5;Bolt;2", ""]
    if rest[0] == "comma.csv":
        rows = ["id,name,price", '1,"Widget, large",9.50', '2,"Quote ""x""",3', "", "5,Bolt,2"]
    return SiteResponse(body="\r\n".join(rows).encode(), content_type="text/csv; charset=utf-8")


def calendar(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    month = int(request.query.get("m", "0"))
    links = f'<a rel="prev" href="/calendar?m={month - 1}">«</a><a rel="next" href="/calendar?m={month + 1}">»</a>'
    days = "".join(f'<a class="day" href="/calendar/day?d={month * 2 + i}">{i}</a>' for i in range(2))
    return page(f"<h1>Month {month}</h1>{links}{days}", f"Month {month}") if not rest else page(f"<h1>Day {request.query['d']}</h1>")


def headers(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return as_json({"target": request.target, "referer": request.headers.get("referer")})


def echo(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return as_json({"method": request.method, "body": request.body.decode("latin-1"), "type": request.headers.get("content-type")})


def auth(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    wanted = "Basic " + base64.b64encode(b"user:pass").decode()
    if request.headers.get("authorization") == wanted:
        return page("<p>welcome</p>", "in")
    return page("who are you?", status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))


def cached(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    visits.counts[request.target] += 1
    rules = {
        "fresh": [("Cache-Control", "max-age=3600")],
        "etag": [("ETag", '"v1"'), ("Cache-Control", "no-cache")],
        "modified": [("Last-Modified", "Mon, 05 Jan 2026 00:00:00 GMT"), ("Cache-Control", "max-age=0")],
        "nostore": [("Cache-Control", "no-store")],
        "plain": [],
        "error": [],
    }[rest[0]]
    if request.headers.get("if-none-match") == '"v1"' or "if-modified-since" in request.headers:
        return SiteResponse(status=304, headers=rules)
    code = 404 if rest[0] == "error" else 200
    return page(f"<p>{rest[0]} {visits.counts[request.target]}</p>", rest[0], headers=tuple(rules), status=code)


LINKS = """<html><head><base href="/links/base/"><title>Links</title></head><body>
<a href="one.html">one</a> <a href="one.html#frag">one again</a> <a href="  two.html ">two</a> <a href="../up.html">up</a>
<a href="/headers?b=2&amp;a=1">query</a> <a href="/headers?a=1&amp;b=2">same query</a> <a href="three%20four.html">esc</a>
<a href="mailto:x@example.com">m</a> <a href="javascript:void(0)">j</a> <a href="tel:1">t</a> <a href="">empty</a> <a name="none">n</a>
<a href="pic.jpg">pic</a> <a href="doc.pdf">doc</a> <a href="five.html" rel="nofollow">nofollow</a> <area href="area.html">
<a href="é.html?q=ü">iri</a> <a href="http://127.0.0.2:%(port)s/headers?off">off</a> <a href="//127.0.0.1:%(port)s/links/rel.html">rel</a>
<a href="HTTP://127.0.0.1:%(port)s/links/upper.html">up</a> <a href="?only=query">q</a> <a href="#top">top</a> <a href="a;p=1?x=[1]">odd</a>
<div class="main"><a href="main1.html">m1 <b>bold</b></a><a href="main2.html">m2</a></div><link href="style.css"><a href="six.html
">newline</a> <a href="/links/private.html">p</a></body></html>"""


def links(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    port = request.headers["host"].rpartition(":")[2]
    if request.path == "/links/":
        return SiteResponse(body=LINKS.replace("%(port)s", port).encode())
    return page(f"<h1>{escape(request.target)}</h1>", "Leaf")


def forms(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page(
        '<form name="get" action="/echo?old=1"><input name="q" value="a b"><input name="empty"><button name="b" value="1">go</button></form>'
        '<form id="many" method="POST" action="/echo"><select name="s" multiple><option selected>1<option selected value="2">x<option>3</select>'
        '<select name="first"><option>f1<option>f2</select><input type="file" name="f"><input type="number" name="n" value="5">'
        '<button type="button" name="no" value="no">n</button><button name="yes" value="y">y</button><textarea name="t"> two\nlines </textarea>'
        '<input name="é" value="ü&quot;"></form><form class="weird" method="put" action="/echo"><input name="w" value="1"></form>'
        '<form id="noaction" method="post"><input name="z" value="1"></form>'
    )


def private(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    return page("not for robots")


ROBOTS = """User-agent: *
Disallow: /private/
Allow: /private/open
Disallow: /links/private.html
Sitemap: /sitemap-index.xml

User-agent: badbot
Disallow: /
"""


def robots(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    port = request.headers["host"].rpartition(":")[2]
    text = ROBOTS.replace("Sitemap: ", f"Sitemap: http://127.0.0.1:{port}")
    return SiteResponse(body=text.encode(), content_type="text/plain")


def urlset(base: str, paths: list[str], kind: str = "url") -> bytes:
    ns = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    outer = {"url": "urlset", "sitemap": "sitemapindex"}[kind]
    entries = "".join(
        f"<{kind}><loc> {base}{path} </loc><lastmod>20{10 + i}-01-01</lastmod>"
        + (f'<xhtml:link rel="alternate" hreflang="de" href="{base}{path}?lang=de"/>' if kind == "url" else "")
        + f"</{kind}>"
        for i, path in enumerate(paths)
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><{outer} {ns}>{entries}</{outer}>'.encode()


def sitemap(visits: Visits, request: SiteRequest, rest: list[str]) -> SiteResponse:
    base = f"http://{request.headers['host']}"
    name = request.path
    if name == "/sitemap-index.xml":
        return SiteResponse(
            body=urlset(base, ["/sitemap-books.xml.gz", "/sitemap-quotes.xml", "/sitemap-old.xml", "/sitemap-list.txt"], "sitemap"),
            content_type="application/xml",
        )
    if name == "/sitemap-books.xml.gz":
        body = gzip.compress(urlset(base, [f"/books/{('travel', 'mystery')[i % 2]}/book_{i}.html" for i in range(6)]), mtime=0)
        return SiteResponse(body=body, content_type="application/x-gzip")
    if name == "/sitemap-quotes.xml":
        return SiteResponse(body=urlset(base, ["/quotes/page/1/", "/quotes/page/2/", "/author/Ada-Lovelace/"]), content_type="text/xml")
    if name == "/sitemap-list.txt":
        return SiteResponse(body=f"{base}/quotes/page/3/\n{base}/quotes/page/4/\n".encode(), content_type="text/plain")
    return SiteResponse(body=urlset(base, ["/quotes/page/5/"]), content_type="application/xml")


ROUTES: dict[str, Handler] = {
    "quotes": quotes, "author": author, "books": books, "media": media, "files": files, "login": login, "account": account,
    "logout": logout, "cookies": cookies, "api": api, "redirect": redirect, "refresh": refresh, "status": status,
    "flaky": flaky, "enc": encoded, "charset": charset, "feed": feed, "calendar": calendar, "headers": headers, "echo": echo,
    "auth": auth, "cached": cached, "links": links, "forms": forms, "private": private, "robots.txt": robots,
}  # fmt: skip


class Site:
    """The function that answers, with its memory."""

    def __init__(self) -> None:
        self._visits = Visits()

    def __call__(self, request: SiteRequest) -> SiteResponse:
        if request.path == "/_reset":
            self._visits = Visits()
            return as_json("ok")
        if request.path == "/_log":
            return as_json(self._visits.log)
        self._visits.log.append(
            {
                "method": request.method,
                "url": f"http://{request.headers.get('host')}{request.target}",
                "headers": request.headers,
                "body": request.body.decode("latin-1"),
            }
        )
        first, *rest = request.path[1:].split("/")
        if first.startswith("sitemap"):
            return sitemap(self._visits, request, rest)
        handler = ROUTES.get(first)
        try:
            return handler(self._visits, request, [part for part in rest if part]) if handler else not_found()
        except (KeyError, ValueError, IndexError):
            return not_found()


def main() -> None:
    with SiteServer(Site(), hosts=HOSTS, port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
