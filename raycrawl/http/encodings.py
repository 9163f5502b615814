"""What encoding a body is in when nothing says so."""

from __future__ import annotations

from w3lib.encoding import resolve_encoding

# What the web uses beside UTF-8 and windows-1252 (https://encoding.spec.whatwg.org/#names-and-labels). windows-1250 is
# left out: statistics take Western text for it.
_CANDIDATES = [
    "cp1252", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "shift_jis", "euc_jp", "gb18030", "big5",
    "euc_kr", "tis_620",
]  # fmt: skip
_DEFAULT = "cp1252"
_SAMPLE_BYTES = 8192
# With fewer bytes beyond ASCII than this, statistics are a guess; a pound sign or an accent is more likely.
_MIN_EVIDENCE = 8
_ASCII_BYTES = bytes(range(128))


def infer_encoding(body: bytes) -> str:
    """The encoding that ``body`` looks like.

    UTF-8 when it is valid UTF-8 beyond ASCII; else what the frequencies of its letters say, when there are enough; else
    windows-1252, as browsers have it, which is also the answer for ASCII alone.
    Source: https://html.spec.whatwg.org/#determining-the-character-encoding
    """
    if body.isascii():
        return _DEFAULT
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return _by_statistics(body[:_SAMPLE_BYTES])
    return "utf-8"


def _by_statistics(sample: bytes) -> str:
    if len(sample) == _SAMPLE_BYTES:
        # Do not end in the middle of a character.
        sample = sample[: max(sample.rfind(b"<"), sample.rfind(b" "), sample.rfind(b"\n")) + 1] or sample
    if len(sample.translate(None, _ASCII_BYTES)) < _MIN_EVIDENCE:
        return _DEFAULT
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    return str(resolve_encoding(best.encoding) or _DEFAULT) if best is not None else _DEFAULT
