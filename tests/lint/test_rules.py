# SPDX-License-Identifier: Apache-2.0
"""Each rule accepts a right tree and finds what is wrong in a wrong one."""

import pytest

import rules

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def halves(*parts):
    """Joins what would be a finding in this file if it stood here in one piece."""
    return "".join(parts)


WRONG = [
    (rules.documented_codes, {"docs/answers.md": "| 400 | `one_code` |\n",
                              "gateway/ingest/a.cc": 'Refusal(400, "one_code"); "another_code"\n'}),
    (rules.documented_codes, {"docs/answers.md": "| 400 | `one_code`, `gone_code` |\n",
                              "gateway/normalize/a.cc": 'Problem{"one_code"}\n'}),
    (rules.include_arrows, {"gateway/queue/a.cc": '#include "gateway/schedule/b.h"\n'}),
    (rules.include_arrows, {"common/a.h": '#include "gateway/pipeline/event.h"\n'}),
    (rules.include_arrows, {"gateway/ingest/a.cc": '#include "gateway/queue/rocks_queue.h"\n'}),
    (rules.include_arrows, {"gateway/deliver/a.cc": '#include "gateway/app/application.h"\n'}),
    (rules.include_arrows, {"gateway/app/a.cc": '#include "tests/support/fake_clock.h"\n'}),
    (rules.include_arrows, {"gateway/novel/a.cc": "int x;\n"}),
    (rules.include_cycles, {"common/a.h": '#include "common/b.h"\n',
                            "common/b.h": '#include "common/c.h"\n',
                            "common/c.h": '#include "common/a.h"\n'}),
    (rules.heavy_headers, {"gateway/ingest/a.h": "#include <boost/beast/http.hpp>\n"}),
    (rules.heavy_headers, {"gateway/pipeline/a.h": "#include <rocksdb/db.h>\n"}),
    (rules.heavy_headers, {"common/a.h": "#include <simdjson.h>\n"}),
    (rules.rocksdb_stays_in_the_queue, {"gateway/app/a.cc": "rocksdb::DB* db;\n"}),
    (rules.threads, {"gateway/queue/a.cc": "std::thread t(f);\n"}),
    (rules.threads, {"gateway/queue/a.cc": "auto f = std::async(g);\n"}),
    (rules.threads, {"gateway/deliver/a.cc": '#include "common/thread.h"\n'}),
    (rules.threads, {"gateway/app/a.cc": "t.detach();\n"}),
    (rules.coroutines, {"gateway/settle/a.cc": "co_await Send(x);\n"}),
    (rules.revealed_secrets, {"gateway/observe/a.cc": "Log(key.Reveal());\n"}),
    (rules.revealed_secrets, {"gateway/deliver/pump.cc": "int x;\n"}),
    (rules.sleeps, {"tests/unit/queue/a_test.cc": halves("std::this_thread::sleep", "_for(1s);\n")}),
    (rules.sleeps, {"tests/integration/test_a.py": "time.sleep(1)\n"}),
    (rules.spdx, {"common/a.h": "#pragma once\n"}),
    (rules.spdx, {"dev": "#!/usr/bin/env bash\nset -e\n"}),
    (rules.pragma_once, {"common/a.h": SPDX + "int x;\n"}),
    (rules.file_length, {"common/a.cc": "\n" * (rules.MAX_LINES + 1)}),
    (rules.file_names, {"common/NotSnake.cc": ""}),
    (rules.forbidden_words, {"common/a.cc": halves("// TO", "DO: later\n")}),
    (rules.forbidden_words, {"README.md": halves("see /wo", "rk/main\n")}),
    (rules.forbidden_words, {"tests/a.cc": halves("TEST(A, DISA", "BLED_B) {}\n")}),
    (rules.forbidden_words, {"tests/a.cc": halves("EXPECT_TRUE(tr", "ue);\n")}),
    (rules.globs, {"common/CMakeLists.txt": "file(GLOB sources *.cc)\n"}),
    (rules.orphans, {"common/a.cc": "", "common/CMakeLists.txt": "gw_library(common SOURCES aa.cc)\n"}),
]

