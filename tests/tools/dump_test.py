"""What rmq-dump prints equals what RocketMQ itself reads, and each filter selects what it says."""
import base64
import hashlib
import json
import os
import subprocess
import sys
import unittest

from harness import Settings, dump, main, store

# One of each kind; scripts/compare_dump.py goes over all of a folder.
STORES = ["base", "base-rmq4", "plain", "cq-ext", "batch-inner", "batch-flat", "lmq", "compressed", "ipv6", "index",
          "expired-front", "expired-front-rmq4", "dledger", "multipath", "topic-v2", "prop-crc", "broker-trans", "rocksdb-cq",
          "rocksdb-double", "broker-rocksdb",
          "empty", "dmg-cl-overlap", "dmg-cl-renamed", "dmg-cl-swapped", "dmg-cl-empty-middle", "dmg-zero-page",
          "dmg-size-zero", "dmg-blank-lost", "dmg-magic-blank", "dmg-phyoffset-field", "crash-powerloss"]


class AgainstRocketMQ(unittest.TestCase):
    def test_reference_stores(self):
        there = [name for name in STORES if os.path.isdir(os.path.join(Settings.stores, name))]
        self.assertGreater(len(there), 10)
        run = subprocess.run([sys.executable, os.path.join(Settings.source, "scripts", "compare_dump.py"),
                              "--dump", Settings.dump, Settings.stores, *there], capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout.decode() + run.stderr.decode())


