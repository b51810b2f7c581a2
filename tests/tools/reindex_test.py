"""rmq-reindex: what it makes of stores that RocketMQ wrote, what it leaves alone, and what it says to nonsense."""
import fcntl
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import unittest

from harness import Run, Settings, copy, main, store, verify, wait_for_handlers


def reindex(*arguments, **options):
    return Run([Settings.reindex, *arguments], **options)


def tree(root):
    """Every file below: content and time, but for what the command leaves beside the store's own."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if one != "lost+found"]
        for name in names:
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, root)
            if shown == "lock":
                continue
            with open(path, "rb") as file:
                found[shown] = (hashlib.sha256(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
    return found


def contents(found, folder):
    return {name: content for name, (content, _) in found.items() if name.startswith(folder + "/")}


def sizes(name):
    """The index of these stores has other sizes than stock's."""
    with open(os.path.join(Settings.stores, name, "store.json"), encoding="utf-8") as file:
        return json.load(file)["storeConfig"]


def conf(name):
    path = os.path.join(Settings.work, name + ".conf")
    with open(path, "w", encoding="utf-8") as file:
        for key in ("mappedFileSizeConsumeQueue", "maxHashSlotNum", "maxIndexNum"):
            if key in sizes(name):
                file.write(f"{key}={sizes(name)[key]}\n")
    return ["--broker-conf", path]


class Rebuild(unittest.TestCase):
    def test_everything_again(self):
        target = copy("base", "everything")
        before = tree(target)
        shutil.rmtree(os.path.join(target, "consumequeue"))
        shutil.rmtree(os.path.join(target, "index"))
        run = reindex(target, "--all", "-o", "json", *conf("base"))
        self.assertEqual((run.code, run.err), (0, ""))
        after = tree(target)
        self.assertEqual(contents(after, "consumequeue"), contents(before, "consumequeue"))
        self.assertEqual([content for _, content in sorted(contents(after, "index").items())],
                         [content for _, content in sorted(contents(before, "index").items())])
        self.assertEqual(contents(after, "commitlog"), contents(before, "commitlog"))
        summary = run.rows("summary")[0]
        self.assertEqual(summary["bytesChecked"], summary["bytesExpected"])
        self.assertEqual(summary["units"], summary["records"])
        self.assertEqual({row["outcome"] for row in run.rows("queue")}, {"rebuilt"})
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        self.assertFalse(os.path.exists(os.path.join(target, "abort")))

    def test_the_same_with_one_thread_and_little_memory(self):
        outs = []
        for arguments in (["-j1"], ["-j4", "--mem", "8M"]):
            out = os.path.join(Settings.work, "out" + arguments[0])
            before = tree(store("base"))
            run = reindex(store("base"), "--all", "--out", out, *arguments)
            self.assertEqual((run.code, run.err), (0, ""))
            self.assertEqual(tree(store("base")), before)
            outs.append(tree(out))
        self.assertEqual(outs[0], outs[1])
        self.assertEqual(contents(outs[0], "consumequeue"), contents(tree(store("base")), "consumequeue"))

    def test_one_queue_alone(self):
        target = copy("base", "one-queue")
        before = tree(target)
        queue = os.path.join(target, "consumequeue", "Orders", "1")
        shutil.rmtree(queue)
        run = reindex(target, "--cq", "-t", "Orders", "-q", "1")
        self.assertEqual((run.code, run.err), (0, ""))
        after = tree(target)
        self.assertEqual({name: one for name, one in after.items() if "Orders/1" not in name and name != "checkpoint"},
                         {name: one for name, one in before.items() if "Orders/1" not in name and name != "checkpoint"})
        self.assertEqual(contents(after, "consumequeue"), contents(before, "consumequeue"))
        self.assertEqual(after["checkpoint"][0], before["checkpoint"][0])
        self.assertRegex(run.out, r"1 queues with \d+ units, 0 index files .*; (\d+) of \1 bytes checked in \d+\.\d s\n$")

    def test_verify_and_fill(self):
        target = copy("base", "fill")
        before = tree(target)
        self.assertEqual(reindex(target, "--all", "--verify-only").code, 0)
        self.assertEqual(tree(target), before)
        self.assertFalse(os.path.exists(os.path.join(target, "lock")))
        first = os.path.join(target, "consumequeue", "Orders", "0", "0" * 20)
        with open(first, "r+b") as file:
            file.seek(40)
            file.write(bytes(20))  # missing
            file.write(b"\x07" * 20)  # wrong
        damaged = tree(target)
        run = reindex(target, "--cq", "--verify-only", "--json")
        self.assertEqual(run.code, 4)
        differs = [row for row in run.rows("queue") if row["outcome"] == "differs"]
        self.assertEqual([(row["topic"], row["queueId"], row["missing"], row["wrong"]) for row in differs], [("Orders", 0, 1, 1)])
        self.assertTrue(differs[0]["firstDifference"].startswith("unit 2: missing"))
        self.assertEqual(tree(target), damaged)
        self.assertEqual(reindex(target, "--cq", "--fill-only").code, 4)
        with open(first, "rb") as file:
            units = file.read(100)
        self.assertEqual(units[60:80], b"\x07" * 20)
        self.assertNotEqual(units[40:60], bytes(20))
        self.assertEqual(reindex(target, "--cq").code, 0)
        self.assertEqual(contents(tree(target), "consumequeue"), contents(before, "consumequeue"))

    def test_a_topic_that_was_created_again(self):
        target = copy("recreated", "created-again")
        before = tree(target)
        for topic, queue in (("Again", "0"), ("KeepA", "1")):  # the topic Gone stays gone
            shutil.rmtree(os.path.join(target, "consumequeue", topic, queue))
        self.assertEqual(reindex(target, "--cq").code, 0)
        self.assertEqual(contents(tree(target), "consumequeue"), contents(before, "consumequeue"))

    def test_an_undo_puts_everything_back(self):
        target = copy("base", "undone")
        with open(os.path.join(target, "consumequeue", "Orders", "0", "0" * 20), "r+b") as file:
            file.write(b"\x07" * 20)
        before = tree(target)
        kept = reindex(target, "--all", "--json").rows("summary")[0]["keptIn"]
        self.assertNotEqual(tree(target), before)
        run = Run([Settings.repair, "undo", kept, "--yes"])
        self.assertEqual((run.code, run.err), (run.code, ""))
        self.assertEqual(tree(target), before)


