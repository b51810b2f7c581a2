#!/usr/bin/env python3
"""carve_command_test.py TOOLS_DIR STORES_DIR: rmq-repair carve from what a bad day leaves: overwritten files, files put one behind
the other at odd places, deleted files of a file system, backups beside the original. And what it says, and ends with.

The file system is an image that mkfs.ext4 and debugfs (Debian: e2fsprogs) write without mounting it; where they are missing, those
tests are left out and say so.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TOOLS, STORES = sys.argv[1:3]
KEEPS = ("phyOffset", "topic", "queueId", "queueOffset", "bodySha256")
SEED = int(os.environ.get("RMQ_SEED", random.SystemRandom().randrange(1 << 32)))


def tool(name, *arguments, **options):
    return subprocess.run([os.path.join(TOOLS, name), *arguments], capture_output=True, text=True, timeout=300, **options)


def sbin(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Case(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="rmq-carve.")
        self.addCleanup(shutil.rmtree, self.work)
        self.out = self.path("out")
        self.conf = self.path("broker.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write("mappedFileSizeConsumeQueue=320\nmaxHashSlotNum=64\nmaxIndexNum=300\n")
        self.random = random.Random(SEED)

    def path(self, name):
        return os.path.join(self.work, name)

    def unpack(self, name):
        subprocess.run(["tar", "--zstd", "-xf", os.path.join(STORES, name, name + ".tar.zst"), "-C", self.work], check=True)
        return self.path("store")

    def rows(self, name):
        with open(os.path.join(STORES, name, "expected.jsonl"), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def carve(self, path, *flags, code):
        run = tool("rmq-repair", "carve", path, "--out", self.out, "-o", "json", "--broker-conf", self.conf, *flags)
        self.assertEqual(run.returncode, code, f"seed {SEED}: {run.stderr}{run.stdout[-300:]}")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def in_store(self):
        dumped = tool("rmq-dump", "log", self.out, "-o", "json", "--hash", "--join", "--progress", "never")
        rows = [json.loads(line) for line in dumped.stdout.splitlines()]
        return {tuple(row[key] for key in KEEPS) for row in rows if row["kind"] == "record" and row["readable"]}

    def assert_store(self, wanted):
        """The store has these rows of expected.jsonl, and rmq-verify likes it."""
        there = self.in_store()
        missing = [row["phyOffset"] for row in wanted if tuple(row[key] for key in KEEPS) not in there]
        self.assertEqual(missing, [], f"seed {SEED}")
        run = tool("rmq-verify", self.out, "--level", "paranoid", "--broker-conf", self.conf)
        self.assertEqual(run.returncode, 0, f"seed {SEED}: {run.stdout}")

    def log_of(self, store):
        folder = os.path.join(store, "commitlog")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


class Damage(Case):
    def test_the_middle_was_overwritten(self):
        files = self.log_of(self.unpack("base"))
        size = os.path.getsize(files[0])
        first, last = 3 * size + 20_000, 3 * size + 45_000
        with open(files[3], "r+b") as file:
            file.seek(20_000)
            file.write(self.random.randbytes(25_000))
        lost = [row for row in self.rows("base") if row["phyOffset"] < last and row["phyOffset"] + row["size"] > first]
        kept = [row for row in self.rows("base") if row not in lost]
        rows = self.carve(self.path("store"), "--yes", code=1)
        self.assertEqual(rows[0]["records"], len(kept))
        self.assertEqual(rows[-1]["readable"], len(kept))
        self.assertEqual(rows[-1]["placeholders"], len(lost))
        self.assert_store(kept)

    def test_one_behind_the_other_at_odd_places(self):
        heap = self.path("heap")
        files = self.log_of(self.unpack("base"))
        self.random.shuffle(files)
        with open(heap, "wb") as out:
            for file in files:
                out.write(self.random.randbytes(self.random.randrange(1, 5000)))
                with open(file, "rb") as log:
                    out.write(log.read())
        rows = self.carve(heap, "--yes", code=1)
        self.assertEqual(rows[-1]["fileSize"], 65536)
        self.assert_store(self.rows("base"))

    def test_a_backup_beside_it(self):
        store = self.unpack("base")
        shutil.copytree(os.path.join(store, "commitlog"), os.path.join(store, "backup"))
        rows = self.carve(store, "--yes", code=1)
        self.assertEqual(rows[0]["duplicates"], 323)
        self.assertEqual(rows[0]["logs"], 1)
        self.assert_store(self.rows("base"))

    def test_two_stores_on_one_disk(self):
        first, second = self.path("first"), self.path("second")
        os.rename(self.unpack("base"), first)
        os.rename(self.unpack("bodies"), second)
        rows = self.carve(self.work, "--yes", "--out", tempfile.mkdtemp(prefix="rmq-carve-out."), code=5)
        self.out = rows[-1]["store"]
        self.addCleanup(shutil.rmtree, self.out)
        logs = [row for row in rows if row["kind"] == "carveLog"]
        self.assertEqual(sum(row["records"] for row in logs), rows[0]["records"])
        left = os.path.join(self.out, "lost+found", "carve", "left.ndjson")
        with open(left, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), rows[-1]["left"] + rows[-1]["unreadable"])

    def test_topics_come_from_the_log(self):
        self.carve(self.unpack("base"), "--yes", code=1)
        with open(os.path.join(self.out, "config", "topics.json"), encoding="utf-8") as file:
            topics = json.load(file)["topicConfigTable"]
        self.assertEqual(topics["Payments"]["readQueueNums"], 3)


@unittest.skipUnless(sbin("mkfs.ext4") and sbin("debugfs"), "mkfs.ext4 or debugfs is not there (e2fsprogs)")
class Image(Case):
    def image(self, folder, size="48M"):
        image = self.path("disk.img")
        subprocess.run([sbin("mkfs.ext4"), "-q", "-F", "-d", folder, image, size], check=True, capture_output=True)
        return image

    def debugfs(self, image, *commands):
        subprocess.run([sbin("debugfs"), "-w", "-f", "-", image], input="\n".join(commands), text=True, check=True,
                       capture_output=True)

    def test_files_that_were_deleted(self):
        store = self.unpack("base")
        image = self.image(store)
        self.debugfs(image, *(f"rm /commitlog/{os.path.basename(path)}" for path in self.log_of(store)))
        left = subprocess.run([sbin("debugfs"), "-R", "ls /commitlog", image], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("00000000000000065536", left)
        before = os.stat(image).st_mtime_ns
        rows = self.carve(image, "--yes", code=1)
        self.assertEqual(os.stat(image).st_mtime_ns, before)
        self.assertEqual(rows[0]["records"], 323)
        self.assert_store(self.rows("base"))

    def test_deleted_and_partly_used_again(self):
        store = self.unpack("base")
        image = self.image(store)
        names = [os.path.basename(path) for path in self.log_of(store)]
        self.debugfs(image, *(f"rm /commitlog/{name}" for name in names))
        garbage = self.path("garbage")
        with open(garbage, "wb") as file:
            file.write(self.random.randbytes(100_000))
        self.debugfs(image, f"write {garbage} new")
        rows = self.carve(image, code=0)
        self.assertGreater(rows[0]["records"], 200)
        self.carve(image, "--yes", code=1)
        self.assertEqual(len(self.in_store() & {tuple(row[key] for key in KEEPS) for row in self.rows("base")}), rows[0]["records"])


class Manners(Case):
    def test_a_preview_writes_nothing(self):
        store = self.unpack("base")
        listing = lambda: subprocess.run(f"find {self.work} -type f | sort | xargs sha256sum", shell=True, capture_output=True,
                                         check=True).stdout
        before = listing()
        rows = self.carve(store, code=0)
        self.assertEqual(listing(), before)
        self.assertFalse(os.path.exists(self.out))
        self.assertEqual({row["kind"] for row in rows}, {"carvePlan", "carveLog", "carveQueue", "carveRun"})
        text = tool("rmq-repair", "carve", store, "--out", self.out)
        self.assertIn("323 records found", text.stdout)
        self.assertIn("nothing was written", text.stdout)

    def test_nothing_in_noise(self):
        path = self.path("noise")
        with open(path, "wb") as file:
            file.write(self.random.randbytes(1 << 20))
        rows = self.carve(path, "--yes", code=4)
        self.assertEqual(rows[0]["records"], 0)
        self.assertFalse(os.path.exists(self.out))

    def test_wrong_use(self):
        store = self.unpack("base")
        os.mkdir(self.path("full"))
        with open(self.path("full/x"), "w", encoding="utf-8"):
            pass
        cases = [
            ([store], "give --out"),
            ([], "no PATH"),
            ([self.path("none"), "--out", self.out], "no such file"),
            ([store, "--out", os.path.join(store, "new")], "lies in"),
            ([store, "--out", self.path("full"), "--yes"], "not empty"),
            ([store, "--out", self.out, "--file-size", "1"], "makes no sense"),
            ([store, "--out", self.out, "--log", "9"], "only 1 were found"),
            ([store, "--out", self.out, "--loud"], "unknown flag"),
        ]
        for arguments, sentence in cases:
            with self.subTest(arguments=arguments):
                run = tool("rmq-repair", "carve", *arguments)
                self.assertEqual(run.returncode, 16, run.stderr)
                self.assertIn(sentence, run.stderr)
                self.assertFalse(os.path.exists(self.out))

    def test_help_fits_a_screen(self):
        run = tool("rmq-repair", "carve", "--help")
        self.assertEqual(run.returncode, 0)
        self.assertLessEqual(len(run.stdout.splitlines()), 24)
        self.assertLessEqual(max(map(len, run.stdout.splitlines())), 100)

    def test_stopped(self):
        path = self.path("large")
        with open(path, "wb") as file:
            file.truncate(1 << 30)
            file.seek(0)
            for _ in range(64):
                file.write(self.random.randbytes(1 << 20))
        run = subprocess.Popen([os.path.join(TOOLS, "rmq-repair"), "carve", path, "--out", self.out, "--yes", "--max-rate", "1M"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3000):
            with open(f"/proc/{run.pid}/status", encoding="ascii") as status:
                caught = next(line for line in status if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) & 1 << (signal.SIGINT - 1):
                break
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        self.assertEqual(run.returncode, 32)
        self.assertFalse(os.path.exists(self.out))


if __name__ == "__main__":
    print(f"seed {SEED}")
    unittest.main(argv=sys.argv[:1])
