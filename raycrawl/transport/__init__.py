"""How bytes reach the crawl: one download handler per URL scheme.

``http11`` is raycrawl's own HTTP/1.1 client, in layers that know nothing of each other's business: ``http1`` reads
responses (no I/O, no clock), ``connection`` is one socket, ``pool`` keeps idle sockets, ``connector`` opens new ones
(DNS, proxies, TLS, and the rule of ``addresses`` on where it may connect). ``aiohttp`` is an alternative client.
"""
