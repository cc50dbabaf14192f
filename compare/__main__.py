"""grove compare: a program bare and under grove, side by side.

The launcher executes this folder: python3 -I -B FOLDER LAUNCHER arguments
"""
import sys

if sys.version_info < (3, 9):
    sys.stderr.write("grove: compare: needs Python 3.9 or newer; python3 is %d.%d, install a newer one\n" % sys.version_info[:2])
    sys.exit(126)

import cli  # noqa: E402: what it imports is written for 3.9

sys.exit(cli.main(sys.argv[1], sys.argv[2:]))