def expected(name):
    with open(os.path.join(Settings.stores, name, "expected.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Filters(unittest.TestCase):
    def check(self, wanted, *flags, name="base"):
        want = [r["phyOffset"] for r in expected(name) if wanted(r)]
        self.assertTrue(want, "the filter should select something")
        run = dump("log", store(name), "--json", *flags)
        self.assertEqual(run.code, 0, run.err)
        self.assertEqual([r["phyOffset"] for r in run.rows()], want)

    def test_topic(self):
        self.check(lambda r: r["topic"] == "Orders", "-t", "Orders")
        self.check(lambda r: r["topic"] in ("Orders", "Payments"), "-t", "Ord*", "Pay?ent[r-t]")
        self.check(lambda r: r["topic"] in ("Orders", "Payments"), "--topic=Orders,Payments")
        self.check(lambda r: r["topic"] != "Orders", "-T", "Orders")

    def test_queue_and_offsets(self):
        self.check(lambda r: r["queueId"] in (0, 2), "-q", "0,2")
        self.check(lambda r: r["queueId"] >= 1, "-q", "1-5")
        self.check(lambda r: 5 <= r["queueOffset"] < 9, "--qfrom", "5", "--qto", "9")
        self.check(lambda r: 65536 <= r["phyOffset"] < 131072, "--from", "0x10000", "--to", "131072")

    def test_time(self):
        times = sorted(r["storeTimestamp"] for r in expected("base"))
        low, high = times[50], times[200]
        self.check(lambda r: low <= r["storeTimestamp"] < high, "--since", str(low), "--until", str(high))
        self.check(lambda r: r["storeTimestamp"] >= 1767314400000, "--since", "2026-01-02T08:40:00+08:00")
        self.check(lambda r: r["storeTimestamp"] >= 1767314400000, "--utc", "--since", "2026-01-02T00:40")

    def test_content(self):
        self.check(lambda r: r["keys"] and "key20" in r["keys"].split(" "), "--key", "key20")
        self.check(lambda r: r["tags"] == "TagA", "--tag", "TagA")
        some = expected("base")[10]
        self.check(lambda r: r["phyOffset"] == some["phyOffset"], "--msgid", some["offsetMsgId"])
        name, value = next((k, v) for r in expected("base") for k, v in r["properties"].items() if k == "region")
        self.check(lambda r: r["properties"].get(name) == value, "--prop", f"{name}={value}")
        run = dump("log", store("compressed"), "--json", "--body-grep", "number", "--body", "base64", "--decompress")
        self.assertTrue(run.rows())
        for row in run.rows():
            self.assertIn(b"number", base64.b64decode(row["bodyBase64"]))

    def test_limit_and_tail(self):
        all_offsets = [r["phyOffset"] for r in expected("base")]
        first = dump("log", store("base"), "--json", "-n", "7").rows()
        last = dump("log", store("base"), "--json", "--tail", "7").rows()
        self.assertEqual([r["phyOffset"] for r in first], all_offsets[:7])
        self.assertEqual([r["phyOffset"] for r in last], all_offsets[-7:])
        self.assertEqual(dump("log", store("base"), "--json", "-n", "0").rows(), [])

    def test_jobs_change_nothing(self):
        one = dump("log", store("plain"), "--json", "--hash", "--join", "-j", "1")
        many = dump("log", store("plain"), "--json", "--hash", "--join", "-j", "7", "--mem", "8M")
        self.assertEqual(one.out, many.out)


class Contents(unittest.TestCase):
    def test_bodies(self):
        wanted = {r["phyOffset"]: r for r in expected("compressed")}
        for flags, key in (([], "bodySha256"), (["--decompress"], "plainBodySha256")):
            rows = dump("log", store("compressed"), "--json", "--body", "base64", *flags).rows()
            self.assertEqual(len(rows), len(wanted))
            for row in rows:
                body = base64.b64decode(row["bodyBase64"])
                self.assertEqual(hashlib.sha256(body).hexdigest(), wanted[row["phyOffset"]][key])

    def test_properties_as_stored(self):
        for row in dump("log", store("base"), "--json", "--body", "base64").rows():
            stored = base64.b64decode(row["propertiesBase64"]).decode("utf-8")
            pairs = dict(part.split("\x01", 1) for part in stored.split("\x02") if part)
            self.assertEqual(pairs, row["properties"])

    def test_body_files(self):
        folder = os.path.join(Settings.work, "bodies")
        os.makedirs(folder, exist_ok=True)
        wanted = {r["phyOffset"]: r["bodySha256"] for r in expected("base")}
        rows = dump("log", store("base"), "--json", "-n", "5", "--body", "file:" + folder).rows()
        for row in rows:
            with open(row["bodyFile"], "rb") as f:
                self.assertEqual(hashlib.sha256(f.read()).hexdigest(), wanted[row["phyOffset"]])

    def test_stats_add_up(self):
        for group in ("topic", "queue", "hour", "tag"):
            rows = dump("log", store("base"), "--json", "--stats=" + group).rows("stats")
            total = rows.pop()
            self.assertEqual(total["group"], "total")
            self.assertEqual(total["messages"], len(expected("base")))
            for field in ("messages", "bytes", "bodyBytes", "badBodyCRC"):
                self.assertEqual(sum(row[field] for row in rows), total[field])

    def test_gaps(self):
        run = dump("log", store("dmg-cl-missing-middle"), "--json")
        self.assertEqual(run.code, 4)
        gap, = run.rows("gap")
        self.assertEqual((gap["from"], gap["to"], gap["looksLike"]), (196608, 262144, "missing"))

    def test_copies(self):
        run = dump("log", store("dmg-cl-overlap"), "--json")
        copies = [r for r in run.rows("record") if "duplicateOf" in r]
        originals = {r["phyOffset"]: r for r in run.rows("record") if "duplicateOf" not in r}
        self.assertTrue(copies)
        for copy in copies:
            self.assertEqual(originals[copy["duplicateOf"]]["offsetMsgId"], copy["offsetMsgId"])
            self.assertNotEqual(copy["phyOffset"], copy["storedPhyOffset"])


class LookUps(unittest.TestCase):
    def test_keys_as_rocketmq_finds_them(self):
        for name in ("base", "index", "base-rmq4"):
            with open(os.path.join(Settings.stores, name, "expected-summary.json"), encoding="utf-8") as f:
                queries = json.load(f)["queries"]
            self.assertGreater(len(queries), 20)
            for query in queries[::5]:
                run = dump("key", store(name), query["key"], "-t", query["topic"], "--json", "-n", "64")
                found = {r["phyOffset"] for r in run.rows("record")}
                # RocketMQ answers with whatever has the hash; what has the key too must be there.
                missed = {r["phyOffset"] for r in run.rows("keyMiss")}
                self.assertEqual(found | missed, set(query["phyOffsets"]) | missed, query)
                self.assertEqual(run.code, 0 if found else 4)

    def test_loops_end(self):
        for name in ("dmg-index-cycle", "dmg-index-self-loop"):
            for key in ("key1", "key20", "nothing"):
                self.assertIn(dump("key", store(name), key, "--json").code, (0, 4))
            ends = {r["end"] for r in dump("index", store(name), "--chains", "--json").rows("indexChain")}
            self.assertTrue(ends & {"loops", "runs into another chain", "leads to an entry of another slot"}, ends)

    def test_message_by_every_name(self):
        wanted = expected("base")[33]
        names = [wanted["offsetMsgId"], wanted["offsetMsgId"].lower(), str(wanted["phyOffset"]), hex(wanted["phyOffset"])]
        if wanted["uniqKey"]:
            names.append(wanted["uniqKey"])
        for name in names:
            row, = dump("msg", store("base"), name, "--json").rows()
            self.assertEqual(row["phyOffset"], wanted["phyOffset"], name)
        run = dump("msg", store("base"), str(wanted["phyOffset"] + 1))
        self.assertEqual((run.code, run.out), (4, ""))

    def test_message_without_an_index(self):
        wanted = next(r for r in expected("no-index") if r["uniqKey"])
        row, = dump("msg", store("no-index"), wanted["uniqKey"], "--json").rows()
        self.assertEqual(row["phyOffset"], wanted["phyOffset"])


class StateAndConfig(unittest.TestCase):
    def test_queues_as_rocketmq_sees_them(self):
        for name in ("base", "plain", "expired-front", "expired-front-rmq4", "cq-ext", "batch-inner", "lmq"):
            with open(os.path.join(Settings.stores, name, "expected-summary.json"), encoding="utf-8") as f:
                summary = json.load(f)
            rows = dump("state", store(name), "--json").rows()
            queues = {(r["topic"], r["queueId"]): r for r in rows if r["kind"] == "queue"}
            for want in summary["consumeQueues"]:
                if want["entries"] == 0 and (want["topic"], want["queueId"]) not in queues:
                    continue
                got = queues[want["topic"], want["queueId"]]
                if want["entries"] or want["maxOffset"]:
                    self.assertEqual((got["minOffset"], got["maxOffset"], got["type"]),
                                     (want["minOffset"], want["maxOffset"], want["type"]), (name, want["topic"]))
            checkpoint, = [r for r in rows if r["kind"] == "checkpoint"]
            for field, value in summary["checkpoint"].items():
                self.assertEqual(checkpoint[field], value, field)
            log, = [r for r in rows if r["kind"] == "commitLog"]
            self.assertEqual((log["minOffset"], log["maxOffset"]),
                             (summary["commitLog"]["minOffset"], summary["commitLog"]["maxOffset"]), name)

    def test_lock_holder(self):
        import fcntl
        path = os.path.join(store("base"), "lock")
        with open(path, "w", encoding="ascii") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX, 1)
            row, = dump("state", store("base"), "--json").rows("processes")
            self.assertEqual(row["lockHolderPid"], os.getpid())
        os.remove(path)

    def test_config(self):
        run = dump("config", store("broker-config"), "--json")
        self.assertEqual(run.code, 0, run.err)
        kinds = {row["kind"] for row in run.rows()}
        self.assertLessEqual({"configFile", "topic", "group", "consumerOffset"}, kinds)
        for row in run.rows("consumerOffset"):
            if "lag" in row:
                self.assertEqual(row["lag"], row["maxOffset"] - row["offset"])
        damaged = dump("config", store("dmg-config-topics-garbage"), "--json")
        self.assertEqual(damaged.code, 4)
        topics, = [r for r in damaged.rows("configFile") if r["file"] == "topics.json"]
        self.assertEqual(topics["loadedFrom"], "bak")


class Reading(unittest.TestCase):
    def test_changes_nothing(self):
        root = store("base")
        before = self.picture(root)
        for verb in ("log", "cq", "index", "state", "config"):
            dump(verb, root, "--json")
        dump("key", root, "key20")
        self.assertEqual(self.picture(root), before)

    @staticmethod
    def picture(root):
        found = {}
        for folder, _, files in os.walk(root):
            for name in files:
                path = os.path.join(folder, name)
                status = os.stat(path)
                with open(path, "rb") as f:
                    found[path] = (status.st_mtime_ns, status.st_size, hashlib.sha256(f.read()).hexdigest())
        return found


if __name__ == "__main__":
    main()
