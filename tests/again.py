"""A few tests that failed in the full run, once more and alone: a fault, or a race on a busy machine?

`make test` ends here when tests have failed. Hundreds of services, terminals and servers run beside
one another in the full run; a test that fails there and passes alone has shown a race, in itself or
in the program. The first failure stays in the output, the race is named at the end as something to
be mended, and more than a few are a failure of the run: nothing is that unlucky.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 3
"""So many tests get a second try."""
CACHE = Path(".pytest_cache/v/cache/lastfailed")
TESTS_FAILED = 1
"""What pytest exits with when tests failed; everything else is no verdict on a test."""


def main(exit_code: int) -> int:
    """Decides what a full run that ended with `exit_code` comes to; gives the exit code of the whole."""
    if exit_code != TESTS_FAILED:
        return exit_code
    failed = sorted(json.loads(CACHE.read_text()))
    if not failed or len(failed) > MOST:
        return exit_code
    sys.stdout.write(f"\n{len(failed)} failed among the others; once more, alone:\n")
    sys.stdout.flush()
    done = subprocess.run([sys.executable, "-m", "pytest", *failed], check=False)
    if done.returncode:
        return done.returncode
    sys.stdout.write("\nA RACE TO BE MENDED: failed in the full run (above), passed alone:\n")
    sys.stdout.writelines(f"  {test}\n" for test in failed)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
