"""The shells around the core: one small class an actor; ``wiring.py`` alone turns them into Ray actors."""
