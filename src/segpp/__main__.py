"""``python -m segpp`` is ``segpp``."""

import sys

from segpp.cli import main

sys.exit(main())
