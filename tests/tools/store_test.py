"""rmq-store: what is dumped from one store and put into another is the same; what it says to nonsense."""
import json
import os
import subprocess
import unittest

from harness import Run, Settings, dump, main, store, verify

# What a copy keeps. Offsets and store times are new.
KEPT = ("topic", "queueId", "queueOffset", "flag", "sysFlag", "bornTimestamp", "bornHost", "storeHost", "reconsumeTimes",
        "bodyBase64", "propertiesBase64")


def rmq_store(*arguments, **options):
    return Run([Settings.store, *arguments], **options)


def lines_of(where):
    return dump("log", where, "-o", "json", "--body", "base64").out


def small(name, log_file=1 << 22):
    """A broker.conf that makes small files."""
    path = os.path.join(Settings.work, name + ".conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"mappedFileSizeCommitLog={log_file}\nmappedFileSizeConsumeQueue=2000\nmaxHashSlotNum=64\nmaxIndexNum=400\n")
    return ["--broker-conf", path]


class Copies(unittest.TestCase):
    def test_a_copy_has_the_same_messages(self):
        for name in ("base", "bodies", "compressed", "v2-topics", "ipv6"):
            if not os.path.isdir(os.path.join(Settings.stores, name)):
                continue
            with self.subTest(store=name):
                target = os.path.join(Settings.work, "copy-" + name)
                lines = lines_of(store(name))
                run = rmq_store("put", target, "-o", "json", *small(name, 65536 if name == "base" else 1 << 22), input=lines.encode())
                self.assertEqual((run.code, run.err), (0, ""))
                before = [json.loads(line) for line in lines.splitlines()]
                before = [row for row in before if row["kind"] == "record"]
                self.assertEqual(run.rows()[0]["messages"], len(before))
                after = [json.loads(line) for line in lines_of(target).splitlines()]
                self.assertGreater(len(before), 10)
                self.assertEqual([[row[key] for key in KEPT] for row in before], [[row[key] for key in KEPT] for row in after])
                self.assertEqual(verify(target, "--level", "paranoid").code, 0)
                opened = rmq_store("open", target, "-o", "json", *small(name))
                self.assertEqual(opened.code, 0)
                self.assertEqual(opened.rows()[0]["records"], len(before))

    def test_what_stock_wrote_goes_on(self):
        target = store("base")
        before = lines_of(target).splitlines()
        run = rmq_store("put", target, input="\n".join(before[:7]).encode())
        self.assertEqual((run.code, run.err), (0, ""))
        after = lines_of(target).splitlines()
        self.assertEqual(after[:len(before)], before)
        self.assertEqual(len(after), len(before) + 7)
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        row = json.loads(after[-1])
        got = rmq_store("get", target, "-t", row["topic"], "-q", str(row["queueId"]), "--from", str(row["queueOffset"]), "-n",
                        "1", "-o", "json").rows()
        self.assertEqual(got[0]["phyOffset"], row["phyOffset"])
        self.assertEqual(got[-1]["status"], "FOUND")
        asked = rmq_store("query", target, "--key", row["uniqKey"], "-o", "json")
        wanted = [r["phyOffset"] for r in map(json.loads, reversed(after)) if r.get("uniqKey") == row["uniqKey"]]
        self.assertEqual([one["phyOffset"] for one in asked.rows()], wanted)
        self.assertEqual(len(wanted), 2)


class Nonsense(unittest.TestCase):
    def test_sentences_and_codes(self):
        target = os.path.join(Settings.work, "nonsense")
        rmq_store("put", target, *small("nonsense"), input=b"")
        cases = [
            (["open", target + "-not"], 16, "no such store"),
            (["open"], 16, "no STORE given"),
            (["mend", target], 16, "is no verb"),
            (["get", target], 16, "give -t TOPIC"),
            (["get", target, "-t", "T", "-q", "x"], 16, "makes no sense"),
            (["get", target, "-t", "T", "-q", "0"], 4, ""),
            (["open", target, "--check", "half"], 16, "give full or tail"),
            (["open", __file__], 16, "neither a store directory"),
            (["query", target], 16, "give --key"),
            (["query", target, "--key", "k"], 4, "no message has the key"),
        ]
        for arguments, code, sentence in cases:
            with self.subTest(arguments=arguments):
                run = rmq_store(*arguments)
                self.assertEqual(run.code, code, run.err)
                self.assertIn(sentence, run.err)

    def test_lines_that_are_no_messages(self):
        target = os.path.join(Settings.work, "lines")
        for line, sentence in ((b"{", "line 1: no JSON"), (b'{"kind":"record","topic":"T"}', "'bodyBase64' is missing"),
                               (b"[]", "'kind' is missing")):
            with self.subTest(line=line):
                run = rmq_store("put", target, *small("lines"), input=line)
                self.assertEqual(run.code, 16)
                self.assertIn(sentence, run.err)
                self.assertEqual(verify(target).code, 0)

    def test_a_store_of_another_kind_is_refused_and_left_alone(self):
        target = store("rocksdb-cq")
        tree = lambda: subprocess.run(f"find {target} -type f -not -name lock | sort | xargs sha256sum", shell=True,
                                      capture_output=True, check=True).stdout
        before = tree()
        run = rmq_store("open", target)
        self.assertEqual(run.code, 4)
        self.assertIn("needs repair", run.err)
        self.assertEqual(tree(), before)


main()
