"""`python -m unigate` is `unigate`."""

import sys

from unigate.cli import main

sys.exit(main())
