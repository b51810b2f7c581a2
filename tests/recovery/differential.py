#!/usr/bin/env python3
"""tests/recovery/differential.py --build DIR --classes DIR [--table FILE] [--stores DIR] [NAME...]: what rmq-store makes of every
damaged or crashed store, beside what stock RocketMQ 5.3.3 makes of it.

Each store is copied and opened with --check full. Then: rmq-verify at the paranoid level finds nothing (but for broker state in
config/, which is not the store's to mend), a second open has nothing to do, and stock starts on the result, as it is and with
an abort file added, and serves every message that it served before (java-recovery.json), but for those whose body does not match its
checksum, and all that are whole. A store that is refused is refused by name.

--classes names a built testdata/generator (target-5); needs JDK 17. --stores is a directory of NAME/ with store/ or
NAME.tar.zst, testdata/stores if not given; where it has no java-recovery.json, stock is run on a copy of the store as it was.
--table writes the table of docs/recovery.md. Prints a line a store; ends with 0 if all held.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAVA_FLAGS = ["--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
              "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
REFUSALS = {"broker-rocksdb": "RocksDB", "rocksdb-cq": "RocksDB", "rocksdb-double": "RocksDB", "dledger": "DLedger"}


class Result:
    """What a start of stock kept of the messages of before."""

    def __init__(self, row):
        self.row = row
        self.started = row["started"]
        self.before = row.get("readableBefore") or row.get("readableMessages") or 0
        gone = sum(row.get(key) or 0 for key in ("lost_messages", "changed_messages", "misplaced_messages"))
        self.kept = self.before - gone if self.started else 0
        self.misplaced = row.get("misplaced_messages") or 0
        self.bad_checksum = row.get("crcBadDelivered") or 0
        self.gone = set(row.get("lostPhyOffsets", [])) | set(row.get("changedPhyOffsets", []))

    def __str__(self):
        return str(self.kept) if self.started else "does not start"


class Run:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.folder_of = lambda name: os.path.join(options.stores, name)

    def tool(self, name, *arguments):
        return subprocess.run([os.path.join(self.options.build, "tools", name), *arguments], capture_output=True, text=True)

    def json_of(self, name, file):
        path = os.path.join(self.folder_of(name), file)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as f:
            return json.load(f)

    def copy(self, name, target):
        folder = self.folder_of(name)
        if os.path.isdir(os.path.join(folder, "store")):
            subprocess.run(["cp", "-a", "--sparse=always", os.path.join(folder, "store"), target], check=True)
        else:
            os.makedirs(target)
            subprocess.run(["tar", "--zstd", "-xf", os.path.join(folder, name + ".tar.zst"), "--strip-components=1", "-C", target],
                           check=True)

    def unpack(self, name):
        """A fresh copy of the store, and a broker.conf with what it was made with."""
        store = os.path.join(self.work, "store")
        shutil.rmtree(store, ignore_errors=True)
        self.copy(name, store)
        settings = self.json_of(name, "store.json")
        conf = os.path.join(self.work, "broker.conf")
        with open(conf, "w", encoding="utf-8") as f:
            for key, value in {**settings.get("storeConfig", {}), **settings.get("brokerConfig", {})}.items():
                f.write(f"{key}={value}\n".replace("{ROOT}", store))
        return store, conf

    def stock(self, name, store, before, abort, classes=None, version="5.3.3"):
        home = os.path.join(self.work, "home-" + version + ("-abort" if abort else ""))
        out = os.path.join(home, "recovered.json")
        os.makedirs(home, exist_ok=True)
        classes = classes or self.options.classes
        command = ["java", *JAVA_FLAGS, "-Drmq.version=" + version, "-Duser.home=" + home, "-cp",
                   os.path.join(classes, "classes") + ":" + os.path.join(classes, "lib", "*"),
                   "oracle.RecoverStore", store, os.path.join(self.folder_of(name), "store.json"), out]
        if abort:
            command.append("--abort")
        if before:
            command += ["--before", before]
        if os.path.exists(out):
            os.remove(out)
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        with open(out, encoding="utf-8") as f:
            return Result(json.load(f))

    def before_of(self, name):
        damage = self.json_of(name, "damage.json") or {}
        recovered = self.json_of(name, "java-recovery.json") or {}
        for one in (damage.get("base"), recovered.get("before"), name):
            path = os.path.join(self.folder_of(one), "expected.jsonl") if one else ""
            if os.path.exists(path):
                return path
        return None

    def java_alone(self, name, before):
        recovered = self.json_of(name, "java-recovery.json")
        if recovered:
            as_is = recovered.get("as_is_clean_exit") or recovered.get("as_is_with_abort")
            return Result(as_is), Result(recovered.get("with_abort_added") or as_is)
        results = []
        for abort in (False, True):
            store = os.path.join(self.work, "before")
            self.copy(name, store)
            results.append(self.stock(name, store, before, abort))
            shutil.rmtree(store)
        return results

    def one(self, name):
        """The row of the table, and what did not hold."""
        faults = []
        store, conf = self.unpack(name)
        before = self.before_of(name)
        java = self.java_alone(name, before)
        opened = self.tool("rmq-store", "open", store, "-o", "json", "--broker-conf", conf)
        if opened.returncode != 0:
            wanted = REFUSALS.get(name)
            if wanted is None or wanted not in opened.stderr:
                faults.append(f"refused: {opened.stderr.strip()}")
            return [name, java[0], java[1], "refused: " + (wanted or "?"), "", "", ""], faults
        plan = json.loads(opened.stdout)
        verified = self.tool("rmq-verify", store, "--level", "paranoid", "-o", "json", "--progress", "never", "--broker-conf", conf)
        findings = [json.loads(line) for line in verified.stdout.splitlines()]
        codes = {f["code"] for f in findings if f["kind"] == "finding" and f["severity"] != "benign"}
        if not all(code.startswith("CF-") for code in codes):
            faults.append(f"rmq-verify finds {sorted(codes)}")
        again = self.tool("rmq-store", "open", store, "-o", "json", "--broker-conf", conf)
        if again.returncode != 0 or json.loads(again.stdout)["steps"]:
            faults.append("a second open has something to do: " + again.stdout[:300] + again.stderr[:300])
        damage = self.json_of(name, "damage.json") or {}
        whole = set(damage.get("destroyedPhyOffsets", []))
        ours = []
        for abort in (False, True):
            result = self.stock(name, store, before, abort)
            ours.append(result)
            which = "with an abort file" if abort else "as it is"
            if not result.started:
                faults.append(f"stock does not start {which}")
            if result.misplaced:
                faults.append(f"{result.misplaced} misplaced {which}")
            # Where a body does not match its checksum nobody can tell which of them is damaged; stock delivers it.
            if result.started and result.kept < max(one.kept - one.bad_checksum for one in java):
                faults.append(f"stock serves {result.kept} {which}, and {java[0].kept} and {java[1].kept} without us")
            if "destroyedPhyOffsets" in damage and result.gone - whole:
                faults.append(f"gone {which} though whole: {sorted(result.gone - whole)[:5]}")
        return [name, java[0], java[1], str(len(plan["steps"])), f"{len(plan['placeholders'])} / {len(plan['rebuilt'])}", ours[0],
                ours[1]], faults


def table_rows(head, rows):
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def table_of(rows):
    return table_rows("| store | stock alone keeps, as it is | with an abort file | steps | placeholders / mended records | "
                      "kept, stock as it is | with an abort file |",
                      [[*row[:5], "-", "-"] if row[3].startswith("refused") else row for row in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--stores", default=os.path.join(ROOT, "testdata", "stores"))
    parser.add_argument("--table")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or [name for name in sorted(os.listdir(options.stores))
                              if name.startswith(("dmg-", "crash-", "stale-", "recreated")) and
                              not name.startswith("dmg-config") or name in REFUSALS]
    rows, bad = [], 0
    work = tempfile.mkdtemp(prefix="rmq-recovery.")
    run = Run(options, work)
    for name in names:
        row, faults = run.one(name)
        rows.append(row)
        bad += bool(faults)
        print("; ".join([f"{name}: stock {row[1]}/{row[2]}, ours {row[5]}/{row[6]}", *faults]), flush=True)
        if options.table:
            with open(options.table, "w", encoding="utf-8") as f:
                f.write(table_of(rows))
    shutil.rmtree(work)
    print(f"{len(rows) - bad} of {len(rows)} as they should be")
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
