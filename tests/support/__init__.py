"""Real parts for tests: servers, and later repositories and processes."""
