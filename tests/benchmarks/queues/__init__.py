"""clearq and its peers, measured in turn on one server: ``scripts/bench queues``."""
