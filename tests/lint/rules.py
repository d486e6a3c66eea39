# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree, as pure functions: {path: text} in, findings out.

A finding is one line "path:line: what is wrong". test_tree.py runs every rule over the
project; test_rules.py shows each of them failing on a small wrong tree.
"""

import os
import re

SKIPPED_FOLDERS = {".git", "build", "data", "node_modules", "__pycache__", ".cache"}
TEXT_SUFFIXES = (".cc", ".h", ".py", ".mjs", ".proto", ".cmake", ".txt", ".md", ".yaml", ".yml",
                 ".json", ".sh", ".def")
TEXT_NAMES = ("dev", "run", "Dockerfile", ".clang-tidy", ".clang-format")


def read_tree(root):
    """Every text file of the project, by its path relative to `root`."""
    files = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in names:
            if not (name.endswith(TEXT_SUFFIXES) or name in TEXT_NAMES):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8", errors="replace") as file:
                files[os.path.relpath(path, root)] = file.read()
    return files


def is_cxx(path):
    return path.endswith((".cc", ".h"))


def is_test(path):
    return path.startswith("tests/")


def code_lines(text):
    """(number, line) with comments and string literals blanked: what the compiler acts on."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("#include"):
            line = re.sub(r'"(?:\\.|[^"\\])*"', '""', line)
        yield number, re.sub(r"//.*", "", line)


def grep(files, pattern, applies, message):
    """A finding for each line of code that matches `pattern` in a file that `applies`."""
    expression = re.compile(pattern)
    return [f"{path}:{number}: {message}"
            for path, text in sorted(files.items()) if applies(path)
            for number, line in code_lines(text) if expression.search(line)]


# ------------------------------------------------------------------ include graph

_MIDDLE = ["common", "common/metrics", "proto", "gateway/pipeline"]

# Folder -> the folders it may include, besides itself. What is not here has no place yet:
# a new folder is added on purpose.
ARROWS = {
    "common": [],
    "common/metrics": ["common"],
    "common/net": ["common", "common/metrics"],
    "proto": ["common"],
    "gateway/pipeline": ["common", "proto"],
    "gateway/config": _MIDDLE + ["common/net"],
    "gateway/normalize": _MIDDLE,
    "gateway/queue": _MIDDLE,
    "gateway/schedule": _MIDDLE,
    "gateway/settle": _MIDDLE,
    "gateway/control": _MIDDLE + ["common/net"],
    "gateway/observe": _MIDDLE + ["common/net"],
    "gateway/sandbox": _MIDDLE + ["common/net"],
    "gateway/ingest": _MIDDLE + ["common/net", "gateway/normalize"],
    "gateway/deliver": _MIDDLE + ["common/net", "gateway/schedule", "gateway/settle"],
    "gateway/app": ["*"],
    "gateway": ["gateway/app", "common"],  # main.cc
}

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def includes(text):
    for number, line in code_lines(text):
        match = _INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def include_arrows(files):
    """Includes go one way (CONTRIBUTING.md): a folder includes only folders before it."""
    findings = []
    for path, text in sorted(files.items()):
        if not is_cxx(path) or is_test(path):
            continue
        source = os.path.dirname(path)
        if source not in ARROWS:
            findings.append(f"{path}:1: folder {source} has no place in tests/lint/rules.py ARROWS")
            continue
        allowed = ARROWS[source]
        for number, target in includes(text):
            folder = os.path.dirname(target)
            if folder == source or folder in allowed or (allowed == ["*"] and
                                                         not is_test(target)):
                continue
            findings.append(f"{path}:{number}: {source} must not include {target}")
    return findings


def include_cycles(files):
    """No file includes itself by a detour."""
    graph = {path: [target for _, target in includes(text) if target in files]
             for path, text in files.items() if is_cxx(path)}
    findings, done = [], set()

    def visit(path, trail):
        if path in trail:
            findings.append(f"{path}:1: include cycle: "
                            + " -> ".join(trail[trail.index(path):] + [path]))
            return
        if path in done:
            return
        for target in graph.get(path, []):
            visit(target, trail + [path])
        done.add(path)

    for path in sorted(graph):
        visit(path, [])
    return findings


