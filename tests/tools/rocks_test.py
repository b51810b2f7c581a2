"""Queues and configuration in RocksDB: read like those in files, never written to, and made damage is named.

RMQ_ROCKS_EDIT is the helper of tests/rocks that changes databases."""
import collections
import fcntl
import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

from harness import Settings, dump, main, store, verify

STORES = ["rocksdb-cq", "rocksdb-double", "broker-rocksdb", "broker-config-v2", "broker-pop-kv"]


def expected(name, file="expected.jsonl"):
    with open(os.path.join(Settings.stores, name, file), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def copy(name):
    target = os.path.join(tempfile.mkdtemp(dir=Settings.work), "store")
    shutil.copytree(store(name), target)
    return target


def digest(root):
    """Names, sizes, times and contents; big sparse files by their size."""
    total = hashlib.sha256()
    for directory, folders, names in sorted(os.walk(root)):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            status = os.stat(path)
            total.update(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_mode}".encode())
            if status.st_size < 1 << 22:
                with open(path, "rb") as f:
                    total.update(f.read())
    return total.hexdigest()


def edit(root, database, family, verb, key, value=None):
    words = [os.environ["RMQ_ROCKS_EDIT"], os.path.join(root, database), family, verb, key.hex()]
    subprocess.run(words + ([] if value is None else [value.hex()]), check=True)


def unit_key(topic, queue, offset):
    name = topic.encode()
    return struct.pack(">ib", len(name), 1) + name + struct.pack(">bibq", 1, queue, 1, offset)


def unit(phy, size, tags, time=0):
    return struct.pack(">qiqq", phy, size, tags, time)


def end_key(topic, queue, which):
    name = topic.encode()
    return struct.pack(">ib", len(name), 1) + name + b"\x01" + which + struct.pack(">bi", 1, queue)


class Reading(unittest.TestCase):
    def test_nothing_is_written_and_every_byte_is_checked(self):
        for name in STORES:
            root = copy(name)
            before = digest(root)
            for level in ("quick", "normal", "deep", "paranoid"):
                with self.subTest(name=name, level=level):
                    run = verify(root, "--level", level, "--json")
                    self.assertEqual((run.code, run.err), (0, ""), run.out)
                    summary = run.rows("summary")[0]
                    self.assertTrue(summary["clean"])
                    self.assertEqual(summary["bytesChecked"], summary["bytesExpected"])
                    self.assertNotIn("ST-NOT-READ", summary["findings"])
            for arguments in (["log", "--join"], ["cq"], ["config"], ["state"], ["key", "key1"], ["trace", "key1"]):
                self.assertIn(dump(arguments[0], root, *arguments[1:], "--json").code, (0, 4))
            self.assertEqual(digest(root), before, name)

    def test_units_and_messages_are_those_of_rocketmq(self):
        for name in ("rocksdb-cq", "rocksdb-double", "broker-rocksdb"):
            keys = ("topic", "queueId", "queueOffset", "phyOffset", "size", "tagsCode")
            with self.subTest(name=name):
                rows = [tuple(r[k] for k in keys) for r in dump("cq", store(name), "--json").rows("cqUnit")]
                self.assertEqual(sorted(rows), sorted(tuple(r[k] for k in keys) for r in expected(name, "expected-cq.jsonl")))
                rows = dump("log", store(name), "--join", "--json").rows("record")
                for row, want in zip(rows, expected(name), strict=True):
                    self.assertEqual([row.get(k) for k in ("phyOffset", "inCq", "readable", "tagsCode")],
                                     [want.get(k) for k in ("phyOffset", "inCq", "readable", "tagsCode")])

    def test_ends_of_queues(self):
        for name in ("rocksdb-cq", "broker-rocksdb"):
            with open(os.path.join(Settings.stores, name, "expected-summary.json"), encoding="utf-8") as f:
                want = {(q["topic"], q["queueId"]): (q["minOffset"], q["maxOffset"]) for q in json.load(f)["consumeQueues"] if q["maxOffset"] > 0}
            got = {(q["topic"], q["queueId"]): (q["minOffset"], q["maxOffset"]) for q in dump("state", store(name), "--json").rows("queue")}
            self.assertEqual(got, want, name)

    def test_configuration(self):
        for name in ("broker-rocksdb", "broker-config-v2"):
            rows = dump("config", store(name), "--json").rows()
            kinds = collections.Counter(r["kind"] for r in rows)
            self.assertEqual(kinds["configDatabase"], 3)
            self.assertIn("RkTopic", [r["topicName"] for r in rows if r["kind"] == "topic"])
            ends = {(q["topic"], q["queueId"]): q["maxOffset"] for q in dump("state", store(name), "--json").rows("queue")}
            offsets = [r for r in rows if r["kind"] == "consumerOffset"]
            self.assertEqual({(r["group"], r["topic"], r["queueId"]) for r in offsets},
                             {("rk_group", "RkTopic", 0), ("rk_group", "RkTopic", 1)})
            for row in offsets:
                self.assertEqual(row["lag"], ends["RkTopic", row["queueId"]] - row["offset"])
            self.assertIn("RocksDB, instead of topics.json", dump("config", store(name)).out)

    def test_pop_states(self):
        run = verify(store("broker-pop-kv"), "--level", "deep", "--json")
        found = [f for f in run.rows("finding") if f["file"] == "kvStore/CURRENT"]
        self.assertEqual([(f["code"], f["severity"]) for f in found], [("PO-UNACKED", "benign")])
        self.assertIn("11 messages", found[0]["message"])

    def test_a_locked_database(self):
        root = copy("rocksdb-cq")
        want = dump("cq", root, "--json").out
        with open(os.path.join(root, "consumequeue", "LOCK"), "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            run = dump("cq", root, "--json")
            self.assertEqual((run.code, run.out), (0, want))
            self.assertEqual(verify(root, "--level", "deep", "--json").code, 0)

    def test_what_is_only_in_the_write_ahead_log(self):
        root = copy("rocksdb-cq")
        last = max((r for r in expected("rocksdb-cq", "expected-cq.jsonl") if r["topic"] == "RdbA" and r["queueId"] == 0),
                   key=lambda r: r["queueOffset"])
        edit(root, "consumequeue", "default", "wal", unit_key("RdbA", 0, last["queueOffset"] + 1), unit(last["phyOffset"], last["size"], 7))
        before = digest(root)
        rows = dump("cq", root, "-t", "RdbA", "-q", "0", "--json").rows("cqUnit")
        self.assertEqual((rows[-1]["queueOffset"], rows[-1]["tagsCode"]), (last["queueOffset"] + 1, 7))
        self.assertEqual(digest(root), before)


class Damage(unittest.TestCase):
    def check(self, root, codes, *flags):
        """Exactly these codes are above benign, each for RdbA queue 0 where it is about a queue."""
        before = digest(root)
        run = verify(root, "--level", "deep", "--json", *flags)
        found = [f for f in run.rows("finding") if f["severity"] != "benign"]
        self.assertEqual({f["code"] for f in found}, set(codes), run.out + run.err)
        self.assertEqual(run.code & ~8, 4 if codes else 0, run.err)
        self.assertEqual(digest(root), before)
        return found

    def units(self, topic="RdbA", queue=0):
        return [r for r in expected("rocksdb-cq", "expected-cq.jsonl") if (r["topic"], r["queueId"]) == (topic, queue)]

    def test_a_unit_that_is_gone(self):
        root = copy("rocksdb-cq")
        edit(root, "consumequeue", "default", "delete", unit_key("RdbA", 0, 5))
        found = self.check(root, ["CQ-HOLE"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [("RdbA", 0, 5)])

    def test_the_last_unit_gone(self):
        root = copy("rocksdb-cq")
        last = self.units()[-1]["queueOffset"]
        edit(root, "consumequeue", "default", "delete", unit_key("RdbA", 0, last))
        found = self.check(root, ["CQ-LAG", "CQ-ROCKSDB-ENDS"])
        self.assertEqual({(f["topic"], f["queueId"], f["queueOffset"]) for f in found}, {("RdbA", 0, last)})

    def test_a_unit_that_leads_elsewhere(self):
        root = copy("rocksdb-cq")
        one, other = self.units()[4], self.units()[9]
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", 0, 4), unit(other["phyOffset"], other["size"], one["tagsCode"]))
        found = self.check(root, ["CQ-WRONG-UNIT"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [("RdbA", 0, 4)])

    def test_a_wrong_tags_code(self):
        root = copy("rocksdb-cq")
        one = self.units()[4]
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", 0, 4), unit(one["phyOffset"], one["size"], one["tagsCode"] + 1))
        self.check(root, ["CQ-TAGS"])

    def test_a_unit_past_the_log(self):
        root = copy("rocksdb-cq")
        last = self.units()[-1]["queueOffset"]
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", 0, last + 1), unit(1 << 40, 200, 0))
        edit(root, "consumequeue", "offset", "put", end_key("RdbA", 0, b"max"), struct.pack(">qq", 1 << 40, last + 1))
        self.check(root, ["CQ-DANGLING"])

    def test_ends_that_are_not_the_queue_s(self):
        root = copy("rocksdb-cq")
        edit(root, "consumequeue", "offset", "put", end_key("RdbA", 0, b"max"), struct.pack(">qq", 0, 3))
        found = self.check(root, ["CQ-ROCKSDB-ENDS"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"], f["severity"]) for f in found], [("RdbA", 0, 4, "hidden")])
        edit(root, "consumequeue", "offset", "put", end_key("RdbA", 0, b"max"), struct.pack(">qq", 0, 3000))
        self.assertEqual(self.check(root, ["CQ-ROCKSDB-ENDS"])[0]["severity"], "degraded")
        edit(root, "consumequeue", "offset", "delete", end_key("RdbA", 0, b"max"))
        self.assertEqual(self.check(root, ["CQ-ROCKSDB-ENDS"])[0]["queueOffset"], 0)

    def test_entries_that_are_none(self):
        root = copy("rocksdb-cq")
        edit(root, "consumequeue", "default", "put", b"hello", b"world")
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", -1, 0), unit(0, 1, 0))
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", 0, -1), unit(0, 1, 0))
        edit(root, "consumequeue", "offset", "put", b"hello", b"world")
        found = self.check(root, ["CQ-ROCKSDB-ENTRY"])
        self.assertIn("4 entries", found[0]["message"])

    def test_values_and_offsets_from_hell(self):
        root = copy("rocksdb-cq")
        edit(root, "consumequeue", "default", "put", unit_key("RdbA", 0, 5), b"short")
        edit(root, "consumequeue", "default", "put", unit_key("Far", 0, 1 << 50), unit(-1, -1, -1))
        edit(root, "consumequeue", "default", "put", unit_key("Far", 0, 1 << 20), unit(0, 91, 0))
        run = verify(root, "--level", "deep", "--json")
        self.assertEqual(run.code, 4)
        self.assertIn("CQ-ROCKSDB", {f["code"] for f in run.rows("finding")})
        self.assertLess(len(run.rows("finding")), 50)

    def test_a_table_that_is_gone_or_damaged(self):
        for name in ("000010.sst", "000011.sst"):
            root = copy("rocksdb-cq")
            os.remove(os.path.join(root, "consumequeue", name))
            run = verify(root, "--level", "deep", "--json")
            self.assertIn("CQ-ROCKSDB", {f["code"] for f in run.rows("finding")})
            self.assertEqual(run.code & 4, 4)
            summary = run.rows("summary")[0]
            self.assertLess(summary["bytesChecked"], summary["bytesExpected"])
            self.assertNotEqual(dump("cq", root, "-t", "RdbA", "--no-strict-names").code, 0)
        root = copy("rocksdb-cq")
        with open(os.path.join(root, "consumequeue", "000011.sst"), "r+b") as f:
            f.seek(700)
            byte = f.read(1)
            f.seek(700)
            f.write(bytes([byte[0] ^ 1]))
        run = verify(root, "--level", "deep", "--json")
        self.assertIn("CQ-ROCKSDB", {f["code"] for f in run.rows("finding")}, run.out)
        self.assertEqual(run.code & 4, 4)

    def test_files_and_rocksdb_that_differ(self):
        root = copy("rocksdb-double")
        one = next(r for r in expected("rocksdb-double", "expected-cq.jsonl") if (r["topic"], r["queueId"], r["queueOffset"]) == ("DblA", 1, 6))
        edit(root, "consumequeue", "default", "put", unit_key("DblA", 1, 6), unit(one["phyOffset"], one["size"], 99))
        found = self.check(root, ["CQ-ROCKSDB-DOUBLE"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [("DblA", 1, 6)])

    def test_configuration_that_is_none(self):
        root = copy("broker-rocksdb")
        edit(root, "config/topics", "default", "put", b"Broken", b"{")
        self.assertEqual(self.check(root, ["CF-ROCKSDB-ENTRY"])[0]["file"], "config/topics/CURRENT")
        self.assertEqual(dump("config", root).code, 4)
        root = copy("broker-config-v2")
        edit(root, "config/rdb", "default", "put", b"\x07", b"")
        edit(root, "config/rdb", "default", "put", bytes.fromhex("010003020001") + b"T", b"\x02")
        self.assertEqual(self.check(root, ["CF-ROCKSDB-ENTRY"])[0]["file"], "config/rdb/CURRENT")
        root = copy("broker-rocksdb")
        os.remove(os.path.join(root, "config", "consumerOffsets", "000015.sst"))
        self.assertEqual(self.check(root, ["CF-ROCKSDB"])[0]["file"], "config/consumerOffsets/CURRENT")

    def test_pop_states_that_are_none(self):
        value = json.dumps({"popTime": 5, "groupId": "g", "topicId": "PopTopic", "queueId": 0, "invisibleTime": 6, "offset": 3}).encode()
        key = struct.pack(">q", 11) + b"g@PopTopic@" + struct.pack(">i", 0) + b"@" + struct.pack(">q", 3)
        good = copy("broker-pop-kv")
        edit(good, "kvStore", "popState", "put", key, value)
        self.check(good, [])
        self.assertIn("12 messages", verify(good, "--level", "deep").out)
        nowhere = copy("broker-pop-kv")
        edit(nowhere, "kvStore", "popState", "put", key[:-8] + struct.pack(">q", 9999), value.replace(b'"offset": 3', b'"offset": 9999'))
        self.check(nowhere, [])
        self.assertIn("PO-ORPHAN", verify(nowhere, "--level", "deep").out)
        for wrong in ((b"hello", value), (key, b"{"), (key, value.replace(b"3", b"4")), (key + b"x", value)):
            root = copy("broker-pop-kv")
            edit(root, "kvStore", "popState", "put", *wrong)
            self.assertEqual(self.check(root, ["PO-ROCKSDB-ENTRY"])[0]["file"], "kvStore/CURRENT")
        root = copy("broker-pop-kv")
        edit(root, "kvStore", "popState", "wal", key, value)
        self.check(root, [])
        self.assertIn("12 messages", verify(root, "--level", "deep").out)

    def test_pop_states_that_cannot_be_read(self):
        for name in ("CURRENT", "MANIFEST-000005", "000011.sst"):
            root = copy("broker-pop-kv")
            os.remove(os.path.join(root, "kvStore", name))
            for level in ("quick", "normal", "deep"):
                run = verify(root, "--level", level, "--json")
                self.assertEqual({f["code"] for f in run.rows("finding") if f["severity"] != "benign"}, {"PO-ROCKSDB"}, name)
        root = copy("broker-pop-kv")
        path = os.path.join(root, "kvStore", "000011.sst")
        with open(path, "r+b") as f:
            f.seek(300)
            byte = f.read(1)
            f.seek(300)
            f.write(bytes([byte[0] ^ 1]))
        self.check(root, ["PO-ROCKSDB"])

    def test_offsets_in_rocksdb_are_held_against_queues(self):
        root = copy("broker-config-v2")
        edit(root, "config/rdb", "default", "put", bytes.fromhex("010001020008726B5F67726F7570010007526B546F7069630100000001"),
             struct.pack(">q", 7777))
        found = self.check(root, ["CF-OFFSET-BEYOND"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [("RkTopic", 1, 7777)])


class Comparing(unittest.TestCase):
    def compare(self, first, second):
        run = verify(first, "--compare", second, "--json")
        return run.code, run.rows("difference"), run.rows("summary")[0]

    def test_queues_in_rocksdb(self):
        for name in ("rocksdb-cq", "rocksdb-double", "broker-rocksdb"):
            code, rows, summary = self.compare(store(name), copy(name))
            self.assertEqual((code, rows), (0, []), name)
            self.assertEqual(summary["unitsChecked"], len(expected(name, "expected-cq.jsonl")), name)

    def test_a_unit_that_differs(self):
        root = copy("rocksdb-cq")
        one = next(r for r in expected("rocksdb-cq", "expected-cq.jsonl") if (r["topic"], r["queueId"], r["queueOffset"]) == ("RdbA", 0, 5))
        edit(root, "consumequeue", "default", "delete", unit_key("RdbA", 0, 5))
        for first, second in ((root, store("rocksdb-cq")), (store("rocksdb-cq"), root)):
            code, rows, summary = self.compare(first, second)
            self.assertEqual(code, 4)
            self.assertEqual([(r["difference"], r["topic"], r["queueId"], r["queueOffset"], r["from"]) for r in rows],
                             [("queue", "RdbA", 0, 5, one["phyOffset"])])
            self.assertEqual(summary["firstDivergence"], None)

    def test_files_and_rocksdb_of_the_same_log(self):
        root = copy("rocksdb-double")
        shutil.move(os.path.join(root, "consumequeue"), os.path.join(root, "aside"))
        os.mkdir(os.path.join(root, "consumequeue"))
        for name in os.listdir(os.path.join(root, "aside")):
            if not os.path.isdir(os.path.join(root, "aside", name)):
                shutil.move(os.path.join(root, "aside", name), os.path.join(root, "consumequeue", name))
        shutil.rmtree(os.path.join(root, "aside"))
        code, rows, summary = self.compare(store("rocksdb-double"), root)
        self.assertEqual((code, rows), (0, []))
        self.assertEqual(summary["unitsChecked"], len(expected("rocksdb-double", "expected-cq.jsonl")))

    def test_a_database_that_cannot_be_read(self):
        root = copy("rocksdb-cq")
        os.remove(os.path.join(root, "consumequeue", "CURRENT"))
        os.remove(os.path.join(root, "consumequeue", "000011.sst"))
        run = verify(store("rocksdb-cq"), "--compare", root)
        self.assertEqual(run.code & 4, 4)  # its queues are gone
        root = copy("rocksdb-cq")
        os.remove(os.path.join(root, "consumequeue", "000011.sst"))
        run = verify(store("rocksdb-cq"), "--compare", root)
        self.assertEqual(run.code & 8, 8)
        self.assertIn("RocksDB with the consume queues of the second store", run.err)


if __name__ == "__main__":
    main()
