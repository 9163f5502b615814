"""One Downloader's work on a page, without Ray: the default downloader middlewares and the HTTP handler.

The server runs in a process of its own and costs this one nothing; what is printed is the CPU time of this process
divided by the pages, and pages per second of wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path

from raycrawl.core.downloader.handlers import DownloadHandlers
from raycrawl.core.downloader.middleware import DownloaderMiddlewareManager
from raycrawl.http import Request
from raycrawl.utils.test import get_crawler

# 16 KB of HTML with 32 links, over keep-alive; answers as many requests as arrive together.
_SERVER = """
import asyncio, ssl, sys
link = b'<p>Some words about page %d, and <a href="/page/%d">a link</a>.</p>'
body = b"<!doctype html><html><head><title>page</title></head><body>"
body += b"".join(link % (i, i) for i in range(32))
body += b"<p>" + b"lorem ipsum " * 2000
body = body[:16384 - 18] + b"</p></body></html>"
head = b"HTTP/1.1 200 OK\\r\\nServer: bench\\r\\nDate: Fri, 20 Nov 2026 10:00:00 GMT\\r\\n"
head += b"Content-Type: text/html; charset=utf-8\\r\\nConnection: keep-alive\\r\\n"
head += b"Content-Length: %d\\r\\n\\r\\n" % len(body)
answer = head + body
class Server(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(answer * data.count(b"\\r\\n\\r\\n"))
async def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""
_TARGET_MS = 0.35


async def _measure(url: str, pages: int, concurrency: int) -> tuple[float, float]:
    crawler = get_crawler(
        settings_dict={"ROBOTSTXT_OBEY": False, "LOG_LEVEL": "INFO", "DOWNLOAD_VERIFY_CERTIFICATES": False}
    )
    handlers = DownloadHandlers(crawler)
    chain = DownloaderMiddlewareManager.from_crawler(crawler)
    left = iter(range(pages))

    async def work() -> None:
        for number in left:
            request = Request(f"{url}/page/{number}", meta={"is_start_request": True})
            response = await chain.download_async(handlers.download_request_async, request)
            assert response.status == 200

    cpu_s, wall_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await handlers.close()
    return cpu_s / pages * 1000, pages / wall_s


def main(argv: list[str]) -> int:
    """Print ms of CPU a page; 1 when it is more than the target."""
    parser = argparse.ArgumentParser(prog="downloader", description=__doc__)
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--tls", type=Path, help="a PEM file with key and certificate: measure https")
    options = parser.parse_args(argv)
    command = [sys.executable, "-c", _SERVER, *([str(options.tls)] if options.tls else [])]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        url = f"{'https' if options.tls else 'http'}://127.0.0.1:{port}"
        try:
            import uvloop

            run = uvloop.run
        except ImportError:
            run = asyncio.run
        run(_measure(url, 200, options.concurrency))
        cpu_ms, rate = run(_measure(url, options.pages, options.concurrency))
    finally:
        server.terminate()
        server.wait()
    print(f"downloader: {cpu_ms:.3f} ms CPU a page, {rate:.0f} pages/s (target {_TARGET_MS} ms)")
    return 0 if cpu_ms <= _TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
