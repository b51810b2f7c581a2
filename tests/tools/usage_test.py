"""rmq-dump usage: what the files hold, who has still to read from them, what goes with one."""
import collections
import json
import os
import shutil
import unittest

from harness import copy, dump, main, store


def by_topic(rows, kind):
    counted = collections.Counter()
    for row in rows:
        if row["kind"] == kind:
            counted[row.get("topic") or row.get("name")] += row["bytes"]
    return counted


class Usage(unittest.TestCase):
    def test_counts_what_stats_counts(self):
        for name in ("base", "multipath", "dledger", "expired-front", "dmg-zero-page"):
            with self.subTest(name=name):
                run = dump("usage", store(name), "-o", "json")
                self.assertEqual(run.code, 0, run.err)
                stats = {row["name"]: row["bytes"] for row in dump("log", store(name), "--stats", "-o", "json").rows("stats")
                         if row["group"] == "topic"}
                self.assertEqual(dict(by_topic(run.rows(), "usage")), stats)
                self.assertEqual(dict(by_topic(run.rows(), "usageTopic")), stats)
                self.assertRegex(run.err, r"(\d+) of \1 bytes checked")

    def test_a_file_s_rows_add_up(self):
        rows = dump("usage", store("base"), "--json").rows()
        for file in (row for row in rows if row["kind"] == "usageFile"):
            own = [row for row in rows if row["kind"] == "usage" and row["file"] == file["file"]]
            self.assertEqual(sum(row["messages"] for row in own), file["messages"])
            self.assertEqual(sum(row["bytes"] for row in own), file["bytes"])

    def test_who_has_still_to_read(self):
        delays = {row["level"]: row["lag"] for row in dump("config", store("broker-delay"), "--json").rows("delayOffset")}
        files = dump("usage", store("broker-delay"), "--json").rows("usageFile")
        behind = collections.Counter()
        for file in files:
            self.assertEqual(file["allGroupsPassed"], not file["behind"])
            for one in file["behind"]:
                behind[one["group"]] += one["messages"]
        self.assertGreater(sum(delays.values()), 0)
        self.assertEqual(behind["(delay levels)"], sum(delays.values()))

    def test_a_group_in_the_middle_of_the_log(self):
        # The units of a queue say in which file each message lies.
        root = copy("base", "usage-group")
        units = dump("cq", root, "-t", "Orders", "-q", "0", "--json").rows("cqUnit")
        files = dump("usage", root, "--json").rows("usageFile")
        starts = [int(os.path.basename(file["file"])) for file in files]
        config = os.path.join(root, "config")
        os.makedirs(config, exist_ok=True)
        for read in (0, 1, len(units) // 2, len(units)):
            with open(os.path.join(config, "consumerOffset.json"), "w", encoding="ascii") as file:
                json.dump({"offsetTable": {"Orders@G": {"0": read}}}, file)
            left = collections.Counter(max(start for start in starts if start <= unit["phyOffset"]) for unit in units[read:])
            run = dump("usage", root, "--json")
            shown = {int(os.path.basename(row["file"])): {one["group"]: one["messages"] for one in row["behind"]}.get("G", 0)
                     for row in run.rows("usageFile")}
            self.assertEqual({start: count for start, count in shown.items() if count}, dict(left))
        shutil.rmtree(root)

    def test_what_goes_with_a_file(self):
        rows = dump("usage", store("base"), "--json").rows("usageFile")
        root = store("base")
        freed = 0
        for i, row in enumerate(rows):
            if i + 1 == len(rows):
                self.assertEqual(row["frees"], 0)
                break
            self.assertGreaterEqual(row["frees"], row["size"])
            freed += row["frees"]
            self.assertEqual(row["freesWithEarlier"], freed)
            # By the units: a queue file goes whose last unit leads below the next log file.
            begin = int(os.path.basename(rows[i + 1]["file"]))
            gone = sum(other["size"] for other in rows[:i + 1])
            for topic in os.listdir(os.path.join(root, "consumequeue")):
                for queue in os.listdir(os.path.join(root, "consumequeue", topic)):
                    directory = os.path.join(root, "consumequeue", topic, queue)
                    for name in sorted(os.listdir(directory))[:-1]:
                        with open(os.path.join(directory, name), "rb") as file:
                            units = file.read()
                        if int.from_bytes(units[-20:-12], "big") < begin:
                            gone += len(units)
            for name in sorted(os.listdir(os.path.join(root, "index")))[:-1]:
                with open(os.path.join(root, "index", name), "rb") as file:
                    if int.from_bytes(file.read(32)[24:], "big") < begin:
                        gone += os.path.getsize(os.path.join(root, "index", name))
            self.assertEqual(freed, gone)

    def test_text(self):
        run = dump("usage", store("broker-delay"), "--utc")
        self.assertEqual(run.code, 0)
        self.assertIn("still to be read: (delay levels)", run.out)
        self.assertIn("all files: ", run.out)


if __name__ == "__main__":
    main()