_HEAVY = {
    r"boost/beast": ("Beast", ("common/net/", "gateway/deliver/https",
                              "gateway/deliver/connection")),
    r"rocksdb/": ("RocksDB", ("gateway/queue/",)),
    r"simdjson": ("simdjson", ("gateway/normalize/",)),
}


def heavy_headers(files):
    """Beast, RocksDB and simdjson stay behind the folders that own them."""
    findings = []
    for pattern, (name, owners) in _HEAVY.items():
        findings += grep(
            files, rf"#\s*include\s*[<\"]{pattern}",
            lambda path: path.endswith(".h") and not is_test(path) and not path.startswith(owners),
            f"{name} in a header outside {', '.join(owners)}")
    return findings


def rocksdb_stays_in_the_queue(files):
    """EventQueue is the seam: nothing else of the product knows the store."""
    return grep(files, r"#\s*include\s*<rocksdb/|\brocksdb::",
                lambda path: is_cxx(path) and not is_test(path)
                and not path.startswith("gateway/queue/"),
                "RocksDB outside gateway/queue")


# -------------------------------------------------------------------- one place for it

def threads(files):
    """gateway/app creates every thread of the product, by name, through common::Thread."""
    outside = (lambda path: is_cxx(path) and not is_test(path)
               and not path.startswith(("gateway/app/", "common/thread.")))
    return (grep(files, r"\bstd::(?:jthread|async|thread\b(?!::(?:hardware_concurrency|id)))", outside,
                 "threads are created in gateway/app, through common::Thread")
            + grep(files, r'#\s*include\s*"common/thread\.h"', outside,
                   "threads are created in gateway/app")
            + grep(files, r"\.detach\(|\basio::detached\b", is_cxx,
                   "nothing is detached: somebody waits for it, or its failure is lost"))


COROUTINE_FILES = ("common/net/", "gateway/deliver/https", "gateway/deliver/connection",
                   "gateway/deliver/resolver")


def coroutines(files):
    """Callbacks at the seams; coroutines only where sockets are."""
    return grep(files, r"\bco_(?:await|return|yield)\b",
                lambda path: is_cxx(path) and not is_test(path)
                and not path.startswith(COROUTINE_FILES),
                "coroutines belong in common/net and gateway/deliver's transport")


# Every file where a key's text may be read, with the reason.
REVEALERS = {
    "common/secret.h": "defines it",
    "gateway/config/check.cc": "looks for keys that are used twice or look wrong",
    "gateway/control/tenant_snapshot.cc": "looks for keys that are used twice",
    "gateway/pipeline/tenant_view.cc": "indexes tenants by their keys",
    "gateway/deliver/segment_request.cc": "writes the key into the body for Segment",
    "gateway/deliver/https_message.cc": "writes the Authorization header",
    "gateway/deliver/pump.cc": "cuts the key out of an answer that quotes it",
}


def _stale_revealers(files):
    return [f"{path}:1: reveals nothing any more; take it off REVEALERS" for path in REVEALERS
            if path in files and "Reveal()" not in files[path]]


def revealed_secrets(files):
    """`Reveal()` only where REVEALERS says why."""
    return _stale_revealers(files) + grep(files, r"\bReveal\(",
                lambda path: is_cxx(path) and not is_test(path) and path not in REVEALERS,
                "Reveal() outside the list in tests/lint/rules.py REVEALERS")


# One poll with a deadline, and one span that is measured; everything else waits on what it
# waits for.
POLLERS = ("tests/integration/harness.py", "tests/bench/measure.py")


def sleeps(files):
    """A sleep hides a race; wait for the event, or advance the fake clock."""
    return grep(files, r"\bsleep_(?:for|until)\b|\b(?:u|nano)?sleep\s*\(",
                lambda path: path.endswith((".cc", ".h", ".py", ".mjs"))
                and path not in POLLERS and not path.startswith("tests/lint/"),
                "no sleeping")


# ------------------------------------------------------------------------ form of files

def spdx(files):
    """The first line (the second after #!) is the licence, and there is only one."""
    findings = []
    for path, text in sorted(files.items()):
        if not (path.endswith((".cc", ".h", ".py", ".mjs", ".proto", ".cmake"))
                or os.path.basename(path) in ("dev", "run", "Dockerfile")):
            continue
        first = [line for line in text.split("\n")[:2] if not line.startswith("#!")][0]
        if "SPDX-License-Identifier: Apache-2.0" not in first:
            findings.append(f"{path}:1: the first line must be the SPDX line")
    return findings


