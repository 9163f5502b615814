"""The extensions that raycrawl brings; ``EXTENSIONS_BASE`` says which are on by default."""
