"""Function workers: one parent that keeps the leases and runs no user code, and children that run the functions."""
