"""On what a Scraper worked when it died, or why it does not answer: read from its black box, on its own node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raycrawl.actors.channel import PeerDied
from raycrawl.actors.guard import _STEP, GRACE_S, IDLE, TIMED_OUT, TRACEBACK_AT

if TYPE_CHECKING:
    from raycrawl.actors.crew import Crew, Member

TRACEBACK_LINES = 30
ASK_TIMEOUT_S = 2.0
_OUR_FRAME = "in _steps"  # of raycrawl.actors.guard: what lies above it is the callback


@dataclass(frozen=True, slots=True)
class Testimony:
    """What a black box says.

    ``page_id`` had the CPU (empty: no page, or nobody knows), for ``age_s`` seconds by now; ``is_timeout``: the process
    was ended for it. ``traceback`` says where it was. ``is_stopped``: the process is gone, or stopped by a signal.
    """

    page_id: bytes = b""
    age_s: float = 0.0
    is_timeout: bool = False
    traceback: str = ""
    is_stopped: bool = True


def examine(path: str, pid: int, *, discard: bool) -> Testimony:
    """Reads the box of a process of this node; ``discard`` when the process is gone and nobody will ask again."""
    try:
        raw = Path(path).read_bytes()
    except OSError:
        return Testimony(is_stopped=_is_stopped(pid))
    if discard:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    state, begun_s, page_id = _STEP.unpack_from(raw)
    if state == IDLE:
        return Testimony(is_stopped=_is_stopped(pid))
    text = raw[TRACEBACK_AT:].decode("utf-8", "replace")
    is_timeout = state == TIMED_OUT or text.startswith("Timeout (")
    return Testimony(
        page_id.rstrip(b"\0") if page_id.startswith(b"start\0") else page_id,
        time.monotonic() - begun_s,
        is_timeout,
        _of_callback(text),
        _is_stopped(pid),
    )


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "TtZX"


def _of_callback(text: str) -> str:
    """The part of a traceback of all threads that shows the callback, the innermost frame first."""
    for block in text.split("\n\n"):
        head, found, _ = block.partition(_OUR_FRAME)
        if found:
            return "\n".join(head.splitlines()[1:-1][:TRACEBACK_LINES])
    return ""


async def testimony(crew: Crew, name: str, *, discard: bool) -> Testimony:
    """The testimony of a member's box, read here or by another actor of its node."""
    member = crew.member(name)
    if member is None or not member.box:
        return Testimony(is_stopped=False) if member is not None and not discard else Testimony()
    if member.node == os.uname().nodename:
        return examine(member.box, member.pid, discard=discard)
    neighbour = next((peer for peer in crew.everyone() if peer != name and _is_beside(crew.member(peer), member)), "")
    if not neighbour:
        return Testimony()
    try:
        answer = crew.call(neighbour, "examine", member.box, member.pid, discard)
        found: Testimony = await asyncio.wait_for(answer, ASK_TIMEOUT_S)
    except (PeerDied, TimeoutError):
        return Testimony()
    return found


def _is_beside(other: Member | None, member: Member) -> bool:
    return other is not None and other.is_open and other.node == member.node


def is_computing(found: Testimony, timeout_s: float) -> bool:
    """True: it does not answer because a callback keeps it, within its time."""
    return bool(found.page_id) and not found.is_stopped and found.age_s < timeout_s + 3 * GRACE_S
