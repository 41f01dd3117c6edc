"""``python -m clearq``."""

import sys

from clearq.cli.main import main

sys.exit(main())
