"""The decisions: pure code that takes events and returns commands, without clock, network or Ray."""
