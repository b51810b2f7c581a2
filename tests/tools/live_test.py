"""The commands beside a process that holds a store and writes to it: --live, --follow, --max-rate, --max-duration."""
import concurrent.futures
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import Settings, dump, main, store, verify, wait_for_handlers

REFUSED, CANCELLED, WRONG_USE = 64, 32, 16


class LiveStore(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="live.", dir=Settings.work)
        self.root = os.path.join(self.work, "store")
        subprocess.run(["cp", "-a", "--sparse=always", store("base"), self.root], check=True)
        self.lock = None

    def tearDown(self):
        if self.lock is not None:
            self.lock.close()
        shutil.rmtree(self.work)

    def hold(self):
        """As a running broker does: a lock on the first byte of the lock file, and an abort file."""
        self.lock = open(os.path.join(self.root, "lock"), "wb+")  # pylint: disable=consider-using-with
        fcntl.lockf(self.lock, fcntl.LOCK_EX, 1, 0)
        with open(os.path.join(self.root, "abort"), "w", encoding="ascii") as abort:
            abort.write(str(os.getpid()))


class Verify(LiveStore):
    def test_a_held_store_is_refused_or_looked_at(self):
        self.hold()
        run = verify(self.root)
        self.assertEqual(run.code, REFUSED)
        self.assertIn("--live", run.err)
        end = max(row["phyOffset"] + row["size"] for row in dump("log", self.root, "--json").rows("record"))
        for level in ("quick", "normal", "deep", "paranoid"):
            with self.subTest(level=level):
                run = verify(self.root, "--live", "--level", level, "--json")
                self.assertEqual(run.code, 0, run.out + run.err)
                summary = run.rows("summary")[0]
                self.assertTrue(summary["clean"])
                self.assertEqual((summary["settledTo"], summary["logEnd"], summary["looks"]), (end, end, 1))
                self.assertEqual((summary["unconfirmed"], summary["dismissed"], summary["vanished"]), (0, 0, 0))
        run = verify(self.root, "--live")
        self.assertEqual(run.code, 0)
        self.assertIn(f"looked at up to log offset {end}, where the log ended at {end}", run.out)

    def test_damage_is_found_beside_the_broker(self):
        self.hold()
        row = dump("log", self.root, "--json", "-n", "5").rows("record")[4]
        with open(os.path.join(self.root, "commitlog", row["file"]), "rb+") as log:
            log.seek(row["phyOffset"] + 4)
            log.write(b"\x00\x00")
        run = verify(self.root, "--live", "--json")
        self.assertEqual(run.code, 4, run.out + run.err)
        self.assertIn(("CL-DAMAGED", row["phyOffset"]), [(f["code"], f["offset"]) for f in run.rows("finding")])
        self.assertEqual(run.rows("summary")[0]["looks"], 2)

    def test_state_that_a_broker_has_not_written_yet(self):
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", "--sparse=always", store("broker-delay"), self.root], check=True)
        for name in ("delayOffset.json", "delayOffset.json.bak"):
            os.remove(os.path.join(self.root, "config", name))
        run = verify(self.root, "--level", "deep", "--json")
        self.assertEqual([f["code"] for f in run.rows("finding") if f["severity"] != "benign"], ["CF-DELAY-LOST"])
        self.hold()
        run = verify(self.root, "--live", "--level", "deep", "--json")
        self.assertEqual(run.code, 0, run.out + run.err)

    def test_epochs(self):
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", "--sparse=always", store("ha-epoch"), self.root], check=True)
        self.hold()
        run = verify(self.root, "--live", "--json")
        self.assertEqual(run.code, 0, run.out + run.err)
        with open(os.path.join(self.root, "epochFileCheckpoint"), "r+", encoding="ascii") as epochs:
            epochs.write("x")
        run = verify(self.root, "--live", "--json")
        self.assertEqual([f["code"] for f in run.rows("finding") if f["severity"] != "benign"], ["HA-EPOCH"])

    def test_without_a_broker_the_abort_file_counts(self):
        with open(os.path.join(self.root, "abort"), "w", encoding="ascii"):
            pass
        self.assertEqual(verify(self.root, "--live").code, 2)
        os.remove(os.path.join(self.root, "abort"))
        self.assertEqual(verify(self.root, "--live").code, 0)

    def test_wrong_use(self):
        log = os.path.join(self.root, "commitlog")
        for arguments in ([self.root, "--live", "--preflight"],
                          [os.path.join(log, sorted(os.listdir(log))[0]), "--live"],
                          [self.root, "--max-duration", "soon"], [self.root, "--max-duration", "0"]):
            run = verify(*arguments)
            self.assertEqual(run.code, WRONG_USE, run.out + run.err)

    def test_duration(self):
        run = verify(self.root, "--max-rate", "1K", "--max-duration", "1", "--json")
        self.assertEqual(run.code & CANCELLED, CANCELLED, run.err)
        summary = run.rows("summary")[0]
        self.assertFalse(summary["clean"])
        self.assertLess(summary["bytesChecked"], summary["bytesExpected"])


