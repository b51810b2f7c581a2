#!/usr/bin/env python3
"""repair_stores_test.py TOOLS_DIR STORES_DIR [NAME...]: rmq-repair on every golden store: plan, apply, undo, apply again.

A plan changes nothing. What is clean needs nothing. Afterwards rmq-verify finds nothing at the paranoid level, a second plan is
empty, every message that was whole is where it was, and what stock would serve (rmq-verify --preflight) is what the plan
promised. An undo gives back the same tree, with its times, modes and owners; a store that changed since the plan is refused.
Prints one line a failure, and the score last.
"""
import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recovery"))
from recover_stores_test import REFUSED, check_messages, run, unpack  # noqa: E402


def tree_of(root):
    """Every file and directory below: content, mode, owner, and a file's time in milliseconds."""
    tree = {}
    for directory, _, names in os.walk(root):
        status = os.stat(directory)
        tree[directory] = (status.st_mode, status.st_uid, status.st_gid)
        for name in names:
            path = os.path.join(directory, name)
            status = os.stat(path)
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            tree[path] = (content, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns // 1_000_000)
    return tree


def difference(before, after):
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def check(tools, stores, name, work, complain):
    store, conf = unpack(stores, name, work)
    plan_file = os.path.join(work, "plan.json")

    def tool(command, *arguments):
        return subprocess.run([os.path.join(tools, command), *arguments], capture_output=True, text=True, timeout=300)

    def read_tool(command, *arguments):
        return tool(command, *arguments, "--broker-conf", conf)

    before = tree_of(store)
    planned = tool("rmq-repair", store, "--plan", plan_file, "--broker-conf", conf, "-o", "json", "--progress", "never")
    if difference(before, tree_of(store)):
        complain("making a plan changed the store")
        return
    verdict = tool("rmq-verify", store, "--level", "deep", "--broker-conf", conf, "--progress", "never").returncode
    plan = json.loads(planned.stdout)
    empty = not plan["steps"] and not plan["finishes"]
    if name in REFUSED:
        if not plan["refusals"] or not empty:
            complain(f"not refused: {planned.stdout[:300]}")
        return
    if plan["refusals"]:
        complain(f"refused: {plan['refusals']}")
        return
    if planned.returncode != (verdict or (0 if empty else 4)):
        complain(f"the plan ends with {planned.returncode}, rmq-verify with {verdict}")
    if empty:
        if verdict != 0:
            complain(f"nothing to do, and rmq-verify ends with {verdict}")
        return
    shown = tool("rmq-repair", "apply", plan_file, "--progress", "never")
    if shown.returncode != 4 or difference(before, tree_of(store)):
        complain(f"apply without --yes ends with {shown.returncode}: {shown.stderr}")

    for attempt in ("first", "second"):
        applied = tool("rmq-repair", "apply", plan_file, "--yes", "-o", "json", "--progress", "never")
        if applied.returncode != 1:
            complain(f"the {attempt} apply ends with {applied.returncode}: {applied.stdout[:300]}{applied.stderr[:500]}")
            return
        if attempt == "first":
            undone = tool("rmq-repair", "undo", json.loads(applied.stdout)["undo"], "--yes")
            if undone.returncode != 1:
                complain(f"undo ends with {undone.returncode}: {undone.stderr}")
                return
            if differs := difference(before, tree_of(store)):
                complain(f"undo did not give back {differs[:5]}")
                return

    again = tool("rmq-repair", "apply", plan_file, "--yes", "--progress", "never")
    if again.returncode != 64:
        complain(f"a plan of another state was not refused: {again.returncode} {again.stdout}{again.stderr}")
    second = tool("rmq-repair", store, "--broker-conf", conf, "-o", "json", "--progress", "never")
    left = json.loads(second.stdout)
    if second.returncode != 0 or left["steps"] or left["finishes"]:
        complain(f"a second plan is not empty: exit {second.returncode}, {left['steps'][:3]}")
    verified = tool("rmq-verify", store, "--level", "paranoid", "-o", "json", "--progress", "never", "--broker-conf", conf)
    findings = [json.loads(line) for line in verified.stdout.splitlines()]
    codes = {f["code"] for f in findings if f["kind"] == "finding" and f["severity"] != "benign"}
    if codes or verified.returncode != 0:
        complain(f"rmq-verify ends with {verified.returncode} and finds {sorted(codes)}")
    forecast = tool("rmq-verify", store, "--preflight", "-o", "json", "--progress", "never", "--broker-conf", conf)
    stock = json.loads(forecast.stdout)
    promised = plan["readablePerQueue"]
    served = {queue: count for queue, count in stock["readablePerQueue"].items() if count > 0}
    if not stock["starts"] or served != promised or stock["maxPhyOffset"] != plan["maxPhyOffset"]:
        differing = {queue: (promised.get(queue), served.get(queue)) for queue in promised.keys() | served.keys()
                     if promised.get(queue) != served.get(queue)}
        complain(f"promised and served differ: {differing}, end {plan['maxPhyOffset']} and {stock['maxPhyOffset']}")
    check_messages(read_tool, stores, name, store, plan["placeholders"], complain)


if __name__ == "__main__":
    sys.exit(run(check))
