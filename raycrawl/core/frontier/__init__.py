"""The frontier of a shard, as a pure decision: read ``shard.Frontier`` first.

``shard`` owns states and counts, ``roster`` which slots are in memory and who is next, ``slots`` one slot and the order
of slots, ``leases`` who holds what, ``policy`` what it is told; the store is behind ``raycrawl.frontier.store``.
"""

from __future__ import annotations

from raycrawl.core.frontier.policy import FrontierCounts, FrontierPolicy, SlotPolicy
from raycrawl.core.frontier.shard import Frontier

__all__ = ["Frontier", "FrontierCounts", "FrontierPolicy", "SlotPolicy"]
