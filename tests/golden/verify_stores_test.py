#!/usr/bin/env python3
"""verify_stores_test.py RMQ_VERIFY STORES_DIR [--jobs N] [NAME...]: rmq-verify on every golden store, against what is known of it.

Clean stores are clean at every level. On damaged ones each change that damage.json lists is named: by a finding of the
part's code family, at the file (or the file it proves to be), over a range that overlaps the change; and nothing else is
reported above benign: one cause, one finding. Crashed ones end with 2 or 4. Nothing in a store changes.
STORES_DIR/NAME holds NAME.tar.zst or an unpacked store/. Prints one line a failure, and the score last.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

FAMILIES = {"commitlog": "CL-", "consumequeue": "CQ-", "index": "IX-", "checkpoint": "CK-", "config": "CF-"}
# Damage that is none, or cannot be told from something that is none (see docs/tools/rmq-verify.md).
BENIGN = ("dmg-cl-extra-zero-file", "dmg-config-none", "dmg-cl-missing-first", "dmg-cl-empty-last", "dmg-cq-empty-last")
# The checkpoint is gone or empty after an unclean stop: stock loses nothing.
EITHER = ("dmg-cp-zero-abort", "dmg-cp-missing-abort", "dmg-cp-short-abort")
# What a change is only seen at deep and above: bodies, checksums, index entries.
LEVELS = ("quick", "normal", "deep", "paranoid")


def digest(root):
    """Names, sizes, times and contents of a tree."""
    total = hashlib.sha256()
    for directory, folders, names in sorted(os.walk(root)):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            status = os.stat(path)
            total.update(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_mode}".encode())
            if status.st_blocks < 65536:
                with open(path, "rb") as file:
                    total.update(file.read())
    return total.hexdigest()


def verify(binary, store, level, extra):
    run = subprocess.run([binary, store, "--level", level, "-o", "json", *extra], capture_output=True, text=True, timeout=300)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    findings = [line for line in lines if line["kind"] == "finding"]
    summary = [line for line in lines if line["kind"] == "summary"]
    return run.returncode, findings, summary[0] if len(summary) == 1 else None, run.stderr


def names(finding, place):
    """Does the finding name this place of damage.json?"""
    path = place["path"]
    if not finding["code"].startswith(FAMILIES[path.split("/")[0]]):
        return False
    files = [finding.get("file"), finding.get("expectedFile")]
    # Which name a lost index file had is known to nobody: the directory is all that can be named.
    if path.startswith("index/") and place["what"] == "deleted":
        files.append(path if finding.get("file") == "index" else None)
        return path in files
    if path not in files:
        return False
    begin, end = place["fileOffset"], place["fileOffset"] + max(place["length"], 1)
    return finding["offset"] < end and begin < finding["offset"] + max(finding["length"], 1)


def check(binary, folder, name, store, extra, complain):
    damage = None
    if os.path.exists(os.path.join(folder, "damage.json")):
        with open(os.path.join(folder, "damage.json")) as file:
            damage = json.load(file)
    before = digest(store)
    for level in LEVELS:
        code, findings, summary, errors = verify(binary, store, level, extra)
        if summary is None:
            complain(f"{level}: no summary (exit {code}) {errors.strip()}")
            continue
        serious = [f for f in findings if f["severity"] != "benign"]
        if summary["clean"] != (code == 0):
            complain(f"{level}: clean={summary['clean']} with exit {code}")
        if summary["bytesChecked"] != summary["bytesExpected"]:
            complain(f"{level}: {summary['bytesChecked']} of {summary['bytesExpected']} bytes checked")
        thorough = level in ("deep", "paranoid")
        # Stock itself lost messages and index entries here: its recovery cut the log and wrote on.
        stock_lost = name.startswith("stale-tail")
        if name.startswith("crash-"):
            if code not in (2, 4) and level != "quick":
                complain(f"{level}: exit {code} on a crashed store")
        elif not name.startswith("dmg-"):
            if not stock_lost and (code != 0 or serious):
                complain(f"{level}: exit {code} on a clean store: {serious[:3]}")
        elif name.startswith(BENIGN):
            if code != 0:
                complain(f"{level}: exit {code}: {serious[:3]}")
        elif thorough:
            either = name.startswith(EITHER)
            if code != 4 and not (either and code == 2):
                complain(f"{level}: exit {code} on a damaged store")
            places = damage["places"]
            for place in places:
                if not either and not any(names(f, place) for f in findings):
                    complain(f"{level}: not named: {place} among {[(f['code'], f['file'], f['offset'], f['length']) for f in findings]}")
            for finding in serious:
                if not any(names(finding, place) for place in places):
                    complain(f"{level}: follow-on noise: {finding}")
    if digest(store) != before:
        complain("the store was changed")


def main():
    binary, stores, *chosen = sys.argv[1:]
    extra = []
    if chosen[:1] == ["--jobs"]:
        extra, chosen = chosen[:2], chosen[2:]
    chosen = chosen or sorted(os.listdir(stores))
    good = 0
    total = 0
    for name in chosen:
        folder = os.path.join(stores, name)
        if not os.path.exists(os.path.join(folder, "store.json")):
            continue
        total += 1
        complaints = []
        with tempfile.TemporaryDirectory() as work:
            store = os.path.join(folder, "store")
            if not os.path.isdir(store):
                subprocess.run(["tar", "--zstd", "-xf", os.path.join(folder, name + ".tar.zst"), "-C", work], check=True)
                store = os.path.join(work, "store")
            check(binary, folder, name, store, extra, complaints.append)
        good += not complaints
        for complaint in complaints[:6]:
            print(f"{name}: {complaint[:600]}")
    print(f"{good} of {total} stores as they should be")
    return 0 if good == total and total > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
