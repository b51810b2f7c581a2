"""rmq-dump trace tells of every message what RocketMQ's own reading of the stores (expected.jsonl) adds up to."""
import collections
import glob
import json
import os
import re
import unittest

from harness import Settings, dump, main, store

HALF, OP = "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC"
GIVEN_UP, SCHEDULE, TIMER = "TRANS_CHECK_MAX_TIME_TOPIC", "SCHEDULE_TOPIC_XXXX", "rmq_sys_wheel_timer"


def expected(name):
    with open(os.path.join(Settings.stores, name, "expected.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def lives(name):
    """Records by UNIQ_KEY, in the log's order."""
    found = collections.defaultdict(list)
    for record in expected(name):
        if record["uniqKey"]:
            found[record["uniqKey"]].append(record)
    return found


def trace(name, key, *flags):
    run = dump("trace", store(name), key, "--json", *flags)
    assert run.code == 0, run.err
    rows = run.rows()
    assert rows[-1]["kind"] == "trace"
    return [row for row in rows if row["kind"] == "step"], rows[-1]


def places(steps):
    return [(s["phyOffset"], s["topic"], s["queueId"], s["queueOffset"], s["storeTimestamp"]) for s in steps]


def offsets_of(name, group):
    rows = dump("config", store(name), "--json").rows("consumerOffset")
    return {(r["topic"], r["queueId"]): r["offset"] for r in rows if r["group"] == group}


class Traces(unittest.TestCase):
    def copies(self, name, key, records, steps, but=()):
        """Every record with the key is a step, and no other record is."""
        self.assertEqual(places(s for s in steps if s["step"] not in ("decided", *but)),
                         [(r["phyOffset"], r["topic"], r["queueId"], r["queueOffset"], r["storeTimestamp"]) for r in records])

    def transactions(self, name):
        ops = collections.defaultdict(set)
        for row in dump("log", store(name), "-t", OP, "--body", "text", "--json").rows("record"):
            for part in row["body"].split(","):
                if part:
                    ops[row["queueId"]].add(int(part))
        passed = offsets_of(name, "CID_RMQ_SYS_TRANS")
        states = collections.Counter()
        for key, records in lives(name).items():
            if records[0]["topic"] != HALF:
                continue
            steps, end = trace(name, key)
            self.copies(name, key, records, steps)
            topics = {r["topic"] for r in records}
            last = [r for r in records if r["topic"] == HALF][-1]
            if "TransTopic" in topics:
                want = "committed"
            elif GIVEN_UP in topics:
                want = "givenUp"
            elif last["queueOffset"] in ops[last["queueId"]]:
                want = "rolledBack"
            else:
                want = "passed" if passed.get((HALF, last["queueId"]), 0) > last["queueOffset"] else "pending"
            self.assertEqual(end["transaction"], want, key)
            self.assertEqual(end["topic"], "TransTopic")
            self.assertEqual([s["checkTimes"] for s in steps if s["step"] == "checked"],
                             [int(r["properties"]["TRANSACTION_CHECK_TIMES"]) for r in [r for r in records if r["topic"] == HALF][1:]])
            decided = [s["halfQueueOffset"] for s in steps if s["step"] == "decided"]
            halves = [r["queueOffset"] for r in records if r["topic"] == HALF]
            self.assertEqual(sorted(decided), [h for h in halves if h in ops[last["queueId"]]])
            states[want] += 1
        return states

    def test_transactions(self):
        for name in ("broker-trans", "broker-trans-rmq4"):
            with self.subTest(name=name):
                states = self.transactions(name)
                self.assertGreater(states["committed"], 5)
                self.assertGreater(states["rolledBack"], 5)
                self.assertGreaterEqual(len(states), 3)

    def test_delay_levels(self):
        for name in ("broker-delay", "broker-delay-rmq4"):
            seen = collections.Counter()
            for key, records in lives(name).items():
                steps, end = trace(name, key)
                self.copies(name, key, records, steps)
                self.assertEqual(steps[0]["due"], records[0]["tagsCode"])
                self.assertEqual(steps[0]["level"], int(records[0]["properties"]["DELAY"]))
                self.assertEqual((steps[0]["realTopic"], end["topic"]), ("DelayTopic", "DelayTopic"))
                if len(records) == 1:
                    self.assertEqual(end["state"], "waiting")
                    self.assertEqual(end["waiting"]["due"], records[0]["tagsCode"])
                else:
                    self.assertEqual([s["step"] for s in steps], ["delayed", "delivered"])
                    self.assertNotIn("waiting", end)
                seen[end["state"]] += 1
            self.assertGreater(seen["waiting"], 5, name)
            self.assertGreater(sum(seen.values()) - seen["waiting"], 5, name)

    def test_retries_and_dead_letters(self):
        for name in ("broker-retry-dlq", "broker-retry-dlq-rmq4"):
            dead = 0
            for key, records in lives(name).items():
                steps, end = trace(name, key)
                self.copies(name, key, records, steps)
                self.assertEqual(end["topic"], "WorkTopic")
                self.assertEqual(steps[0]["step"], "stored")
                retries = [r for r in records if r["topic"].startswith("%RETRY%")]
                group = [g for g in end["groups"] if g["group"] == "work_group"]
                if len(records) > 1:
                    self.assertEqual(group[0]["retries"], len(retries))
                    is_dead = any(r["topic"] == "%DLQ%work_group" for r in records)
                    self.assertEqual(group[0]["deadLetter"], is_dead)
                    self.assertEqual(end["state"] == "deadLetter", is_dead)
                    dead += is_dead
                self.assertEqual([s["reconsumeTimes"] for s in steps], [r["reconsumeTimes"] for r in records])
            self.assertGreater(dead, 2, name)

    def test_timer(self):
        seen = collections.Counter()
        for key, records in lives("broker-timer").items():
            steps, end = trace("broker-timer", key)
            self.copies("broker-timer", key, records, steps)
            recalled = any("TIMER_DEL_UNIQKEY" in r["properties"] for r in records)
            delivered = any(r["topic"] == "TimerTopic" for r in records)
            self.assertEqual(steps[0]["step"], "timed")
            self.assertEqual(steps[0]["due"], int(records[0]["properties"]["TIMER_OUT_MS"]))
            want = "recalled" if recalled else "waiting" if not delivered else "stored"
            self.assertEqual(end["state"], want, key)
            seen[want] += 1
        self.assertEqual(set(seen), {"recalled", "waiting", "stored"})

    def test_pop(self):
        name = "broker-pop"
        bodies = [r for r in dump("log", store(name), "--body", "text", "--json").rows("record") if r["tags"] in ("ck", "ack")]
        seen = collections.Counter()
        for key, records in lives(name).items():
            if records[0]["topic"] not in ("PopTopic", "PopOrder"):
                continue
            steps, end = trace(name, key)
            self.copies(name, key, records, steps, but=("popped", "popDue", "acked", "ackDue"))
            mine = {(r["topic"], r["queueId"], r["queueOffset"]) for r in records}
            want = []
            for row in bodies:
                body = json.loads(row["body"])
                names = [body["so"] + d for d in body["d"]] if row["tags"] == "ck" else [body["ao"]]
                if any((body["t"], body["q"], n) in mine for n in names):
                    want.append((row["phyOffset"], row["tags"]))
            told = [(s["phyOffset"], "ck" if s["step"].startswith("pop") else "ack") for s in steps
                    if s["step"] in ("popped", "popDue", "acked", "ackDue")]
            self.assertEqual(told, want, key)
            seen[end["state"]] += 1
        self.assertGreater(seen["acked"], 5)
        self.assertGreater(seen["retried"] + seen["hidden"], 1)

    def test_pop_in_rocksdb(self):
        with open(glob.glob(os.path.join(store("broker-pop-kv"), "kvStore", "*.sst"))[0], "rb") as f:
            states = [json.loads(text) for text in re.findall(rb'{"popTime":[^}]*}', f.read())]  # not compressed
        self.assertEqual(len(states), 11)
        places = {(s["topicId"], s["queueId"], s["offset"]): s for s in states}
        seen = 0
        for key, records in lives("broker-pop-kv").items():
            steps, end = trace("broker-pop-kv", key)
            self.copies("broker-pop-kv", key, records, steps, but=("popped",))
            told = [s for s in steps if s["step"] == "popped"]
            want = [places[p] for p in [(r["topic"], r["queueId"], r["queueOffset"]) for r in records] if p in places]
            self.assertEqual(sorted((s["group"], s["popTime"], s["due"], s["phyOffset"]) for s in told),
                             sorted((s["groupId"], s["popTime"], s["popTime"] + s["invisibleTime"], -1) for s in want), key)
            if want:
                self.assertEqual(end["state"], "hidden", key)
                self.assertEqual(end["groups"][0]["invisibleUntil"], max(s["popTime"] + s["invisibleTime"] for s in want))
            seen += len(want)
        self.assertEqual(seen, 11)

    def test_every_way_to_name_a_message(self):
        record = next(r for r in expected("broker-retry-dlq") if r["topic"] == "WorkTopic" and r["keys"])
        whole, end = trace("broker-retry-dlq", record["uniqKey"])
        for name in (str(record["phyOffset"]), hex(record["phyOffset"]), record["offsetMsgId"], record["offsetMsgId"].lower()):
            self.assertEqual(trace("broker-retry-dlq", name), (whole, end), name)
        # A copy leads to the whole life too.
        self.assertEqual(trace("broker-retry-dlq", str(whole[-1]["phyOffset"])), (whole, end))
        by_key = dump("trace", store("broker-retry-dlq"), record["keys"], "--json").rows("trace")
        self.assertEqual({r["trace"] for r in by_key},
                         {r["uniqKey"] for r in expected("broker-retry-dlq") if r["keys"] == record["keys"]})

    def test_filters(self):
        name = "broker-retry-dlq"
        key = collections.Counter(r["keys"] for r in expected(name) if r["keys"] and r["topic"] == "WorkTopic").most_common(1)[0][0]
        everything = dump("trace", store(name), key, "--json").rows("trace")
        self.assertGreater(len(everything), 1)
        run = dump("trace", store(name), key, "-n", "1", "--json")
        self.assertEqual(run.rows("trace"), everything[:1])
        self.assertIn("--limit", run.err)
        self.assertEqual(dump("trace", store(name), key, "-t", "WorkTopic", "--json").rows("trace"), everything)
        self.assertEqual(dump("trace", store(name), key, "-t", "TBW102", "--no-strict-names").code, 4)
        self.assertEqual(dump("trace", store(name), key, "-t", "NoSuchTopic").code, 16)
        steps, _ = trace(name, everything[0]["trace"])
        part, _ = trace(name, everything[0]["trace"], "--to", str(steps[0]["phyOffset"] + 1))
        self.assertEqual(part, steps[:1])
        part, _ = trace(name, everything[0]["trace"], "--until", str(steps[0]["storeTimestamp"] + 1))
        self.assertEqual(part, steps[:1])

    def test_gaps_are_told(self):
        run = dump("trace", store("dmg-zero-page"), str(expected("base")[0]["phyOffset"]), "--json")
        self.assertEqual(run.code, 4)
        self.assertEqual(len(run.rows("trace")), 1)
        self.assertIn("gap", run.err)


if __name__ == "__main__":
    main()
