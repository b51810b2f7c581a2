#!/usr/bin/env python3
"""golden.py FROM TO NAME ...: puts stores of FROM/NAME (as make-all.sh leaves them) into TO/NAME in the form of testdata/stores:
NAME.tar.zst (sparse), store.json, expected*, damage.json, acked.jsonl, and java-recovery*.json without log lines and lists of messages.
An archive that lies in FROM/NAME already is taken as it is."""
import json
import os
import shutil
import subprocess
import sys

MODES = ("as_is_clean_exit", "as_is_with_abort", "with_abort_added")
KEEP = ("rocketmq", "abortBefore", "hung", "crashed", "started", "exception", "minPhyOffset", "maxPhyOffset", "readableMessages", "readableBefore",
        "undecodable", "fromAnotherQueue", "crcBadDelivered", "lost_messages", "changed_messages", "extra_messages", "misplaced_messages", "not_found_by_uniqKey",
        "lost_though_salvageable", "queryHung", "shutdownFailed", "commitLogFilesAfter", "checkpointAfter")
PLAIN = ("store.json", "damage.json", "acked.jsonl", "expected.jsonl", "expected-cq.jsonl", "expected-index.jsonl", "expected-summary.json")


def dumps(o):
    return json.dumps(o, ensure_ascii=False, separators=(",", ":"))


def pretty(o, indent=""):
    if isinstance(o, dict) and o and len(indent) < 4:
        return "{\n" + ",\n".join(f"{indent}  {dumps(k)}: {pretty(v, indent + '  ')}" for k, v in o.items()) + f"\n{indent}}}"
    if isinstance(o, list) and o and isinstance(o[0], dict):
        return "[\n" + ",\n".join(f"{indent}  {dumps(x)}" for x in o) + f"\n{indent}]"
    return dumps(o)


def reduce_mode(m):
    r = {k: m[k] for k in KEEP if k in m}
    if m.get("indexAfter") is not None:
        r["indexAfter"] = [x["file"] for x in m["indexAfter"]]
    queues = []
    for q in m.get("consumeQueues", []):
        pairs = len(q["queueOffset_phyOffset"])
        # 4.x opens an empty queue for each delay level
        if q["topic"] == "SCHEDULE_TOPIC_XXXX" and q["minOffset"] == q["maxOffset"] == 0:
            continue
        queues.append({"topic": q["topic"], "queueId": q["queueId"], "minOffset": q["minOffset"], "maxOffset": q["maxOffset"],
                       "readable": q["readable"], "readableOwn": pairs})
    if "consumeQueues" in m:
        r["consumeQueues"] = queues
    return r


def reduce_recovery(j):
    if any("consumerOffsets" in j.get(m, {}) or "configFilesAfter" in j.get(m, {}) for m in MODES):
        return j  # that of damaged config files
    return {k: reduce_mode(v) if k in MODES else v for k, v in j.items() if k != "acknowledgedButNotOnDiskPhyOffsets"}


def main():
    src, dst, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    for n in names:
        a, b = os.path.join(src, n), os.path.join(dst, n)
        os.makedirs(b, exist_ok=True)
        archive = os.path.join(a, n + ".tar.zst")
        out = os.path.join(b, n + ".tar.zst")
        if os.path.exists(archive):
            shutil.copyfile(archive, out)
        elif os.path.isdir(os.path.join(a, "store")):
            tar = subprocess.Popen(["tar", "-S", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1767225600", "-C", a, "-cf", "-", "store"],
                                   stdout=subprocess.PIPE)
            subprocess.run(["zstd", "-q", "-f", "-19", "-o", out], stdin=tar.stdout, check=True)
            if tar.wait() != 0:
                sys.exit("tar failed for " + n)
        for f in PLAIN:
            # the ground truth of a damaged store is that of the store named in damage.json
            if os.path.exists(os.path.join(a, f)) and not (f.startswith("expected") and os.path.exists(os.path.join(a, "damage.json"))):
                shutil.copyfile(os.path.join(a, f), os.path.join(b, f))
        for f in ("java-recovery.json", "java-recovery-4.9.json"):
            p = os.path.join(a, f)
            if os.path.exists(p):
                with open(p, encoding="utf-8") as x:
                    j = reduce_recovery(json.load(x))
                with open(os.path.join(b, f), "w", encoding="utf-8") as x:
                    x.write(pretty(j) + "\n")


main()
