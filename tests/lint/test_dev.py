# SPDX-License-Identifier: Apache-2.0
"""./dev, the one entry, is sound and says what it can do."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEV = os.path.join(ROOT, "dev")


def run(*arguments):
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=False)


def script():
    with open(DEV, encoding="utf-8") as file:
        return file.read()


def test_shellcheck_finds_nothing():
    result = run("shellcheck", "dev", ".ci/run")
    assert result.returncode == 0, result.stdout


def test_alone_it_lists_every_verb():
    result = run(DEV)
    assert result.returncode == 0
    verbs = set(re.findall(r"^cmd_(\w+)\(\)", script(), flags=re.M))
    assert {"run", "test", "build", "check", "bench", "fuzz", "simulate", "fmt", "lint", "clean"} <= verbs
    for verb in verbs:
        assert re.search(rf"^  {verb}\b", result.stdout, flags=re.M), verb


def test_an_unknown_verb_is_refused():
    result = run(DEV, "dance")
    assert result.returncode == 2 and "usage" in result.stderr


def test_continuous_integration_runs_every_test():
    with open(os.path.join(ROOT, ".ci", "run"), encoding="utf-8") as file:
        assert re.search(r"^\./dev test$", file.read(), flags=re.M)
