"""What encoding a body is in when nothing says so."""

from __future__ import annotations


def infer_encoding(body: bytes) -> str:
    """The encoding that ``body`` looks like: UTF-8 when it is valid UTF-8 beyond ASCII, else windows-1252.

    A body of ASCII alone is windows-1252 too, as browsers have it.
    Source: https://html.spec.whatwg.org/#determining-the-character-encoding
    """
    if body.isascii():
        return "cp1252"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
