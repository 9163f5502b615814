"""AutoThrottle's rule, pure: how a slot's delay follows the latency of its site.

Source: Scrapy's documentation, topic "AutoThrottle extension", section "Throttling algorithm".
"""

from __future__ import annotations


def next_delay_s(
    delay_s: float,
    latency_s: float,
    status: int,
    target_concurrency: float,
    min_delay_s: float,
    max_delay_s: float,
) -> float:
    """The delay after a response.

    A site that answers in ``latency_s`` is busy with ``target_concurrency`` requests at a time when they are
    ``latency_s / target_concurrency`` apart. The delay goes half of the way there, and never stays below: a site that
    slows down is relieved at once. A response that is not a 200 may be quick because it is an error: it can only make
    the delay longer.

    Args:
        delay_s: the slot's delay now.
        latency_s: from sending the request to the response's headers.
        status: of the response.
        target_concurrency: > 0; requests that shall be in parallel, on average.
        min_delay_s, max_delay_s: what the delay is kept between.
    """
    target_s = latency_s / target_concurrency
    wanted_s = max(target_s, (delay_s + target_s) / 2.0)
    clamped_s = min(max(min_delay_s, wanted_s), max_delay_s)
    if status != 200 and clamped_s <= delay_s:
        return delay_s
    return clamped_s
