"""Storing a file on an FTP server with the standard library's client."""

from __future__ import annotations

import ftplib
import posixpath
from typing import IO


def store_file(
    file: IO[bytes],
    *,
    host: str,
    port: int,
    username: str,
    password: str,
    path: str,
    tls: bool = False,
    active: bool = False,
    append: bool = False,
) -> None:
    """Upload ``file`` as ``path``, making its directories.

    Replacing is done under a temporary name and a rename, appending with APPE, which not every server has.

    Raises:
        ftplib.Error, OSError: the server refused or was lost.
    """
    client: ftplib.FTP = ftplib.FTP_TLS() if tls else ftplib.FTP()
    with client:
        client.connect(host, port, timeout=60)
        client.login(username, password)
        if isinstance(client, ftplib.FTP_TLS):
            client.prot_p()
        client.set_pasv(not active)
        directory, name = posixpath.split(path)
        _make_directories(client, directory)
        if append:
            client.storbinary(f"APPE {name}", file)
            return
        temporary = f".{name}.tmp"
        client.storbinary(f"STOR {temporary}", file)
        client.rename(temporary, name)


def _make_directories(client: ftplib.FTP, directory: str) -> None:
    if directory.startswith("/"):
        client.cwd("/")
    for part in directory.strip("/").split("/"):
        if not part:
            continue
        try:
            client.cwd(part)
        except ftplib.error_perm:
            client.mkd(part)
            client.cwd(part)
