#!/usr/bin/env python3
"""Compares what rmq-dump prints with what RocketMQ itself reads, store by store.

usage: compare_dump.py [--dump PATH] [--unpacked DIR] [-v] DIR [NAME ...]

DIR holds a folder for each store: NAME.tar.zst (unpacks to store/) or store/ itself, store.json, expected*.jsonl, or damage.json for
damaged copies, whose `base` names the store with the expected records. Prints one line for each difference and a
score for each verb; exit 1 when anything differs. No field is left out of the comparison except those named in SKIP.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

JOIN_FIELDS = {"tagsCode", "inCq", "readable", "otherQueues", "cqQueueOffset", "batchNum", "compactionLogOffset"}
CQ_KEYS = ("topic", "queueId", "queueOffset", "phyOffset", "size", "tagsCode", "tagsCodeStored", "batchNum",
           "compactedOffset", "ext")


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Comparer:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = tempfile.mkdtemp(prefix="compare_dump.")
        self.score = {}

    def store(self, name):
        for root in [self.arguments.unpacked or self.arguments.directory, self.arguments.directory, self.work]:
            path = os.path.join(root, name, "store")
            if os.path.isdir(path):
                return path
        target = os.path.join(self.work, name)
        os.makedirs(target)
        subprocess.run(["tar", "--zstd", "-xf", os.path.join(self.arguments.directory, name, name + ".tar.zst"),
                        "-C", target], check=True)
        return os.path.join(target, "store")

    def broker_conf(self, name):
        path = os.path.join(self.work, name + ".conf")
        with open(os.path.join(self.arguments.directory, name, "store.json"), encoding="utf-8") as f:
            config = json.load(f)["storeConfig"]
        root = self.store(name)
        with open(path, "w", encoding="utf-8") as f:
            for key, value in config.items():
                f.write(f"{key}={value.replace('{ROOT}', root)}\n")
        return path

    def dump(self, name, verb, *flags):
        command = [self.arguments.dump, verb, self.store(name), "-o", "json", "--progress", "never", *flags]
        needs_conf = name.startswith("multipath") or name.startswith("dledger")
        if needs_conf:
            command += ["--broker-conf", self.broker_conf(name)]
        run = subprocess.run(command, capture_output=True)
        return run.returncode, [json.loads(line) for line in run.stdout.decode("utf-8").splitlines()], run.stderr

    def judge(self, verb, name, differences):
        equal, total = self.score.get(verb, (0, 0))
        self.score[verb] = (equal + (not differences), total + 1)
        shown = differences if self.arguments.verbose else differences[:3]
        for difference in shown:
            print(f"{name} {verb}: {difference}")
        if len(differences) > len(shown):
            print(f"{name} {verb}: ... {len(differences)} differences")

    def expectation(self, name):
        """Expected records, the offsets that must be missing, and whether the queues are untouched."""
        directory = self.arguments.directory
        own = os.path.join(directory, name, "expected.jsonl")
        if os.path.exists(own):
            return lines(own), set(), True
        with open(os.path.join(directory, name, "damage.json"), encoding="utf-8") as f:
            damage = json.load(f)
        return (lines(os.path.join(directory, damage["base"], "expected.jsonl")),
                set(damage.get("destroyedPhyOffsets", [])), False)

    def log(self, name):
        expected, destroyed, whole = self.expectation(name)
        code, printed, error = self.dump(name, "log", "--hash", "--join")
        differences = []
        records = [r for r in printed if r["kind"] == "record"]
        gaps = [g for g in printed if g["kind"] == "gap"]
        if bool(gaps) != bool(code & 4):
            differences.append(f"{len(gaps)} gaps but exit {code}")
        if code & ~4:
            differences.append(f"exit {code}: {error.decode()}")
        if whole:
            return self.judge("log", name, differences + self.compare_whole(name, expected, records, gaps))
        self.judge("log", name, differences + self.compare_damaged(expected, destroyed, records, gaps))

    def compare_whole(self, name, expected, records, gaps):
        # What an earlier generation left behind the log's end is told, and is no difference.
        end = max((r["phyOffset"] for r in records), default=0)
        differences = [f"gap {gap}" for gap in gaps if gap["looksLike"] != "stale" or gap["from"] < end]
        if [r["phyOffset"] for r in records] != [e["phyOffset"] for e in expected]:
            missing = {e["phyOffset"] for e in expected} - {r["phyOffset"] for r in records}
            invented = {r["phyOffset"] for r in records} - {e["phyOffset"] for e in expected}
            differences.append(f"missing {sorted(missing)[:5]}, invented {sorted(invented)[:5]}, or another order")
        by_offset = {r["phyOffset"]: r for r in records}
        for want in expected:
            got = by_offset.get(want["phyOffset"], {})
            wrong = {k: (v, got.get(k, "absent")) for k, v in want.items()
                     if k not in got or got[k] != v or type(got[k]) is not type(v)}
            if got and wrong:
                differences.append(f"at {want['phyOffset']}: {wrong}")
            extra = set(got) - set(want) - {"kind", "schema"}
            if extra:
                differences.append(f"at {want['phyOffset']}: unexpected {extra}")
        return differences

    def compare_damaged(self, expected, destroyed, records, gaps):
        """Each whole record once by its own offset (copies aside), none that is not base's."""
        differences = []
        wanted = {e["storedPhyOffset"]: e for e in expected if e["phyOffset"] not in destroyed}
        seen = set()
        volatile = JOIN_FIELDS | {"phyOffset", "file"}
        for record in records:
            own = record["storedPhyOffset"]
            if "duplicateOf" in record:
                if record["duplicateOf"] != own:
                    differences.append(f"duplicateOf {record['duplicateOf']} of a record of {own}")
                continue
            want = wanted.get(own)
            if want is None:
                # A destroyed record whose structure survived is still printed; its bytes say how it differs.
                if record["phyOffset"] not in destroyed and own not in destroyed:
                    differences.append(f"invented {record['phyOffset']} (own offset {own})")
                continue
            if own in seen:
                differences.append(f"twice: {own}")
            seen.add(own)
            wrong = {k: (v, record.get(k, "absent")) for k, v in want.items() if k not in volatile and record.get(k) != v}
            if wrong:
                differences.append(f"at {record['phyOffset']}: {wrong}")
        missing = set(wanted) - seen
        if missing:
            differences.append(f"missing {sorted(missing)[:10]}")
        printed = {r["phyOffset"] for r in records}
        for offset in destroyed - printed:
            if not any(g["from"] <= offset < g["to"] for g in gaps) and gaps_needed(expected, offset, records, gaps):
                differences.append(f"silent about {offset}")
        return differences

    def rows(self, verb, name, file, keys, kind):
        path = os.path.join(self.arguments.directory, name, file)
        if not os.path.exists(path):
            return
        flags = []
        code, printed, error = self.dump(name, verb, *flags)
        differences = [] if code == 0 else [f"exit {code}: {error.decode()}"]
        cut = lambda row: json.dumps({k: row[k] for k in keys if k in row}, sort_keys=True)
        want = [cut(row) for row in lines(path)]
        got = [cut(row) for row in printed if row["kind"] == kind]
        if want != got:
            missing = [row for row in want if row not in set(got)]
            invented = [row for row in got if row not in set(want)]
            differences.append(f"missing {len(missing)} {missing[:1]}, invented {len(invented)} {invented[:1]}, "
                               f"{len(want)} wanted, {len(got)} printed")
        self.judge(verb, name, differences)


