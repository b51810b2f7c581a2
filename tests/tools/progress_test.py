"""rmq-verify --level deep holds state against queues and log: made damage of each kind is named, and nothing else is above benign."""
import json
import os
import re
import shutil
import struct
import tempfile
import unittest
import zlib

from harness import Settings, dump, main, store, verify

HALF, OP = "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC"


def expected(name):
    with open(os.path.join(Settings.stores, name, "expected.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def copy(name):
    target = os.path.join(tempfile.mkdtemp(dir=Settings.work), "store")
    shutil.copytree(store(name), target)
    return target


def edit(root, name, pattern, replacement):
    """Both the file and its .bak, so that no other finding comes of it."""
    for path in (os.path.join(root, "config", name), os.path.join(root, "config", name + ".bak")):
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            text = f.read()
        changed = re.sub(pattern, replacement, text)
        assert changed != text or path.endswith(".bak"), (path, text)
        with open(path, "w", encoding="utf-8") as f:
            f.write(changed)


def write(root, name, text):
    os.makedirs(os.path.join(root, "config"), exist_ok=True)
    with open(os.path.join(root, "config", name), "w", encoding="utf-8") as f:
        f.write(text)


def log_file(root, phy_offset):
    names = sorted(os.listdir(os.path.join(root, "commitlog")))
    name = [n for n in names if int(n) <= phy_offset][-1]
    return os.path.join(root, "commitlog", name), phy_offset - int(name)


def set_body(root, phy_offset, body):
    """Another body of the same length, with its checksum."""
    path, position = log_file(root, phy_offset)
    with open(path, "r+b") as f:
        f.seek(position + 8)
        f.write(struct.pack(">i", zlib.crc32(body) & 0x7FFFFFFF))
        f.seek(position + 84)  # IPv4 hosts
        assert struct.unpack(">i", f.read(4))[0] == len(body)
        f.write(body)


class Progress(unittest.TestCase):
    def found(self, root, code, *flags):
        run = verify(root, "--level", "deep", "--json", *flags)
        return run, [f for f in run.rows("finding") if f["code"] == code]

    def alone(self, run, codes):
        """Whatever is above benign has one of these codes."""
        self.assertEqual({f["code"] for f in run.rows("finding") if f["severity"] != "benign"}, set(codes), run.out)
        self.assertEqual(run.code, 4 if codes else 0, run.err)

    def test_reference_stores_are_clean(self):
        for name in ("broker-config", "broker-delay", "broker-trans", "broker-trans-rmq4", "broker-pop", "broker-timer",
                     "broker-retry-dlq", "broker-retry-dlq-rmq4"):
            with self.subTest(name=name):
                run, _ = self.found(store(name), "TX-PENDING")
                self.alone(run, [])

    def test_a_consumer_beyond_the_end(self):
        root = copy("broker-config")
        edit(root, "consumerOffset.json", r'("OrderedTopic@cg_order":\{)0:\d+', r"\g<1>0:5000")
        run, found = self.found(root, "CF-OFFSET-BEYOND")
        self.alone(run, ["CF-OFFSET-BEYOND"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"], f["file"]) for f in found],
                         [("OrderedTopic", 0, 5000, "config/consumerOffset.json")])
        self.assertIn("cg_order", found[0]["message"])
        # Not looked for at the normal level.
        self.assertEqual(verify(root, "--json").code, 0)

    def test_a_consumer_beyond_the_end_of_a_damaged_queue_is_a_consequence(self):
        root = copy("broker-config")
        queue = os.path.join(root, "consumequeue", "OrderedTopic", "1")
        for name in os.listdir(queue):
            with open(os.path.join(queue, name), "r+b") as f:
                f.seek(5 * 20)
                f.write(bytes(os.path.getsize(f.name) - 5 * 20))
        run, found = self.found(root, "CF-OFFSET-BEYOND")
        self.assertEqual([f["severity"] for f in found], ["benign"])
        self.alone(run, ["CQ-LAG"])

    def test_consumers_below_the_start_and_of_nothing(self):
        root = copy("expired-front")
        queue = next(q for q in dump("state", root, "--json").rows("queue") if q["minOffset"] > 0)
        write(root, "consumerOffset.json", '{"offsetTable":{"%s@late":{%d:0},"Gone@late":{0:7},"%s@unlisted":{%d:%d}}}' % (
            queue["topic"], queue["queueId"], queue["topic"], queue["queueId"], queue["maxOffset"]))
        write(root, "subscriptionGroup.json", '{"subscriptionGroupTable":{"late":{"groupName":"late"}}}')
        write(root, "topics.json", '{"topicConfigTable":{}}')
        run, found = self.found(root, "CF-OFFSET-BELOW")
        self.alone(run, [])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [(queue["topic"], queue["queueId"], 0)])
        self.assertIn(f"{queue['minOffset']} message", found[0]["message"])
        self.assertEqual([f["topic"] for f in run.rows("finding") if f["code"] == "CF-OFFSET-TOPIC"], ["Gone"])
        self.assertEqual(["unlisted" in f["message"] for f in run.rows("finding") if f["code"] == "CF-OFFSET-GROUP"], [True])

    def test_delay_levels_beyond_and_below(self):
        root = copy("broker-delay")
        edit(root, "delayOffset.json", r"1:7,2:7", "1:700,2:-3")
        run, found = self.found(root, "CF-DELAY-BEYOND")
        self.alone(run, [])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [("SCHEDULE_TOPIC_XXXX", 0, 700)])
        below = [f for f in run.rows("finding") if f["code"] == "CF-DELAY-BELOW"]
        self.assertEqual([(f["queueId"], f["queueOffset"]) for f in below], [(1, None)])  # no queue offset is negative

    def test_messages_on_levels_that_there_are_not(self):
        conf = os.path.join(Settings.work, "short.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("messageDelayLevel=1s 2s 3s 10m\n")
        run, found = self.found(store("broker-delay"), "CF-DELAY-LEVEL", "--broker-conf", conf)
        self.alone(run, ["CF-DELAY-LEVEL", "CQ-TAGS"])  # their times of delivery fit no level either
        waiting = {r["queueId"] for r in expected("broker-delay") if r["topic"] == "SCHEDULE_TOPIC_XXXX"}
        self.assertEqual({f["queueId"] for f in found}, {q for q in waiting if q > 3})

    def test_delay_offsets_that_are_gone(self):
        root = copy("broker-delay")
        for name in ("delayOffset.json", "delayOffset.json.bak"):
            os.remove(os.path.join(root, "config", name))
        run, found = self.found(root, "CF-DELAY-LOST")
        self.alone(run, ["CF-DELAY-LOST"])
        self.assertEqual(len(found), 1)

    def test_overdue_messages(self):
        root = copy("broker-delay")
        edit(root, "delayOffset.json", r"1:7,", "1:0,")
        path, position = log_file(root, expected("broker-delay")[-1]["phyOffset"])
        with open(path, "r+b") as f:
            f.seek(position + 56)
            time, = struct.unpack(">q", f.read(8))
            f.seek(position + 56)
            f.write(struct.pack(">q", time + 300_000))
        run, found = self.found(root, "CF-DELAY-LATE", "--skip", "IX-*")
        self.assertEqual([(f["queueId"], f["queueOffset"]) for f in found], [(0, 0)])
        self.alone(run, [])

    def test_open_transactions(self):
        root = copy("broker-trans")
        edit(root, "consumerOffset.json", r"0:85", "0:0")
        run, found = self.found(root, "TX-PENDING")
        self.alone(run, [])
        decided = set()
        for row in dump("log", root, "-t", OP, "--body", "text", "--json").rows("record"):
            if row["queueOffset"] >= 2:
                decided |= {int(part) for part in row["body"].split(",") if part}
        halves = {r["queueOffset"] for r in expected("broker-trans") if r["topic"] == HALF}
        open_ones = halves - decided
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [(HALF, 0, min(open_ones))])
        self.assertIn(f"{len(open_ones)} half messages are", found[0]["message"])
        self.assertIn(f"{len(open_ones)} pending", dump("config", root).out)

    def test_decisions_about_nothing(self):
        root = copy("broker-trans")
        edit(root, "consumerOffset.json", r"0:2\b", "0:0")
        row = dump("log", root, "-t", OP, "--body", "text", "--json").rows("record")[0]
        body = row["body"]
        wrong = re.sub(r"^\d(\d*),", lambda m: "9" * (len(m.group(1)) + 1) + ",", body)
        number = wrong.split(",")[0]
        if len(number) < 2:  # a single digit is no offset behind the end: take the longest instead
            parts = [p for p in body.split(",") if p]
            longest = max(parts, key=len)
            number = "9" * len(longest)
            wrong = "".join((number if p == longest else p) + "," for p in parts)
        self.assertGreater(int(number), max(r["queueOffset"] for r in expected("broker-trans") if r["topic"] == HALF))
        set_body(root, row["phyOffset"], wrong.encode())
        run, found = self.found(root, "TX-ORPHAN-OP")
        self.alone(run, ["TX-ORPHAN-OP"])
        self.assertEqual([(f["topic"], f["queueId"], f["queueOffset"]) for f in found], [(OP, 0, row["queueOffset"])])

    def test_pop_check_points(self):
        root = copy("broker-pop")
        edit(root, "consumerOffset.json", r"0:0,1:9,2:3", "0:0,1:0,2:0")
        row = next(r for r in dump("log", root, "--body", "text", "--json").rows("record")
                   if r["tags"] == "ck" and r["topic"].startswith("rmq_sys_REVIVE") and '"so":14,' in r["body"])
        set_body(root, row["phyOffset"], row["body"].replace('"so":14,', '"so":94,').encode())
        run, found = self.found(root, "PO-ORPHAN")
        self.alone(run, [])
        self.assertEqual([(f["topic"], f["queueId"]) for f in found], [(row["topic"], row["queueId"])])
        unacked = [f for f in run.rows("finding") if f["code"] == "PO-UNACKED"]
        self.assertTrue(unacked)

    def test_a_revive_queue_beyond_its_end(self):
        root = copy("broker-pop")
        edit(root, "consumerOffset.json", r"1:9,2:3", "1:9000,2:3")
        run, found = self.found(root, "CF-OFFSET-BEYOND")
        self.alone(run, ["CF-OFFSET-BEYOND"])
        self.assertEqual([(f["topic"], f["queueId"]) for f in found], [("rmq_sys_REVIVE_LOG_DefaultCluster", 1)])


if __name__ == "__main__":
    main()
