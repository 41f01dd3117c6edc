"""Measurements of the promises with numbers: ``scripts/bench``. Nothing here is a test, and no test is timed."""
