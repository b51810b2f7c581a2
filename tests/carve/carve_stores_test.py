#!/usr/bin/env python3
"""carve_stores_test.py TOOLS_DIR STORES_DIR [NAME...]: rmq-repair carve from every golden store.

The files of each store are put under random names into one directory, and a store is carved from that. Every message that is
whole is in the new store where it was, log offset, queue and queue offset, and can be read, or is named in left.ndjson with its
reason; and rmq-verify finds nothing there at the paranoid level. Prints a line a failure, and the score last.
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from each_store import rows_of, run, unpack_store  # noqa: E402

# The copies that compaction made of messages are records of another log with the same queue offsets.
DUPLICATES = {"compaction": "CQ-DUPLICATE-OFFSET"}
KEEPS = ("phyOffset", "topic", "queueId", "queueOffset", "bodySha256")
# How the new store's own files are to be; what the log's files were like is found out.
SIZES = ("mappedFileSizeConsumeQueue", "maxHashSlotNum", "maxIndexNum", "messageDelayLevel")


def lose_names(store, heap):
    """All files of the store into one directory, in any order, under names that say nothing."""
    os.mkdir(heap)
    chance = random.Random(7)
    for folder, _, names in sorted(os.walk(store)):
        for name in sorted(names):
            os.rename(os.path.join(folder, name), os.path.join(heap, f"{chance.getrandbits(64):016x}"))


def check(tools, stores, name, work, complain):
    folder = os.path.join(stores, name)
    store, settings = unpack_store(stores, name, work)
    heap, out = (os.path.join(work, part) for part in ("heap", "out"))
    conf = os.path.join(work, "broker.conf")
    with open(conf, "w", encoding="utf-8") as file:
        for key, value in settings.get("storeConfig", {}).items():
            if key in SIZES:
                file.write(f"{key}={value}\n")
    lose_names(store, heap)

    def tool(command, *arguments):
        return subprocess.run([os.path.join(tools, command), *arguments, "--broker-conf", conf], capture_output=True, text=True,
                              timeout=120)

    shown = tool("rmq-repair", "carve", heap, "--out", out, "-o", "json")
    if os.path.exists(out):
        complain("the preview wrote something")
    plan = json.loads(shown.stdout.splitlines()[0])
    if plan["records"] == 0:
        whole = [row for row in rows_of(os.path.join(folder, "expected.jsonl"))] if os.path.exists(
            os.path.join(folder, "expected.jsonl")) else []
        if whole or shown.returncode != 4:
            complain(f"nothing found, exit {shown.returncode}")
        return
    if shown.returncode not in (0, 4):
        complain(f"the preview ends with {shown.returncode}: {shown.stderr}")
    one = tool("rmq-repair", "carve", heap, "--out", out, "-o", "json", "-j", "1").stdout
    four = tool("rmq-repair", "carve", heap, "--out", out, "-o", "json", "-j", "4", "--mem", "16M").stdout
    if not shown.stdout == one == four:
        complain("the number of threads makes a difference")
    done = tool("rmq-repair", "carve", heap, "--out", out, "-o", "json", "--yes")
    if done.returncode not in (1, 5):
        complain(f"exit {done.returncode}: {done.stderr}")
        return
    result = json.loads(done.stdout.splitlines()[-1])
    verified = tool("rmq-verify", out, "--level", "paranoid", "-o", "json", "--progress", "never")
    findings = [json.loads(line) for line in verified.stdout.splitlines()]
    bad = [f for f in findings if f["kind"] == "finding" and f["severity"] != "benign" and
           not f["code"].startswith("CF-") and f["code"] != DUPLICATES.get(name)]
    if bad:
        complain(f"rmq-verify finds {bad[:2]}")

    damage = {}
    if os.path.exists(os.path.join(folder, "damage.json")):
        with open(os.path.join(folder, "damage.json"), encoding="utf-8") as file:
            damage = json.load(file)
    before = os.path.join(stores, damage.get("base") or name, "expected.jsonl")
    dumped = tool("rmq-dump", "log", out, "-o", "json", "--hash", "--join", "--progress", "never")
    keeps = KEEPS if result["ownOffsets"] else KEEPS[1:]
    there = {}
    for line in dumped.stdout.splitlines():
        row = json.loads(line)
        if row["kind"] == "record":
            there[tuple(row[key] for key in keeps)] = row["readable"]
    left_rows = rows_of(os.path.join(out, "lost+found", "carve", "left.ndjson"))
    left = {(row["phyOffset"], row["topic"], row["queueId"], row["queueOffset"]) for row in left_rows}
    if any(not row["reason"] for row in left_rows):
        complain("a message is left out without a reason")
    if not os.path.exists(before):
        return
    destroyed = set(damage.get("destroyedPhyOffsets", []))
    missing = damage.get("salvageable_messages", 0)
    count = 0
    for row in rows_of(before):
        if row["phyOffset"] in destroyed or not row.get("bodyCRCOk", True):
            continue
        readable = there.get(tuple(row[key] for key in keeps))
        named = (row["phyOffset"], row["topic"], row["queueId"], row["queueOffset"]) in left
        if readable is None and not named:
            complain(f"the message at {row['phyOffset']} is neither in the store nor named")
            return
        if not readable and row["readable"] and not named:
            complain(f"the message at {row['phyOffset']} cannot be read")
            return
        count += bool(readable)
    if missing and count < missing - len(left_rows):
        complain(f"{count} of {missing} messages can be read")


if __name__ == "__main__":
    sys.exit(run(check))
