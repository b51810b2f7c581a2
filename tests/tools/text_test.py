"""Snapshots of the text output, in tests/tools/text/. With RMQ_UPDATE=1 they are written instead of compared."""
import os
import unittest

from harness import Settings, dump, main, store

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


class Snapshots(unittest.TestCase):
    maxDiff = None

    def test_text(self):
        folder = os.path.join(Settings.source, "tests", "tools", "text")
        for name, (where, arguments) in CASES.items():
            verb, *rest = arguments
            run = dump(verb, store(where), *rest, "--utc")
            text = run.out + f"(exit {run.code})\n"
            path = os.path.join(folder, name + ".txt")
            if os.environ.get("RMQ_UPDATE"):
                os.makedirs(folder, exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                continue
            with self.subTest(name=name), open(path, encoding="utf-8") as f:
                self.assertEqual(f.read(), text)

    def test_nothing_steers_a_terminal(self):
        for name in ("base", "plain", "topic-v2", "bodies"):
            text = dump("log", store(name), "--props", "all", "--body", "text").out
            self.assertFalse([c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160])

    def test_colour_only_when_asked(self):
        self.assertNotIn("\x1b", dump("log", store("dmg-zero-page")).out)
        self.assertIn("\x1b[31m", dump("log", store("dmg-zero-page"), "--color", "always").out)


if __name__ == "__main__":
    main()
