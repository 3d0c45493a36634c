"""`python -m lcodec.cli` is `lcodec`."""

import sys

from lcodec.cli import main

sys.exit(main())
