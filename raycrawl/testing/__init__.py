"""What tests of crawlers need, shipped: a clock that tests move, and web sites that misbehave by name."""

from __future__ import annotations

from raycrawl.testing.clock import ManualClock
from raycrawl.testing.misbehaviours import misbehaving_site
from raycrawl.testing.server import Hit, SiteRequest, SiteResponse, SiteServer

__all__ = ["Hit", "ManualClock", "SiteRequest", "SiteResponse", "SiteServer", "misbehaving_site"]
