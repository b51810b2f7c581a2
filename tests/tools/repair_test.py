"""rmq-repair as a command: its verbs on stores that RocketMQ wrote, what it refuses, and what it says to nonsense.

What a plan does to every damaged store is the business of tests/repair/repair_stores_test.py.
"""
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import Run, Settings, copy, dump, main, store, verify


def repair(*arguments, **options):
    return Run([Settings.repair, *arguments], **options)


def tree(root):
    """Every file and directory below: content, mode, owner, and a file's time in milliseconds."""
    found = {}
    for folder, _, names in os.walk(root):
        status = os.stat(folder)
        found[os.path.relpath(folder, root)] = (status.st_mode, status.st_uid, status.st_gid)
        for name in names:
            path = os.path.join(folder, name)
            status = os.stat(path)
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, root)] = (content, status.st_mode, status.st_uid, status.st_gid,
                                                  status.st_mtime_ns // 1_000_000)
    return found


def records(root):
    return [row for row in dump("log", root, "--json", "--hash", "--join", "--progress", "never").rows("record")]


def kept(rows):
    return {row["phyOffset"]: (row["topic"], row["queueId"], row["queueOffset"], row["bodySha256"]) for row in rows}


class Cut(unittest.TestCase):
    def test_to_offset(self):
        target = copy("base", "cut-offset")
        before, rows = tree(target), records(target)
        at = rows[len(rows) // 2]["phyOffset"]
        plan = repair("cut", target, "--to-offset", str(at + 3), "--json").rows()[0]  # within the record: it goes
        self.assertEqual(tree(target), before)
        self.assertEqual(plan["maxPhyOffset"], at)
        self.assertEqual(plan["dropped"], len(rows) - len(rows) // 2)
        run = repair("cut", target, "--to-offset", str(at), "--yes", "--json")
        self.assertEqual((run.code, run.err), (1, ""))
        self.assertEqual(kept(records(target)), kept(rows[:len(rows) // 2]))
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        self.assertEqual(repair(target).code, 0)
        self.assertEqual(repair("undo", run.rows()[0]["undo"], "--yes").code, 1)
        self.assertEqual(tree(target), before)

    def test_to_time(self):
        target = copy("base", "cut-time")
        rows = records(target)
        until = rows[len(rows) // 3]["storeTimestamp"]
        run = repair("cut", target, "--to-time", str(until), "--yes")
        self.assertEqual((run.code, run.err), (1, ""))
        self.assertEqual(kept(records(target)), kept([row for row in rows if row["storeTimestamp"] <= until]))
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)

    def test_between_two_files_and_behind_the_end(self):
        target = copy("base", "cut-file")
        rows = records(target)
        border = int(sorted(os.listdir(os.path.join(target, "commitlog")))[1])
        self.assertEqual(repair("cut", target, "--to-offset", str(border), "--yes").code, 1)
        self.assertEqual(kept(records(target)), kept([row for row in rows if row["phyOffset"] < border]))
        self.assertEqual(os.listdir(os.path.join(target, "commitlog")), ["0" * 20])
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        self.assertEqual(repair("cut", target, "--to-offset", str(border)).code, 0)
        run = repair("cut", target, "--to-offset", str(border * 9))
        self.assertEqual(run.code, 16)
        self.assertIn("the log ends at", run.err)


class Heal(unittest.TestCase):
    def healed(self, name, target):
        run = repair("heal", target, "--from", store(name), "--yes", "--json")
        self.assertEqual((run.code, run.err), (1, ""))
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        self.assertEqual(kept(records(target)), kept(records(store(name))))
        return run.rows()[0]["undo"]

    def test_a_page_of_zeros(self):
        target = copy("dmg-zero-page", "heal-page")
        before = tree(target)
        plan = repair("heal", target, "--from", store("base"), "--json").rows()[0]
        self.assertEqual((len(plan["healed"]), plan["placeholders"], plan["lost"]), (1, [], []))
        undo = self.healed("base", target)
        self.assertEqual(repair("undo", undo, "--yes").code, 1)
        self.assertEqual(tree(target), before)

    def test_a_missing_file_and_a_torn_tail(self):
        self.healed("base", copy("dmg-cl-missing-middle", "heal-file"))
        self.healed("base", copy("dmg-torn-tail", "heal-tail"))

    def test_after_a_repair_the_placeholders_go(self):
        target = copy("dmg-zero-page", "heal-later")
        self.assertEqual(repair(target, "--yes").code, 1)
        codes = [row["code"] for row in verify(target, "--json").rows("finding")]
        self.assertIn("CL-PLACEHOLDER", codes)
        self.healed("base", target)
        self.assertNotIn("CL-PLACEHOLDER", [row["code"] for row in verify(target, "--json").rows("finding")])

    def test_another_log_is_no_replica(self):
        target = copy("dmg-zero-page", "heal-other")
        before = tree(target)
        run = repair("heal", target, "--from", store("recreated"), "--yes")
        self.assertEqual(run.code, 64)
        self.assertIn("no copy", run.err)
        self.assertEqual(tree(target), before)


class Others(unittest.TestCase):
    def test_a_mended_copy(self):
        source = copy("dmg-magic", "out-source")
        before = tree(source)
        target = os.path.join(Settings.work, "out-target")
        run = repair(source, "--out", target)
        self.assertEqual((run.code, run.err), (1, ""))
        self.assertEqual(tree(source), before)
        self.assertEqual(verify(target, "--level", "paranoid").code, 0)
        self.assertEqual(len(kept(records(target))), len(kept(records(store("base")))))
        self.assertEqual(repair(source, "--out", target).code, 16)

    def test_preen(self):
        target = copy("dmg-cl-stray-file", "preen-safe")
        self.assertEqual(repair(target, "--preen", "--yes").code, 1)
        self.assertEqual(verify(target).code, 0)
        target = copy("dmg-zero-page", "preen-not")
        before = tree(target)
        run = repair(target, "--preen", "--yes")
        self.assertEqual(run.code, 4)
        self.assertEqual(tree(target), before)

    def test_an_undo_is_shown_first_and_not_made_twice(self):
        target = copy("dmg-magic", "undo-shown")
        before = tree(target)
        undo = repair(target, "--yes", "--json").rows()[0]["undo"]
        mended = tree(target)
        shown = repair("undo", undo)
        self.assertEqual(shown.code, 4)
        self.assertIn("commitlog/", shown.out)
        self.assertEqual(tree(target), mended)
        self.assertEqual(repair("undo", undo, "--yes").code, 1)
        self.assertEqual(tree(target), before)
        self.assertEqual(repair("undo", undo, "--yes").code, 16)

    def test_original_bytes_elsewhere(self):
        target = copy("dmg-magic", "undo-elsewhere")
        before = tree(target)
        undo = os.path.join(Settings.work, "kept-elsewhere")
        self.assertEqual(repair(target, "--yes", "--undo", undo).code, 1)
        self.assertFalse(os.path.exists(os.path.join(target, "lost+found")))
        self.assertEqual(repair("undo", undo, "--yes").code, 1)
        self.assertEqual(tree(target), before)
        self.assertFalse(os.path.exists(undo))

    def test_what_a_broker_wrote_is_not_undone(self):
        target = copy("dmg-magic", "undo-late")
        undo = repair(target, "--yes", "--json").rows()[0]["undo"]
        with open(os.path.join(target, "checkpoint"), "r+b") as file:
            file.write(b"\0" * 8)
        os.utime(os.path.join(target, "checkpoint"), (2_000_000_000, 2_000_000_000))
        now = tree(target)
        run = repair("undo", undo, "--yes")
        self.assertEqual(run.code, 64)
        self.assertIn("written to since", run.err)
        self.assertEqual(tree(target), now)

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away")
    def test_the_only_index_file_has_another_name(self):
        root = copy("topic-v2", "index-renamed")
        [name] = os.listdir(os.path.join(root, "index"))
        os.rename(os.path.join(root, "index", name), os.path.join(root, "index", "000" + name))
        before = len(dump("index", store("topic-v2"), "--json").rows("indexEntry"))
        self.assertGreater(before, 0)
        run = repair(root, "--yes")
        self.assertEqual(run.code, 1, run.err)
        self.assertEqual(len(dump("index", root, "--json").rows("indexEntry")), before)

    def test_the_first_file_of_a_queue_that_was_created_again(self):
        root = copy("recreated", "created-again")
        unit = os.path.join(root, "consumequeue", "Again", "1", "00000000000000000000")
        with open(unit, "r+b") as file:
            file.seek(18)
            bits = file.read(1)[0]
            file.seek(18)
            file.write(bytes([bits ^ 8]))
        run = repair(root, "--yes")
        self.assertEqual(run.code, 1, run.err)
        verdict = verify(root, "--level", "paranoid")
        self.assertEqual(verdict.code, 0, verdict.out + verdict.err)
        self.assertEqual(dump("cq", root, "-t", "Again", "--json").out, dump("cq", store("recreated"), "-t", "Again", "--json").out)

    def test_owners_and_modes(self):
        target = copy("dmg-cq-missing-queue", "owners")
        subprocess.run(["chown", "-R", "12345:23456", target], check=True)
        subprocess.run(["chmod", "-R", "g+w", target], check=True)
        before = tree(target)
        run = repair(target, "--yes", "--json")
        self.assertEqual((run.code, run.err), (1, ""))
        after = tree(target)
        self.assertEqual({one[-3:-1] if len(one) == 5 else one[1:] for one in after.values()}, {(12345, 23456)})
        for path, one in before.items():
            if path in after and len(one) == 5:
                self.assertEqual(after[path][1], one[1], path)
                if path.startswith("commitlog/"):
                    self.assertEqual(after[path][4], one[4], path)
        self.assertEqual(repair("undo", run.rows()[0]["undo"], "--yes").code, 1)
        self.assertEqual(tree(target), before)

    def test_killed_again_and_again(self):
        seed = int(os.environ.get("RMQ_SEED", "1"))
        chance = random.Random(seed)
        base = copy("dmg-cq-missing-all", "killed")
        plan = os.path.join(Settings.work, "killed.json")
        repair(base, "--plan", plan)
        before = tree(base)
        for turn in range(int(os.environ.get("RMQ_KILLS", "8"))):
            process = subprocess.Popen([Settings.repair, "apply", plan, "--yes"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.25))
            process.send_signal(signal.SIGKILL)
            process.wait()
            with self.subTest(seed=seed, turn=turn):
                if turn % 2:
                    run = repair("apply", plan, "--yes", "--json")
                    if run.code == 64:  # it had come to its end before the kill
                        self.assertEqual(verify(base, "--level", "paranoid").code, 0)
                    else:
                        self.assertEqual((run.code, run.rows()[0]["clean"]), (1, True))
                folder = os.path.join(base, "lost+found")
                for name in os.listdir(folder) if os.path.isdir(folder) else []:
                    if os.path.exists(os.path.join(folder, name, "manifest.ndjson")):
                        self.assertEqual(repair("undo", os.path.join(folder, name), "--yes").code, 1)
                    else:  # killed before it began, or behind the end of an undo
                        shutil.rmtree(os.path.join(folder, name))
                if os.path.isdir(folder):
                    os.rmdir(folder)
                for name in ("lock",):
                    path = os.path.join(base, name)
                    if os.path.exists(path) and name not in before:
                        os.remove(path)
                self.assertEqual(tree(base).keys(), before.keys())
                after = tree(base)
                self.assertEqual([path for path in before if before[path] != after[path]], [])


class Refusals(unittest.TestCase):
    def test_a_store_that_changed_since_the_plan(self):
        target = copy("dmg-magic", "changed")
        plan = os.path.join(Settings.work, "changed.json")
        self.assertEqual(repair(target, "--plan", plan).code, 4)
        path = os.path.join(target, "commitlog", "0" * 20)
        status = os.stat(path)
        with open(path, "r+b") as file:  # of the same size and time
            file.seek(90)
            byte = file.read(1)
            file.seek(90)
            file.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        before = tree(target)
        run = repair("apply", plan, "--yes")
        self.assertEqual(run.code, 64)
        self.assertIn("is not what the plan was made for", run.err)
        self.assertEqual(tree(target), before)

    def test_a_locked_store(self):
        target = copy("dmg-magic", "locked")
        plan = os.path.join(Settings.work, "locked.json")
        repair(target, "--plan", plan)
        with open(os.path.join(target, "lock"), "w+b") as lock:
            fcntl.fcntl(lock, fcntl.F_SETLK, struct.pack("hhqqhh4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0, 0))
            before = tree(target)
            for run in (repair("apply", plan, "--yes"), repair(target), repair(target, "--yes")):
                self.assertEqual(run.code, 64)
                self.assertIn(f"process {os.getpid()}", run.err)
            self.assertEqual(tree(target), before)

    def test_a_store_that_somebody_writes_to(self):
        target = copy("dmg-magic", "written")
        before = tree(target)
        with open(os.path.join(target, "commitlog", "0" * 20), "r+b"):  # a broker that is still recovering
            run = repair(target, "--yes")
        self.assertEqual(run.code, 64)
        self.assertIn(f"process {os.getpid()}", run.err)
        self.assertEqual(tree(target), before)

    def test_what_cannot_be_mended(self):
        for name in ("dledger", "rocksdb-cq"):
            run = repair(store(name))
            self.assertIn("cannot be mended", run.out)
            self.assertEqual(repair(store(name), "--yes").code, 4)

    def test_cancelled(self):
        target = copy("dmg-cq-missing-all", "cancelled")
        before = tree(target)
        process = subprocess.Popen([Settings.repair, target, "--yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        if process.returncode == 1:
            self.skipTest("it was faster")
        if process.returncode != -signal.SIGINT:  # before it was ready for signals
            self.assertEqual(process.returncode, 32, err)
        self.assertEqual(tree(target), before)

    def test_sentences_and_codes(self):
        where = store("base")
        bad = os.path.join(Settings.work, "bad.json")
        with open(bad, "w", encoding="ascii") as file:
            file.write("{}")
        for arguments, code, sentence in (
                ([], 16, ""),
                (["--yes"], 16, "no STORE given"),
                ([where + "-not"], 16, "no such store"),
                ([os.path.join(where, "commitlog", "0" * 20)], 16, "is one file"),
                (["apply"], 16, "no P.json given"),
                (["apply", bad, "--yes"], 16, "is no plan"),
                (["apply", bad + "-not"], 16, "bad.json-not"),
                (["undo"], 16, "no DIR given"),
                (["undo", where, "--yes"], 16, "has no manifest"),
                (["cut", where], 16, "give either --to-offset X or --to-time T"),
                (["cut", where, "--to-offset", "1", "--to-time", "2"], 16, "give either"),
                (["cut", where, "--to-offset", "x"], 16, "--to-offset"),
                (["cut", where, "--to-time", "yesterday"], 16, "--to-time"),
                (["heal", where], 16, "give --from REPLICA"),
                (["heal", where, "--from", where + "-not"], 16, "--from"),
                ([where, "--out", where], 16, "is not empty"),
                ([where, "--out", "x", "--plan", "y"], 16, "leave out --plan"),
                ([where, "--frobnicate"], 16, "--frobnicate")):
            with self.subTest(arguments=arguments):
                run = repair(*arguments)
                self.assertEqual(run.code, code, run.err)
                self.assertIn(sentence, run.err)
        self.assertEqual(repair(where).code, 0)
        self.assertIn("nothing to do", repair(where).out)
        self.assertEqual(repair(where, "--yes").code, 0)

    def test_a_plan_says_what_it_is(self):
        plan = repair(store("dmg-zero-page"), "--json").rows()[0]
        for member in ("kind", "schema", "verb", "store", "maxPhyOffset", "readablePerQueue", "rebuilt", "placeholders", "lost",
                       "steps", "bytesNeeded", "secondsExpected", "consumerImpact", "planHash", "storeHash"):
            self.assertIn(member, plan)
        self.assertEqual(plan["kind"], "plan")
        self.assertGreater(len(plan["placeholders"]), 0)
        for step in plan["steps"]:
            if step["step"] != "make":
                self.assertRegex(step["crc32Before"], "^[0-9a-f]{8}$", step)


if __name__ == "__main__":
    main()
