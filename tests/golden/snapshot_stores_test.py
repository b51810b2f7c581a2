#!/usr/bin/env python3
"""snapshot_stores_test.py TOOLS_DIR STORES_DIR [NAME...]: rmq-dump snapshot of every golden store.

The snapshot holds the same files with the same sizes and times; rmq-verify at the paranoid level and the preflight of 5.3 and
4.9 say the same of it as of the store; no body and no user property of a message is in it. Prints a line a failure, and the score.
"""
import base64
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from each_store import run, unpack_store  # noqa: E402

# Bodies that a broker writes for itself stay.
BROKERS_OWN = ("RMQ_SYS_TRANS_OP_HALF_TOPIC", "rmq_sys_REVIVE_LOG_")
# So short that other bytes may have it by chance.
TOO_SHORT = 12
# A word is looked for by its beginning.
KNOWN_BY = 64


def files_of(root):
    found = {}
    for folder, _, names in os.walk(root):
        if "lost+found" in folder.split(os.sep):
            continue
        for name in names:
            path = os.path.join(folder, name)
            status = os.stat(path)
            found[os.path.relpath(path, root)] = (status.st_size, status.st_mtime_ns // 1_000_000)
    return found


def words_of(rows):
    """What people wrote: bodies, and values of properties that no broker knows. Of inner batches, whose frame stays, the latter."""
    rows = [row for row in rows if row["kind"] == "record"]
    own = {base64.b64decode(row["bodyBase64"])[:KNOWN_BY] for row in rows if row["topic"].startswith(BROKERS_OWN)}
    for row in rows:
        body = base64.b64decode(row["bodyBase64"])
        if body[:KNOWN_BY] not in own and "INNER_NUM" not in row["properties"] and len(body) >= TOO_SHORT and any(body):
            yield body
        for name, value in row["properties"].items():
            if name == name.lower() and len(value) >= TOO_SHORT:
                yield value.encode()


def check(tools, stores, name, work, complain):
    store, _ = unpack_store(stores, name, work)
    archive, copy = os.path.join(work, "snapshot.tar.zst"), os.path.join(work, "copy")

    def tool(command, *arguments):
        return subprocess.run([os.path.join(tools, command), *arguments], capture_output=True, text=True, timeout=120)

    made = tool("rmq-dump", "snapshot", store, "--out", archive, "-o", "json")
    if made.returncode != 0:
        return complain(f"exit {made.returncode}: {made.stderr}")
    os.mkdir(copy)
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", copy], check=True)
    copy = os.path.join(copy, "store")
    if files_of(store) != files_of(copy):
        complain(f"other files: {set(files_of(store).items()) ^ set(files_of(copy).items())}")

    for arguments in (("--level", "paranoid"), ("--preflight",), ("--preflight", "--version-as", "4.9")):
        said = []
        for root in (store, copy):
            ran = tool("rmq-verify", root, "-o", "json", *arguments)
            rows = [json.loads(line.replace(root, "STORE")) for line in ran.stdout.splitlines()]
            for row in rows:
                row.pop("seconds", None)
            said.append((ran.returncode, rows))
        if said[0] != said[1]:
            differing = [pair for pair in zip(said[0][1], said[1][1]) if pair[0] != pair[1]]
            complain(f"{arguments}: {said[0][0]} and {said[1][0]}, {differing[:1]}")

    rows = [json.loads(line) for line in
            tool("rmq-dump", "log", store, "-o", "json", "--body", "base64").stdout.splitlines()]
    words = {word[:KNOWN_BY] for word in words_of(rows)}
    if name == "base" and not words:
        complain("nothing to look for")
    for relative in files_of(copy):
        with open(os.path.join(copy, relative), "rb") as file:
            content = file.read()
        for word in words:
            if word in content:
                return complain(f"{relative} still says {word!r}")


if __name__ == "__main__":
    sys.exit(run(check))
