"""A child: ``python -m clearq.worker <socket> <page> <parent>``; only a parent starts it."""

from __future__ import annotations

import sys

from clearq.worker.child import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