RIGHT = [
    (rules.documented_codes, {"docs/answers.md": "| 400 | `one_code` | why\n",
                              "gateway/ingest/a.cc": 'Refusal(400, "one_code");\n',
                              "gateway/ingest/a_metrics.cc": '"requests_total"\n'}),
    (rules.include_arrows, {"gateway/ingest/a.cc": '#include "gateway/normalize/n.h"\n',
                            "gateway/app/a.cc": '#include "gateway/queue/q.h"\n',
                            "gateway/main.cc": '#include "gateway/app/cli.h"\n',
                            "common/net/a.cc": '#include "common/net/b.h"\n',
                            "tests/unit/a_test.cc": '#include "gateway/app/application.h"\n'}),
    (rules.include_cycles, {"common/a.h": '#include "common/c.h"\n#include "common/b.h"\n',
                            "common/b.h": '#include "common/c.h"\n', "common/c.h": ""}),
    (rules.heavy_headers, {"common/net/a.h": "#include <boost/beast/http.hpp>\n",
                           "gateway/ingest/a.cc": "#include <boost/beast/http.hpp>\n"}),
    (rules.rocksdb_stays_in_the_queue, {"gateway/queue/a.cc": "rocksdb::DB* db;\n",
                                        "gateway/app/a.cc": "// not rocksdb::DB\n"}),
    (rules.threads, {"gateway/app/threads.cc": "std::thread t(f);\n",
                     "gateway/queue/a.cc": "auto id = std::this_thread::get_id();\n",
                     "gateway/config/a.cc": "n = std::thread::hardware_concurrency();\n"}),
    (rules.coroutines, {"common/net/a.cc": "co_await x;\n",
                        "gateway/deliver/https_transport.cc": "co_return;\n"}),
    (rules.revealed_secrets, {"gateway/deliver/segment_request.cc": "key.Reveal();\n",
                              "tests/unit/a_test.cc": "key.Reveal();\n",
                              "gateway/observe/a.cc": "// Reveal() is not for here\n"}),
    (rules.sleeps, {"tests/unit/a_test.cc": halves("clock.Advance(1s);  // no sleep", "_for\n")}),
    (rules.spdx, {"common/a.h": SPDX + "#pragma once\n",
                  "dev": "#!/usr/bin/env bash\n# SPDX-License-Identifier: Apache-2.0\n"}),
    (rules.pragma_once, {"common/a.h": SPDX + "#pragma once\n"}),
    (rules.file_length, {"common/a.cc": "\n" * rules.MAX_LINES}),
    (rules.file_names, {"common/net/http_server.cc": ""}),
    (rules.forbidden_words, {"README.md": "https://example.com/work/x and a network/farm/ word\n"}),
    (rules.globs, {"common/CMakeLists.txt": "# a GLOB would take any file\n"}),
    (rules.orphans, {"common/net/a.cc": "", "common/CMakeLists.txt": "SOURCES net/a.cc)\n",
                     "tests/support/b.cc": "",
                     "tests/unit/queue/CMakeLists.txt": "SOURCES ../../support/b.cc)\n"}),
]


def ids(cases):
    return [f"{rule.__name__}-{index}" for index, (rule, _) in enumerate(cases)]


@pytest.mark.parametrize("rule, files", WRONG, ids=ids(WRONG))
def test_finds_what_is_wrong(rule, files):
    findings = rule(files)
    assert findings
    assert findings[0].split(":")[0] in files


@pytest.mark.parametrize("rule, files", RIGHT, ids=ids(RIGHT))
def test_accepts_what_is_right(rule, files):
    assert rule(files) == []


def test_every_rule_is_shown_failing():
    assert {rule for rule, _ in WRONG} == set(rules.RULES)
    assert {rule for rule, _ in RIGHT} == set(rules.RULES)


def test_arrows_have_no_cycle():
    state = {}

    def visit(folder):
        assert state.get(folder) != "open", f"cycle through {folder}"
        if state.get(folder) == "done":
            return
        state[folder] = "open"
        for target in rules.ARROWS[folder]:
            if target != "*":
                visit(target)
        state[folder] = "done"

    for folder in rules.ARROWS:
        visit(folder)


def test_comments_and_strings_are_not_code():
    text = 'a; // std::thread\n/* std::thread\n std::thread */ b;\nLog("std::thread");\n'
    assert rules.threads({"gateway/queue/a.cc": text}) == []
    assert rules.threads({"gateway/queue/a.cc": text + "std::thread t;\n"}) == [
        "gateway/queue/a.cc:5: threads are created in gateway/app, through common::Thread"]
