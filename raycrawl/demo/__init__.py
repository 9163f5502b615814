"""``raycrawl demo``: a small shop, generated and served on loopback, and the spider that crawls it."""
