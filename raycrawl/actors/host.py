"""What Ray makes an actor of: a small class that loads the plain one in its own process and passes calls on.

Ray wraps every method of an actor's class, also those that only the actor itself calls, and the plain ones are called
for each link: behind a host they stay as they are. And a process imports only what its own kind of actor needs, which
is half of the CPU that a process costs beside Ray's own part.
"""

from __future__ import annotations

import importlib
from typing import Any

# kind -> (title in the process list, module of the plain class of that name)
PLAIN = {
    "engine": ("ExecutionEngine", "raycrawl.actors.engine"),
    "scheduler": ("Scheduler", "raycrawl.actors.scheduler"),
    "downloader": ("Downloader", "raycrawl.actors.downloader"),
    "scraper": ("Scraper", "raycrawl.actors.scraper"),
    "pipeline": ("ItemPipeline", "raycrawl.actors.itempipeline"),
    "sink": ("FeedSink", "raycrawl.actors.feedsink"),
}


def plain_class(kind: str) -> Any:
    """The plain class of a kind of actor."""
    title, module = PLAIN[kind]
    return getattr(importlib.import_module(module), title)


class ActorHost:
    """Holds one plain actor. ``call`` is every message; ``health`` answers in a concurrency group of its own."""

    def __init__(self, kind: str, *args: Any) -> None:
        self.plain = plain_class(kind)(*args)

    async def call(self, method: str, *args: Any) -> Any:
        """Passes a message on."""
        return await getattr(self.plain, method)(*args)

    async def health(self) -> Any:
        """The plain actor's pulse."""
        return self.plain.health()
