"""Cut the images in two: every third is kept for the test, the others are to learn from.

usage: prepare.py DIGITS.CSV.GZ TRAIN TEST
"""

import gzip
import sys
from pathlib import Path

lines = gzip.decompress(Path(sys.argv[1]).read_bytes()).decode().splitlines(keepends=True)
Path(sys.argv[2]).write_text("".join(line for n, line in enumerate(lines) if n % 3))
Path(sys.argv[3]).write_text("".join(lines[::3]))
