# SPDX-License-Identifier: Apache-2.0
"""Every C++ source looks as clang-format leaves it; ./dev fmt does that."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def sources():
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                           "*.cc", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True)
    # What is deleted and not committed yet is still listed.
    return [path for path in done.stdout.split("\0")
            if path and os.path.exists(os.path.join(ROOT, path))]


def test_clang_format_has_nothing_to_say():
    paths = sources()
    assert len(paths) > 100
    done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", *paths], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
