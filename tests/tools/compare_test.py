"""rmq-verify --compare on the command line: what it prints, what it ends with."""
import fcntl
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Settings, dump, main, store, verify


class Compare(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="compare.", dir=Settings.work)
        self.first = store("base")
        self.second = os.path.join(self.work, "store")
        subprocess.run(["cp", "-a", "--sparse=always", self.first, self.second], check=True)

    def tearDown(self):
        shutil.rmtree(self.work)

    def records(self):
        return dump("log", self.first, "--json").rows("record")

    def test_equal(self):
        run = verify(self.first, "--compare", self.second, "--json")
        self.assertEqual(run.code, 0, run.out + run.err)
        rows = run.rows()
        self.assertEqual([row["kind"] for row in rows], ["summary"])
        end = max(row["phyOffset"] + row["size"] for row in self.records())
        self.assertTrue(rows[0]["equal"])
        self.assertIsNone(rows[0]["firstDivergence"])
        self.assertEqual((rows[0]["firstEnd"], rows[0]["secondEnd"], rows[0]["bytesChecked"]), (end, end, end))
        self.assertEqual(verify(self.first, "--compare", self.second, "-j", "1").out.splitlines()[-1].split(" (")[0], "equal")

    def test_a_changed_byte(self):
        row = self.records()[33]
        at = row["phyOffset"] + row["size"] - 1
        with open(os.path.join(self.second, "commitlog", row["file"]), "rb+") as log:
            log.seek(at - int(row["file"]))
            was = log.read(1)
            log.seek(at - int(row["file"]))
            log.write(bytes([was[0] ^ 1]))
        run = verify(self.first, "--compare", self.second, "--json")
        self.assertEqual(run.code, 4, run.err)
        rows = run.rows("difference")
        self.assertEqual([r["difference"] for r in rows], ["record", "range"])
        for field in ("topic", "queueId", "queueOffset", "uniqKey"):
            self.assertEqual(rows[0][field], row[field])
        self.assertEqual((rows[0]["from"], rows[0]["to"], rows[0]["firstByte"]), (row["phyOffset"], row["phyOffset"] + row["size"], at))
        self.assertEqual(run.rows("summary")[0]["firstDivergence"], at)
        text = verify(self.first, "--compare", self.second)
        self.assertEqual(text.code, 4)
        self.assertIn(f"first divergence at {at}", text.out)
        self.assertIn(f"[first byte {at}]", text.out)

    def test_a_slave_that_is_behind(self):
        row = self.records()[-3]
        with open(os.path.join(self.second, "commitlog", row["file"]), "rb+") as log:
            size = log.seek(0, os.SEEK_END)
            log.truncate(row["phyOffset"] - int(row["file"]))
            log.truncate(size)
        run = verify(self.first, "--compare", self.second, "--json")
        self.assertEqual(run.code, 4, run.err)
        rows = run.rows("difference")
        self.assertEqual([(r["difference"], r["from"], r["messages"]) for r in rows], [("end", row["phyOffset"], 3)])
        self.assertIn("equal where both are", verify(self.first, "--compare", self.second).out)

    def test_use(self):
        with open(os.path.join(self.second, "lock"), "wb+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX, 1, 0)
            self.assertEqual(verify(self.first, "--compare", self.second).code, 64)
            self.assertEqual(verify(self.second, "--compare", self.first).code, 64)
            run = verify(self.first, "--compare", self.second, "--live")
            self.assertEqual(run.code, 0, run.out + run.err)
        for flags in (["--level", "deep"], ["--preflight"], ["--only", "CL-*"], ["--report", "x.html"],
                      ["--commitlog", os.path.join(self.first, "commitlog")]):
            self.assertEqual(verify(self.first, "--compare", self.second, *flags).code, 16, flags)
        self.assertEqual(verify(self.first, "--compare", "/no/such/store").code, 16)
        log = os.path.join(self.second, "commitlog")
        self.assertEqual(verify(self.first, "--compare", os.path.join(log, sorted(os.listdir(log))[0])).code, 16)


if __name__ == "__main__":
    main()
