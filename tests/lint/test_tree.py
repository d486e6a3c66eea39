# SPDX-License-Identifier: Apache-2.0
"""The project keeps its own rules."""

import os

import pytest

import rules

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def tree():
    files = rules.read_tree(ROOT)
    assert "gateway/pipeline/event.h" in files, "the tree was not found"
    return files


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, tree):
    findings = rule(tree)
    assert not findings, "\n" + "\n".join(findings)
