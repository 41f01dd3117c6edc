"""The agent of a GPU host, in the foreground: what its unit file and its container start."""

from __future__ import annotations

import sys

from clearq.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["agent", "daemon", "--foreground", *sys.argv[1:]]))
