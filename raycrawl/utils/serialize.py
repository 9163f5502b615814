"""JSON for values that items and requests hold: dates, decimals, sets, items, requests and responses."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

from itemadapter import ItemAdapter, is_item


class ScrapyJSONEncoder(json.JSONEncoder):
    """A JSONEncoder that also takes dates and times (ISO 8601), Decimal (text), sets (lists), items, requests."""

    def default(self, o: Any) -> Any:
        if isinstance(o, (datetime.datetime, datetime.date, datetime.time)):
            return o.isoformat()
        if isinstance(o, decimal.Decimal):
            return str(o)
        if isinstance(o, (set, frozenset)):
            return list(o)
        if is_item(o):
            return ItemAdapter(o).asdict()
        return self._framework_object(o)

    def _framework_object(self, o: Any) -> Any:
        from raycrawl.http import Request, Response

        if isinstance(o, Request):
            return f"<{type(o).__name__} {o.method} {o.url}>"
        if isinstance(o, Response):
            return f"<{type(o).__name__} {o.status} {o.url}>"
        return super().default(o)
