"""The pages of the commands say what the commands do: findings.md is the finding table, and every JSON key is on its page.

With RMQ_UPDATE=1 docs/tools/findings.md is written instead of compared.
"""
import collections
import os
import re
import unittest

from harness import Settings, dump, main, store, verify

STORES = ["base", "batch-inner", "broker-config", "broker-timer", "compaction", "compressed", "cq-ext", "crash-powerloss", "dledger", "dmg-cl-missing-middle",
          "dmg-cl-overlap", "dmg-cl-renamed", "dmg-cl-short", "dmg-config-offset-zeros", "dmg-cq-ahead-unit", "dmg-cq-tagscode",
          "dmg-index-cycle", "dmg-zero-page", "ha-epoch", "lmq", "rocksdb-cq"]
# Objects whose keys are names from the store or codes.
MAPS = {"properties", "findings", "readablePerQueue", "configLoaded"}
HEAD = """# Findings

Every code that `rmq-verify` can report, as `rmq-verify --explain CODE` tells it. A code never changes its meaning. The severity
is the usual one; a finding may be better or worse ([what the severities mean](rmq-verify.md#severities)).

The first two letters: `CL` commit log, `CQ` consume queues, `IX` index, `CK` checkpoint, `CF` files of `config/` and what they say, `TX` transactions, `PO` pop
consumption, `TM` the timer, `CM` the compaction store, `DL` the DLedger log, `HA` controller mode, `ST` the store.
"""


def page(name):
    with open(os.path.join(Settings.source, "docs", "tools", name), encoding="utf-8") as file:
        return file.read()


def keys_of(value, keys):
    if isinstance(value, dict):
        for key, inner in value.items():
            keys.add(key)
            if key not in MAPS:
                keys_of(inner, keys)
    elif isinstance(value, list):
        for inner in value:
            keys_of(inner, keys)


class Findings(unittest.TestCase):
    maxDiff = None

    def test_page_is_the_table(self):
        rows = verify("--explain", "all", "--json").rows("explanation")
        self.assertGreater(len(rows), 40)
        text = HEAD
        for row in rows:
            text += (f"\n## {row['code']}\n\n**{row['title'][0].upper()}{row['title'][1:]}.** Usually `{row['severity']}`.\n\n"
                     f"{row['meaning']}\n\n- Usual cause: {row['cause']}\n- What to do: {row['fix']}\n")
        if os.environ.get("RMQ_UPDATE"):
            with open(os.path.join(Settings.source, "docs", "tools", "findings.md"), "w", encoding="utf-8") as file:
                file.write(text)
            return
        self.assertEqual(page("findings.md"), text)

    def test_every_code_in_the_sources_is_explained(self):
        known = {row["code"] for row in verify("--explain", "all", "--json").rows()}
        folder = os.path.join(Settings.source, "libstore", "forensics")
        used = set()
        for name in os.listdir(folder):
            if name.endswith(".cc") and name != "finding_table.cc":
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    used |= set(re.findall(r'"((?:CL|CQ|IX|CK|CF|ST)-[A-Z0-9-]+)"', file.read()))
        self.assertGreater(len(used), 40)
        self.assertEqual(used - known, set())

    def test_explain(self):
        text = verify("--explain", "CL-DAMAGED").out
        self.assertTrue(text.startswith("CL-DAMAGED  "), text)
        self.assertIn("Usual cause: ", text)
        self.assertIn("What to do: ", text)
        self.assertEqual(verify("--explain", "cl-damaged").out, text)
        every = verify("--explain", "all").out
        self.assertIn(text, every)
        self.assertLessEqual(max(len(line) for line in every.splitlines()), 100)
        codes = [line.split()[0] for line in verify("--explain", "list").out.splitlines()]
        self.assertEqual(codes, sorted(codes))
        self.assertEqual(codes, [row["code"] for row in verify("--explain", "list", "--json").rows()])
        some = [row["code"] for row in verify("--explain", "IX-*,ST-ABORT", "--json").rows()]
        self.assertEqual(some, [code for code in codes if code.startswith("IX-") or code == "ST-ABORT"])


class Examples(unittest.TestCase):
    def test_examples_are_what_the_command_prints(self):
        for name in ("verify-damaged", "preflight-lost"):
            with open(os.path.join(Settings.source, "tests", "tools", "text", name + ".txt"), encoding="utf-8") as file:
                printed = file.read().rsplit("\n", 2)[0]
            with self.subTest(name=name):
                self.assertIn(printed, re.sub(r"\d\.\d s$", "N s", page("rmq-verify.md"), flags=re.M))


class JsonKeys(unittest.TestCase):
    def check(self, name, seen):
        text = page(name)
        sections = re.split(r"^## ", text, flags=re.M)
        everywhere = {"kind", "schema"} & set(re.findall(r"`([A-Za-z0-9]+)`", text))
        for kind, keys in sorted(seen.items()):
            names = {kind, "record"} if kind in ("cqUnit", "keyMiss") else {kind}
            told = set(everywhere)
            for section in sections:
                words = set(re.findall(r"`([A-Za-z0-9]+)`", section))
                if words & names:
                    told |= words
            with self.subTest(page=name, kind=kind):
                self.assertEqual(keys - told, set())

    def test_dump(self):
        seen = collections.defaultdict(set)
        for where in STORES:
            path = store(where)
            for arguments in (["log", "--join", "--hash", "--body", "base64"], ["log", "--stats=queue"], ["log", "--stats=tag"],
                              ["log", "--body", "hex", "-n", "2"], ["log", "--body", "text", "-n", "2"], ["cq", "--all", "--join"],
                              ["index"], ["index", "--chains"], ["state"], ["config"], ["msg", "0"], ["trace", "0"]):
                for row in dump(arguments[0], path, *arguments[1:], "--json").rows():
                    keys_of(row, seen[row["kind"]])
        for row in dump("key", store("base"), "key20", "--json").rows():
            keys_of(row, seen[row["kind"]])
        self.assertGreaterEqual(set(seen), {"record", "gap", "stats", "cqUnit", "indexHeader", "indexEntry", "indexChain", "commitLog",
                                            "processes", "checkpoint", "queue", "configFile", "topic", "group", "consumerOffset"})
        self.check("rmq-dump.md", seen)

    def test_verify(self):
        seen = collections.defaultdict(set)
        for where in STORES:
            path = store(where)
            for arguments in (["--level", "paranoid"], ["--preflight"], ["--preflight", "--version-as", "4.9"]):
                for row in verify(path, *arguments, "--json").rows():
                    keys_of(row, seen[row["kind"]])
        for row in verify("--explain", "CL-NAME", "--json").rows():
            keys_of(row, seen[row["kind"]])
        self.assertEqual(set(seen), {"finding", "summary", "preflight", "explanation"})
        self.check("rmq-verify.md", seen)


if __name__ == "__main__":
    main()