def pragma_once(files):
    """Every header is guarded."""
    return [f"{path}:1: no #pragma once" for path, text in sorted(files.items())
            if path.endswith(".h") and "\n#pragma once\n" not in text]


MAX_LINES = 600


def file_length(files):
    """A file that long has two subjects."""
    return [f"{path}:{MAX_LINES}: {text.count(chr(10))} lines, more than {MAX_LINES}"
            for path, text in sorted(files.items())
            if path.endswith((".cc", ".h", ".py", ".mjs")) and text.count("\n") > MAX_LINES]


def file_names(files):
    """snake_case, so that an include never depends on the file system's case."""
    return [f"{path}:1: file names are snake_case" for path in sorted(files)
            if is_cxx(path) and not re.fullmatch(r"[a-z0-9_]+\.(cc|h)", os.path.basename(path))]


# Written in halves, so that this file does not contain what it forbids.
FORBIDDEN = {
    r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b": "an unfinished mark",
    r"(?i)\bnot imple" r"mented\b": "unfinished",
    r"\bDISA" r"BLED_|\bGTEST_" r"SKIP|\bpytest\.(?:mark\.)?(?:skip|xfail)": "a test that does not run",
    r"EXPECT_TRUE\(tr" r"ue\)|\bSUCC" r"EED\(\)|^\s*assert Tr" r"ue$": "an assertion that cannot fail",
    r"(?<![\w./-])/(?:wo" r"rk|fa" r"rm|ro" r"ot|ho" r"me)/": "a path of one machine",
}


def forbidden_words(files):
    """Marks, idle tests and private paths do not land."""
    findings = []
    for path, text in sorted(files.items()):
        if path.endswith("package-lock.json"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            for pattern, what in FORBIDDEN.items():
                if re.search(pattern, line):
                    findings.append(f"{path}:{number}: {what}: {line.strip()[:80]}")
    return findings


# ------------------------------------------------------------------------------ build

def globs(files):
    """Sources are listed by hand: a file that is in the tree by accident is not built."""
    return [f"{path}:{number}: no GLOB" for path, text in sorted(files.items())
            if os.path.basename(path) == "CMakeLists.txt" or path.endswith(".cmake")
            for number, line in enumerate(text.split("\n"), 1)
            if re.match(r"\s*file\(\s*GLOB", line)]


def orphans(files):
    """Every .cc is named in a CMakeLists.txt, or nobody compiles it."""
    listed = {os.path.normpath(os.path.join(os.path.dirname(path), source))
              for path, text in files.items() if os.path.basename(path) == "CMakeLists.txt"
              for source in re.findall(r"[\w./-]+\.cc\b", text)}
    return [f"{path}:1: in no CMakeLists.txt" for path in sorted(files)
            if path.endswith(".cc") and path not in listed]


# Names in the ingest's sources that no client sees.
_NO_CODES = {"self_metrics", "in_flight"}


def documented_codes(files):
    """docs/answers.md has every code that a client can be answered, and no other."""
    page = files.get("docs/answers.md", "")
    documented = {code for line in page.split("\n") if line.startswith("|")
                  for code in re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`",
                                         "|".join(line.split("|")[1:3]))}
    answered = {}
    for path, text in sorted(files.items()):
        if not (path.startswith(("gateway/ingest/", "gateway/normalize/"))
                and path.endswith(".cc")) or path.endswith("sdk_settings.cc"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if path.endswith("_metrics.cc"):
                continue
            for code in re.findall(r'"([a-z]+(?:_[a-z0-9]+)+)"', line):
                answered.setdefault(code, f"{path}:{number}")
    return ([f"{where}: code {code} is not in docs/answers.md"
             for code, where in sorted(answered.items())
             if f"`{code}`" not in page and code not in _NO_CODES]
            + [f"docs/answers.md:1: nothing answers with {code}" for code in sorted(documented)
               if f'"{code}"' not in "".join(text for path, text in files.items()
                                             if path.startswith("gateway/"))])


RULES = (documented_codes, include_arrows, include_cycles, heavy_headers, rocksdb_stays_in_the_queue, threads,
         coroutines, revealed_secrets, sleeps, spdx, pragma_once, file_length, file_names,
         forbidden_words, globs, orphans)
