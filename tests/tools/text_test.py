"""Snapshots of the text output, in tests/tools/text/. With RMQ_UPDATE=1 they are written instead of compared."""
import os
import re
import unittest

from harness import Settings, dump, main, store, verify

CASES = {
    "log": ("base", ["log", "-n", "5"]),
    "log-props": ("base", ["log", "-n", "3", "--props", "user", "--join"]),
    "log-gap": ("dmg-zero-page", ["log", "--from", "230000", "--to", "240000"]),
    "log-copy": ("dmg-cl-overlap", ["log", "--from", "229376", "--to", "232000"]),
    "log-stats": ("base", ["log", "--stats=queue"]),
    "log-hex": ("bodies", ["log", "-n", "4", "--body", "hex"]),
    "cq": ("cq-ext", ["cq", "-t", "ExtA", "-q", "0", "-n", "4"]),
    "cq-batch": ("batch-inner", ["cq", "-t", "BatchCqA", "-n", "4"]),
    "cq-dangling": ("dmg-cq-ahead-unit", ["cq", "--all", "--from", "441276"]),
    "index": ("base", ["index", "-n", "4"]),
    "index-chains": ("dmg-index-self-loop", ["index", "--chains", "-n", "3"]),
    "key": ("base", ["key", "key20", "-t", "Orders"]),
    "msg": ("base", ["msg", "1059"]),
    "trace": ("broker-retry-dlq", ["trace", "key22", "-n", "1"]),
    "state": ("base", ["state"]),
}
VERIFY = {
    "verify-clean": ("base", []),
    "verify-damaged": ("dmg-zero-page", ["--level", "deep"]),
    "verify-crashed": ("crash-kill9", []),
    "verify-crashed-quick": ("crash-cq-lagging-newcp", ["--level", "quick"]),
    "verify-config": ("dmg-config-offset-zeros", []),
    "preflight-clean": ("base", ["--preflight"]),
    "preflight-lost": ("crash-powerloss", ["--preflight"]),
    "preflight-no-start": ("dmg-cl-short", ["--preflight"]),
    "preflight-config": ("dmg-config-offset-zeros", ["--preflight"]),
    "preflight-rocksdb": ("broker-rocksdb", ["--preflight"]),
}


class Snapshots(unittest.TestCase):
    maxDiff = None

    def compare(self, name, run):
        text = re.sub(r"\d+\.\d s$", "N s", run.out, flags=re.M) + f"(exit {run.code})\n"
        path = os.path.join(Settings.source, "tests", "tools", "text", name + ".txt")
        if os.environ.get("RMQ_UPDATE"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return
        with self.subTest(name=name), open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), text)

    def test_dump(self):
        for name, (where, arguments) in CASES.items():
            verb, *rest = arguments
            self.compare(name, dump(verb, store(where), *rest, "--utc"))

    def test_verify(self):
        for name, (where, arguments) in VERIFY.items():
            self.compare(name, verify(store(where), *arguments))

    def test_the_last_line_is_the_verdict_with_the_bytes(self):
        for name, (where, arguments) in VERIFY.items():
            if name.startswith("verify-"):
                run = verify(store(where), *arguments)
                self.assertRegex(run.out.splitlines()[-1], rf"\(exit {run.code}\): \d+ records, (\d+) of \1 bytes checked, ")

    def test_a_file_is_named_once(self):
        lines = verify(store("crash-powerloss"), "--level", "paranoid").out.splitlines()
        files = [line for line in lines if line.startswith(("commitlog/", "consumequeue/", "index/"))]
        self.assertGreater(len(files), 2)
        self.assertEqual(len(files), len(set(files)))

    def test_one_file_is_judged_by_itself(self):
        base = store("base")
        for path in ("commitlog/00000000000000000000", "consumequeue/Orders/0/00000000000000000000"):
            self.assertEqual(verify(os.path.join(base, path), "--level", "deep").code, 0)
        for name, path, found in [
                ("dmg-zero-page", "commitlog/00000000000000196608", [("CL-DAMAGED", 35492)]),
                ("dmg-cl-short", "commitlog/00000000000000196608", [("CL-TORN", 63538)]),
                ("dmg-cq-duplicate", "consumequeue/Orders/1/00000000000000000000", [("CQ-WRONG-UNIT", 100)]),
                ("dmg-cq-zeroed-first", None, None), ("dmg-cq-wrong-offset", None, None),
                ("dmg-cq-short-file", "consumequeue/Payments/2/00000000000000000000", [("CQ-SIZE", 0)]),
                ("dmg-index-self-loop", None, None), ("dmg-index-header-count", None, None),
                # What only the rest of the store could tell.
                ("dmg-cq-ahead-unit", "consumequeue/Orders/0/00000000000000000320", []),
                ("dmg-index-wrong-phy", "index/20261121014712601", []),
                ("dmg-queueid-field", "commitlog/00000000000000131072", []),
        ]:
            if path is None:  # the same findings as in the store
                rows = [row for row in verify(store(name), "--level", "deep", "--json").rows("finding") if row["severity"] != "benign"]
                path = rows[0]["file"]
                found = [(row["code"], row["offset"]) for row in rows if row["file"] == path]
            with self.subTest(name=name):
                run = verify(os.path.join(store(name), path), "--level", "deep", "--json")
                self.assertEqual([(row["code"], row["offset"]) for row in run.rows("finding")], found)
                self.assertEqual(run.code, 4 if found else 0)
        self.assertEqual(verify(os.path.join(base, "checkpoint")).code, 16)
        forecast = verify(os.path.join(base, "commitlog/00000000000000000000"), "--preflight")
        self.assertEqual((forecast.code, forecast.out), (16, ""))
        self.assertIn("is one file; --preflight needs a whole store", forecast.err)

    def test_what_recovery_loses_is_never_benign_by_itself(self):
        where = store("crash-cq-lagging-newcp")
        for arguments, code in ([], 4), (["--skip", "CQ-*"], 4), (["--only", "ST-*"], 4), (["--only", "ST-RECOVERY-LOSES"], 4), (
                ["--level", "quick"], 2):
            with self.subTest(arguments=arguments):
                run = verify(where, *arguments, "--json")
                self.assertEqual(run.code, code, run.out)

    def test_nothing_steers_a_terminal(self):
        for name in ("base", "plain", "topic-v2", "bodies"):
            text = dump("log", store(name), "--props", "all", "--body", "text").out
            self.assertFalse([c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160])

    def test_colour_only_when_asked(self):
        self.assertNotIn("\x1b", dump("log", store("dmg-zero-page")).out)
        self.assertNotIn("\x1b", verify(store("dmg-zero-page")).out)
        self.assertIn("\x1b[1;31mloss", verify(store("dmg-zero-page"), "--color", "always").out)
        self.assertIn("\x1b[31m", dump("log", store("dmg-zero-page"), "--color", "always").out)


if __name__ == "__main__":
    main()