def gaps_needed(expected, offset, records, gaps):
    """A lost tail leaves nothing: neither a record nor a gap lies at or behind it."""
    ends = [r["phyOffset"] + r["size"] for r in records] + [g["to"] for g in gaps]
    starts = [r["phyOffset"] for r in records] + [g["from"] for g in gaps]
    return bool(ends) and min(starts) <= offset < max(ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dump", default="build/dev/tools/rmq-dump")
    parser.add_argument("--unpacked", help="folder with NAME/store unpacked already")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("directory")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    names = arguments.names or sorted(n for n in os.listdir(arguments.directory)
                                      if os.path.exists(os.path.join(arguments.directory, n, "store.json")))
    comparer = Comparer(arguments)
    index_keys = ("file", "n", "keyHash", "phyOffset", "timeDiff", "prev", "slot")
    for name in names:
        comparer.log(name)
        comparer.rows("cq", name, "expected-cq.jsonl", CQ_KEYS, "cqUnit")
        comparer.rows("index", name, "expected-index.jsonl", index_keys, "indexEntry")
    subprocess.run(["rm", "-rf", comparer.work], check=True)
    for verb, (equal, total) in comparer.score.items():
        print(f"{verb}: {equal} of {total} stores equal")
    sys.exit(0 if all(equal == total for equal, total in comparer.score.values()) else 1)


if __name__ == "__main__":
    main()
