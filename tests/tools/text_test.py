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
    "state": ("base", ["state"]),
}
VERIFY = {
    "verify-clean": ("base", []),
    "verify-damaged": ("dmg-zero-page", ["--level", "deep"]),
    "verify-crashed": ("crash-kill9", []),
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
        damaged = verify(os.path.join(store("dmg-zero-page"), "commitlog/00000000000000196608"), "--json")
        self.assertEqual([row["code"] for row in damaged.rows("finding")], ["CL-DAMAGED"])
        self.assertEqual(damaged.code, 4)

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
