"""The benches' web sites: static files in a directory, served on loopback by nginx, or by asyncio where there is none.

Either server is a process of its own and writes one line a request, ``TIME HOST URI STATUS``, TIME being seconds with
three decimals when the request was logged: the clock that all benches go by.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_TIMEOUT_S = 20.0
_WORDS = ("crawl", "page", "spider", "queue", "slot", "lease", "frontier", "domain", "link", "item", "price", "stock")


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A line of the server's log."""

    time_s: float
    host: str
    uri: str
    status: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and its log."""

    kind: str
    port: int
    log: Path
    pid: int

    def requests(self) -> list[LoggedRequest]:
        """Every request so far, in the order of the log."""
        requests = []
        for line in self.log.read_text(encoding="latin-1").splitlines():
            time_s, host, uri, status = line.split(" ")
            requests.append(LoggedRequest(float(time_s), host, uri, int(status)))
        return requests

    def mark(self) -> int:
        """How many requests are in the log now."""
        return len(self.requests())


def write_linked_site(directory: Path, pages: int, links: int = 32, page_nbytes: int = 16 * 1024) -> None:
    """``/p/0.html`` .. : every page links to ``links`` others; all are reachable from 0 (a tree of 8, the rest random).

    Nothing links to 0: Scrapy does not filter start requests, and would fetch it twice.
    """
    rng = random.Random(20)
    (directory / "p").mkdir(parents=True)
    (directory / "robots.txt").write_text("User-agent: *\nAllow: /\nDisallow: /private/\n", encoding="ascii")
    for number in range(pages):
        children = [n for n in range(number * 8 + 1, number * 8 + 9) if n < pages]
        others = [rng.randrange(min(1, pages - 1), pages) for _ in range(links - len(children))]
        (directory / "p" / f"{number}.html").write_text(_page(number, children + others, page_nbytes, rng), "ascii")


def _page(number: int, linked: Sequence[int], nbytes: int, rng: random.Random) -> str:
    head = f"<!DOCTYPE html>\n<html><head><title>Page {number}</title></head>\n<body><h1>Page {number}</h1>\n<ul>\n"
    items = "".join(f'<li class="link"><a href="/p/{other}.html">page {other}</a></li>\n' for other in linked)
    parts = [head, items, "</ul>\n"]
    size = sum(map(len, parts))
    while size < nbytes - 400:
        text = " ".join(rng.choices(_WORDS, k=40))
        parts.append(f'<div class="row"><p>{text}</p><span>{rng.randrange(10**6)}</span></div>\n')
        size += len(parts[-1])
    parts.append("</body></html>\n")
    return "".join(parts)


def write_polite_site(directory: Path, per_host: int) -> None:
    """``/0.html`` links to ``/1.html`` .. on the same host: ``per_host`` pages of one host."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "robots.txt").write_text("User-agent: *\nAllow: /\n", encoding="ascii")
    links = "".join(f'<a href="/{number}.html">{number}</a>\n' for number in range(1, per_host))
    for number in range(per_host):
        body = links if number == 0 else "<p>nothing more</p>"
        (directory / f"{number}.html").write_text(f"<html><title>{number}</title>{body}</html>", encoding="ascii")


@contextmanager
def serve(directory: Path, work: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> Iterator[Server]:
    """Serve ``directory`` on a free port of all ``hosts`` (loopback) until the block ends."""
    port = _free_port()
    log = work / "access.log"
    log.touch()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    command = (
        _nginx_command(nginx, directory, work, hosts, port)
        if nginx
        else [sys.executable, "-m", "tests.bench.site", str(directory), str(log), str(port), *hosts]
    )
    with (work / "server.out").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, hosts[-1], port, work / "server.out")
        yield Server("nginx" if nginx else "asyncio", port, log, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=READY_TIMEOUT_S)


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, port: int, output: Path) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the site's server did not start:\n{output.read_text(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _nginx_command(nginx: str, directory: Path, work: Path, hosts: Sequence[str], port: int) -> list[str]:
    listens = "\n".join(f"listen {host}:{port} backlog=1024;" for host in hosts)
    user = "user root;" if os.geteuid() == 0 else ""  # the files' directory is private to us
    config = f"""
        {user}
        daemon off;
        worker_processes 1;
        pid {work}/nginx.pid;
        error_log {work}/error.log;
        events {{ worker_connections 4096; }}
        http {{
            types {{ text/html html; text/plain txt; }}
            log_format bench '$msec $server_addr $request_uri $status';
            access_log {work}/access.log bench;
            keepalive_requests 10000000;
            open_file_cache max=100000 inactive=600s;
            sendfile on;
            tcp_nopush on;
            client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
            uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
            server {{
                {listens}
                root {directory};
            }}
        }}
        """
    path = work / "nginx.conf"
    path.write_text(textwrap.dedent(config), encoding="ascii")
    return [nginx, "-e", str(work / "error.log"), "-p", str(work), "-c", str(path)]


class _FileServer(asyncio.Protocol):
    """HTTP/1.1 GET with keep-alive and pipelining, from memory: as little Python a request as there can be."""

    def __init__(self, answers: dict[bytes, bytes], log: list[str]) -> None:
        self._answers = answers
        self._log = log
        self._held = b""
        self._host = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host = transport.get_extra_info("sockname")[0]

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            target = self._held[: self._held.find(b"\r\n")].split(b" ")[1]
            self._held = self._held[end + 4 :]
            answer = self._answers.get(target)
            self._log.append(
                f"{time.time():.3f} {self._host} {target.decode('latin-1')} {404 if answer is None else 200}"
            )
            self._transport.write(answer or b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def _answers(directory: Path) -> dict[bytes, bytes]:
    """The whole HTTP answer for each target."""
    answers = {}
    for file in directory.rglob("*.*"):
        kind = b"text/html" if file.suffix == ".html" else b"text/plain"
        body = file.read_bytes()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        answers[b"/" + str(file.relative_to(directory)).encode()] = head + body
    return answers


async def _serve_files(answers: dict[bytes, bytes], log: Path, port: int, hosts: Sequence[str]) -> None:
    lines: list[str] = []
    loop = asyncio.get_running_loop()
    for host in hosts:
        await loop.create_server(lambda: _FileServer(answers, lines), host, port, backlog=1024)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with log.open("a", encoding="latin-1") as file:
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), timeout=0.2)
            except TimeoutError:
                pass  # time to write what has come in
            written, lines[:] = list(lines), []
            file.writelines(f"{line}\n" for line in written)
            file.flush()


if __name__ == "__main__":
    asyncio.run(_serve_files(_answers(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
