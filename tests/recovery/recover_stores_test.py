#!/usr/bin/env python3
"""recover_stores_test.py TOOLS_DIR STORES_DIR [--work DIR] [NAME...]: rmq-store open on every golden store.

Each opens, or is refused by name. Afterwards rmq-verify finds nothing at the paranoid level (but for the broker's state files,
which are not the store's to mend), a second open has nothing to do, every message that was whole is where it was, in log and
queue, and the slots of those that were not are held by placeholders. Prints one line a failure, and the score last.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from each_store import rows_of, run, unpack_store  # noqa: E402

REFUSED = {"broker-rocksdb": "RocksDB", "rocksdb-cq": "RocksDB", "rocksdb-double": "RocksDB", "dledger": "DLedger"}
PLACEHOLDER = "rmqLostMessage"
KEEPS = ("phyOffset", "topic", "queueId", "queueOffset", "bodySha256")


def unpack(stores, name, work):
    """A copy of the store in `work`, and a broker.conf with what it was made with: their paths."""
    store, settings = unpack_store(stores, name, work)
    conf = os.path.join(work, "broker.conf")
    with open(conf, "w", encoding="utf-8") as file:
        for key, value in {**settings.get("storeConfig", {}), **settings.get("brokerConfig", {})}.items():
            file.write(f"{key}={value}\n".replace("{ROOT}", store))
    return store, conf


def check_messages(tool, stores, name, store, placeholders, complain):
    """Every message that was whole is where it was, and placeholders are where they were promised."""
    folder = os.path.join(stores, name)
    damage = {}
    if os.path.exists(os.path.join(folder, "damage.json")):
        with open(os.path.join(folder, "damage.json"), encoding="utf-8") as file:
            damage = json.load(file)
    before = os.path.join(stores, damage.get("base") or name, "expected.jsonl")
    if not os.path.exists(before):
        return
    dumped = tool("rmq-dump", "log", store, "-o", "json", "--hash", "--join", "--progress", "never")
    after = {}
    for line in dumped.stdout.splitlines():
        row = json.loads(line)
        if row["kind"] == "record":
            after[row["phyOffset"]] = row
    destroyed = set(damage.get("destroyedPhyOffsets", []))
    for row in rows_of(before):
        if row["phyOffset"] in destroyed or "dledger" in row:
            continue
        now = after.get(row["phyOffset"])
        if now is None or any(now[key] != row[key] for key in KEEPS):
            complain(f"the message at {row['phyOffset']} is not what it was: {now}")
            return
        if row["readable"] and not now["readable"]:
            complain(f"the message at {row['phyOffset']} cannot be read any more")
            return
    for lost in placeholders:
        row = after.get(lost["phyOffset"])
        held = row and (row["topic"], row["queueId"], row["queueOffset"]) == (lost["topic"], lost["queueId"], lost["queueOffset"])
        if not held or not row["readable"] or PLACEHOLDER not in row["properties"]:
            complain(f"no placeholder where the plan says so: {lost}, {row}")
            return


def check(tools, stores, name, work, complain):
    store, conf = unpack(stores, name, work)

    def tool(command, *arguments):
        return subprocess.run([os.path.join(tools, command), *arguments, "--broker-conf", conf], capture_output=True, text=True,
                              timeout=120)

    forecast = tool("rmq-verify", store, "--preflight", "--version-as", "libstore", "-o", "json", "--progress", "never")
    opened = tool("rmq-store", "open", store, "-o", "json")
    planned = json.loads(forecast.stdout)
    if name in REFUSED:
        if opened.returncode != 4 or REFUSED[name] not in opened.stderr or planned["starts"]:
            complain(f"not refused: {opened.stderr}")
        return
    if opened.returncode != 0:
        complain(f"exit {opened.returncode}: {opened.stderr}")
        return
    plan = json.loads(opened.stdout)
    if planned["steps"] != plan["steps"]:
        complain("the plan that preflight shows is another")
    verified = tool("rmq-verify", store, "--level", "paranoid", "-o", "json", "--progress", "never")
    findings = [json.loads(line) for line in verified.stdout.splitlines()]
    codes = {f["code"] for f in findings if f["kind"] == "finding" and f["severity"] != "benign"}
    if not all(code.startswith("CF-") for code in codes):
        complain(f"rmq-verify finds {sorted(codes)}")
    again = tool("rmq-store", "open", store, "-o", "json")
    if again.returncode != 0 or json.loads(again.stdout)["steps"]:
        complain(f"a second open has something to do: {again.stdout[:200]}{again.stderr[:200]}")
    check_messages(tool, stores, name, store, plan["placeholders"], complain)


if __name__ == "__main__":
    sys.exit(run(check))