class Refusals(unittest.TestCase):
    def test_a_damaged_log(self):
        target = copy("dmg-zero-page", "damaged")
        before = tree(target)
        run = reindex(target, "--all")
        self.assertEqual(run.code, 4)
        self.assertIn("rmq-repair", run.out)
        self.assertEqual(tree(target), before)
        self.assertFalse(os.path.exists(os.path.join(target, "lost+found")))

    def test_a_live_store(self):
        target = copy("base", "live")
        with open(os.path.join(target, "lock"), "wb") as file:
            file.write(b"lock")
        before = tree(target)
        with open(os.path.join(target, "lock"), "r+b") as lock:
            fcntl.fcntl(lock, fcntl.F_SETLK, struct.pack("hhqqhh4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0, 0))
            run = reindex(target, "--all")
            self.assertEqual(run.code, 64)
            self.assertIn(f"process {os.getpid()}", run.err)
        self.assertEqual(tree(target), before)

    def test_cancelled(self):
        target = copy("base", "cancelled")
        before = tree(target)
        process = subprocess.Popen([Settings.reindex, target, "--all", "--max-rate", "1"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        wait_for_handlers(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        if process.returncode == 0:
            self.skipTest("it was faster")
        self.assertEqual(process.returncode, 32)
        self.assertEqual(tree(target), before)

    def test_sentences_and_codes(self):
        where = store("base")
        single = os.path.join(where, "commitlog", "0" * 20)
        for arguments, code, sentence in (
                ([], 16, "no STORE given"),
                ([where], 16, "nothing to do: give --cq, --index or --all"),
                ([where + "-not", "--all"], 16, "no such store"),
                ([single, "--all"], 16, "is one file"),
                ([where, "--all", "-t", "Orders"], 16, "one for all topics"),
                ([where, "--index", "-t", "Orders"], 16, "one for all topics"),
                ([where, "--cq", "--verify-only", "--fill-only"], 16, "give one of them"),
                ([where, "--cq", "--verify-only", "--out", "x"], 16, "--out takes what is made anew"),
                ([where, "--cq", "--out", where], 16, "is not empty"),
                ([where, "--cq", "--verify-only", "-t", "NoSuch*"], 16, "NoSuch*"),
                ([where, "--cq", "--frobnicate"], 16, "--frobnicate")):
            with self.subTest(arguments=arguments):
                run = reindex(*arguments)
                self.assertEqual(run.code, code, run.err)
                self.assertIn(sentence, run.err)
                self.assertTrue(run.err.startswith("rmq-reindex: "))
                self.assertEqual(len(run.err.splitlines()), 1)

    def test_every_key_is_on_the_page(self):
        with open(os.path.join(Settings.source, "docs", "tools", "rmq-reindex.md"), encoding="utf-8") as file:
            page = file.read()
        rows = reindex(store("base"), "--all", "--verify-only", "--json").rows()
        rows += reindex(store("dmg-cq-tagscode"), "--all", "--verify-only", "--json").rows()
        rows += reindex(store("dledger"), "--all", "--verify-only", "--json").rows()
        self.assertEqual({row["kind"] for row in rows}, {"queue", "index", "summary", "refusal"})
        for key in {key for row in rows for key in row}:
            self.assertIn(f"`{key}`", page)


if __name__ == "__main__":
    main()
