"""One short script per DVC stage: reads inputs, calls `pipelines`, writes outputs."""

import sys

from pipelines.core import stopping

if sys.argv[0] == "-m":  # a stage starts; before its imports, which take seconds
    stopping.in_one_line()