class StandingStill(unittest.TestCase):
    def findings(self, *arguments):
        run = verify(*arguments, "--level", "deep", "--json", "-j", "1")
        return run.code, [(f["code"], f["severity"], f["file"], f["offset"]) for f in run.rows("finding") if f["severity"] != "benign"]

    def test_says_the_same_with_and_without_live(self):
        names = sorted(name for name in os.listdir(Settings.stores) if name.startswith(("dmg-", "crash-")))[::5]
        self.assertGreater(len(names), 10)
        roots = [store(name) for name in names]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:  # they mostly wait
            plain = list(pool.map(self.findings, roots))
            live = list(pool.map(lambda root: self.findings(root, "--live"), roots))
        for name, before, beside in zip(names, plain, live):
            with self.subTest(name=name):
                self.assertEqual(before, beside)


class Follow(LiveStore):
    def setUp(self):
        super().setUp()
        self.rows = dump("log", self.root, "--json").rows("record")
        self.assertGreater(len(self.rows), 50)

    def empty_from(self, offset):
        """Takes the log's bytes from `offset` on away, and keeps them to be written again."""
        kept = {}
        folder = os.path.join(self.root, "commitlog")
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            with open(path, "rb") as log:
                kept[path] = log.read()
            at = max(0, min(offset - int(name), len(kept[path])))
            with open(path, "rb+") as log:
                log.truncate(at)
                log.truncate(len(kept[path]))
        return kept

    def write(self, kept, start, end):
        for path, data in kept.items():
            first = int(os.path.basename(path))
            a, b = max(start - first, 0), min(end - first, len(data))
            if a < b:
                with open(path, "rb+") as log:
                    log.seek(a)
                    log.write(data[a:b])

    def test_grows(self):
        begin = self.rows[20]["phyOffset"]
        kept = self.empty_from(begin)
        with subprocess.Popen([Settings.dump, "log", self.root, "-f", "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as child:
            got = [json.loads(child.stdout.readline()) for _ in range(20)]
            end = self.rows[-1]["phyOffset"] + self.rows[-1]["size"]
            # In pieces that end anywhere.
            step = 997
            for start in range(begin, end, step):
                self.write(kept, start, min(start + step, end))
            got += [json.loads(child.stdout.readline()) for _ in range(len(self.rows) - 20)]
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0, err)
        self.assertEqual(out, b"")
        self.assertEqual(got, self.rows)
        self.assertIn(f"followed the log from 0 to {end}".encode(), err)

    def test_tail_filters_and_duration(self):
        topic = self.rows[-1]["topic"]
        wanted = [row for row in self.rows if row["topic"] == topic]
        started = time.monotonic()
        run = dump("log", self.root, "--follow", "--json", "-t", topic, "--tail", "3", "--max-duration", "2")
        self.assertEqual(run.code, 0, run.err)
        self.assertGreater(time.monotonic() - started, 1.9)
        self.assertEqual(run.rows(), wanted[-3:])

    def test_without_follow_the_duration_cancels(self):
        run = dump("log", self.root, "--json", "--max-rate", "1K", "--max-duration", "1")
        self.assertEqual(run.code, CANCELLED, run.err)
        self.assertIn("stopped by --max-duration", run.err)
        self.assertEqual(run.rows(), self.rows[:len(run.rows())])

    def test_limit_ends_it(self):
        run = dump("log", self.root, "-f", "--json", "-n", "7")
        self.assertEqual(run.code, 0, run.err)
        self.assertEqual(run.rows(), self.rows[:7])

    def test_text(self):
        run = dump("log", self.root, "-f", "-n", "7")
        self.assertEqual(run.out, dump("log", self.root, "-n", "7").out)

    def test_a_reader_that_goes_away(self):
        with subprocess.Popen([Settings.dump, "log", self.root, "-f", "--json", "--body", "base64"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as child:
            child.stdout.close()
            _, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, err), (0, b""))

    def test_wrong_use(self):
        log = os.path.join(self.root, "commitlog")
        for arguments in (["--join"], ["--stats"], ["--tail", "1", "-n", "1"]):
            self.assertEqual(dump("log", self.root, "-f", *arguments).code, WRONG_USE)
        self.assertEqual(dump("log", os.path.join(log, sorted(os.listdir(log))[0]), "-f").code, WRONG_USE)
        self.assertEqual(dump("cq", self.root, "-t", "*", "-f").code, WRONG_USE)


if __name__ == "__main__":
    main()
