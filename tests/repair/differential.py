#!/usr/bin/env python3
"""tests/repair/differential.py --build DIR --classes DIR [--classes4 DIR] [--table FILE] [--stores DIR] [--random FIRST:COUNT] [--jobs N]
[NAME...]: rmq-repair on every damaged or crashed store, and what stock RocketMQ then makes of it.

Each store is copied, planned, applied and verified at the paranoid level; a second plan is empty. Then stock starts on it, as it
is and with an abort file added. It serves queue by queue as many messages as the plan promised, up to the same end of the log,
nothing in a wrong place, nothing that cannot be decoded or has a bad checksum; of the messages of before, those that damage.json
does not name as destroyed; and finds by key what it serves. RocketMQ 5.3.3 (--classes: a built testdata/generator, target-5), and
4.9.7 as well on the stores that it wrote (--classes4: target-4). On stores with broker state, RocketMQ's config managers load what
is there, every topic that has messages is among it, and a broker is initialised. Needs JDK 17.

--random FIRST:COUNT puts one to three damages at random on a good store (the seed chooses which) instead; what is whole is then
known from the bytes. --stores as in tests/recovery/differential.py, which this is built upon. --table writes the table of
docs/tools/rmq-repair.md. Prints a line a store; ends with 0 if all held.
"""
import argparse
import concurrent.futures
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "recovery"))
from differential import JAVA_FLAGS, REFUSALS, ROOT, Result, Run, table_rows  # noqa: E402
from stock_loads import load  # noqa: E402
import damage_at_random  # noqa: E402

# Stock alone says nothing of messages there; what it loads of config/ is asked of its managers.
WITH_STATE = ("dmg-config", "broker-config")


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class StockServer:
    """RecoverStore, in one JVM for many stores: a start takes longer than a store."""

    def __init__(self, classes, version, home):
        self.home = home
        os.makedirs(os.path.join(home, "classes"))
        classpath = os.path.join(classes, "classes") + ":" + os.path.join(classes, "lib", "*")
        subprocess.run(["javac", "-nowarn", "-d", os.path.join(home, "classes"), "-cp", classpath, os.path.join(HERE, "StockServer.java")],
                       check=True, stderr=subprocess.DEVNULL)
        self.java = subprocess.Popen(["java", *JAVA_FLAGS, "-Drmq.version=" + version, "-Duser.home=" + home, "-cp",
                                      os.path.join(home, "classes") + ":" + classpath, "oracle.StockServer"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def recover(self, store, settings, before, abort):
        out = os.path.join(self.home, "recovered.json")
        self.java.stdin.write("\t".join([store, settings, out, "true" if abort else "false", before or ""]) + "\n")
        self.java.stdin.flush()
        if self.java.stdout.readline().strip() != out:
            raise OSError("stock RocketMQ ended")
        with open(out, encoding="utf-8") as file:
            row = json.load(file)
        row.setdefault("started", False)
        return Result(row)

    def close(self):
        self.java.stdin.close()
        self.java.wait(timeout=30)


class Case:
    """What came of one store."""

    def __init__(self, name):
        self.name = name
        self.faults = []
        self.stock = ("", "")  # messages that stock alone keeps: as it is, with an abort file
        self.before = self.kept = self.saved = self.lost_whole = ""
        self.steps = self.repaired = self.refused = ""


class RepairRun(Run):
    def __init__(self, options, work):
        super().__init__(options, work)
        self.servers = {}

    def stock(self, name, store, before, abort, classes=None, version="5.3.3"):
        if version not in self.servers:
            home = os.path.join(self.work, "home-" + version)
            self.servers[version] = StockServer(classes or self.options.classes, version, home)
        return self.servers[version].recover(store, os.path.join(self.folder_of(name), "store.json"), before, abort)

    def close(self):
        for server in self.servers.values():
            server.close()

    def refusals_of(self, name):
        """What a plan may say that it cannot mend."""
        return [REFUSALS[name]] if name in REFUSALS else []

    def damage(self, store, name, case):
        """For --random: changes the store. Returns the log offsets of records that are no longer whole."""
        return set((self.json_of(name, "damage.json") or {}).get("destroyedPhyOffsets", []))

    def repair(self, store, conf, case):
        """The plan that was carried out; None where there is none to carry out."""
        plan_file = os.path.join(self.work, "plan.json")
        common = ("--broker-conf", conf, "-o", "json", "--progress", "never")
        planned = self.tool("rmq-repair", store, "--plan", plan_file, *common)
        try:
            plan = json.loads(planned.stdout)
        except json.JSONDecodeError:
            case.faults.append(f"no plan, exit {planned.returncode}: {planned.stderr.strip()}")
            return None
        if plan["refusals"]:
            case.refused = "; ".join(str(one) for one in plan["refusals"])
            if not any(wanted in case.refused for wanted in self.refusals_of(case.name)):
                case.faults.append(f"refused: {case.refused}")
            return None
        if plan["steps"] or plan["finishes"]:
            applied = self.tool("rmq-repair", "apply", plan_file, "--yes", "-o", "json", "--progress", "never")
            if applied.returncode != 1:
                case.faults.append(f"apply ends with {applied.returncode}: {applied.stdout[:300]}{applied.stderr[:300]}")
        verified = self.tool("rmq-verify", store, "--level", "paranoid", *common)
        if verified.returncode != 0:
            found = [row for row in map(json.loads, verified.stdout.splitlines())
                     if row["kind"] == "finding" and row["severity"] != "benign"]
            case.faults.append(f"rmq-verify ends with {verified.returncode}: "
                               f"{[(f['code'], f.get('file'), f.get('offset'), f['message']) for f in found[:3]]}")
        second = self.tool("rmq-repair", store, *common)
        left = json.loads(second.stdout) if second.stdout else {"steps": [second.stderr], "finishes": True}
        if left["steps"] or left["finishes"] or second.returncode != 0:
            case.faults.append(f"a second plan is not empty: exit {second.returncode}, {json.dumps(left['steps'])[:400]}")
        return plan

    def judge(self, plan, result, which, destroyed, case):
        """One start of stock against what was promised."""
        row = result.row
        if not result.started:
            case.faults.append(f"stock does not start {which}: {row.get('exception') or row.get('crashed')}")
            return
        served = {f"{one['topic']}/{one['queueId']}": one["readable"] for one in row["consumeQueues"] if one["readable"]}
        promised = {name: count for name, count in plan["readablePerQueue"].items() if count}
        if served != promised:
            differing = {name: (promised.get(name), served.get(name)) for name in promised.keys() | served.keys()
                         if promised.get(name) != served.get(name)}
            case.faults.append(f"{which}: promised and served {differing}")
        if row["maxPhyOffset"] != plan["maxPhyOffset"]:
            case.faults.append(f"{which}: promised end {plan['maxPhyOffset']}, stock ends at {row['maxPhyOffset']}")
        case.faults += [f"{which}: {row[key]} {key}" for key in ("misplaced_messages", "undecodable", "fromAnotherQueue", "crcBadDelivered",
                                                                 "queryHung", "dispatchBehindBytes") if row.get(key)]
        gone = result.gone - destroyed
        if gone:
            case.faults.append(f"{which}: gone though whole: {sorted(gone)[:5]}")
        hidden = set(row.get("notFoundByUniqKeyPhyOffsets", [])) - result.gone - destroyed
        if hidden:
            case.faults.append(f"{which}: served and not found by key: {sorted(hidden)[:5]}")

    def config(self, store, plan, case):
        roots = [os.path.join(self.work, "config-" + mode) for mode in ("managers", "start")]
        for mode, root in zip(("managers", "start"), roots):
            shutil.rmtree(root, ignore_errors=True)
            subprocess.run(["cp", "-a", "--sparse=always", store, root], check=True)
            told = (load(self.options, self.options.loader, mode, [root]) or [{"exception": "no answer"}])[0]
            shutil.rmtree(root)
            if "exception" in told or told.get("started") is False:
                case.faults.append(f"config, {mode}: {told.get('exception', 'does not start')}")
                continue
            case.faults += [f"{name} not loaded" for name, loaded in told.get("loads", {}).items() if not loaded]
            for name in plan["readablePerQueue"]:
                topic, number = name.rsplit("/", 1)
                sizes = told["topics"].get(topic)
                system = topic.startswith(("%", "SCHEDULE_TOPIC", "rmq_sys", "RMQ_SYS"))
                if not system and (sizes is None or int(sizes.split("/")[0]) <= int(number)):
                    case.faults.append(f"config, {mode}: {name} has messages, the topic has {sizes}")

    def one(self, name):
        case = Case(name)
        store, conf = self.unpack(name)
        destroyed = self.damage(store, name, case)
        before = self.before_of(name)
        readable = {row["phyOffset"] for row in rows_of(before) if row["readable"]} if before else set()
        case.before = len(readable) if before else ""
        alone = self.java_alone(name, before)
        plan = self.repair(store, conf, case)
        if alone and all("lost_messages" in one.row or not one.started for one in alone) and before:
            case.stock = alone
        if plan is None:
            return case
        case.steps = str(len(plan["steps"]))
        case.repaired = f"{len(plan['placeholders'])} / {len(plan['rebuilt'])}"
        results = []
        stocks = [(self.options.classes, "5.3.3")]
        if self.options.classes4 and (self.json_of(name, "store.json") or {}).get("rocketmq", "").startswith("4"):
            stocks.append((self.options.classes4, "4.9.7"))
        for classes, version in stocks:
            for abort in (False, True):
                result = self.stock(name, store, before, abort, classes, version)
                results.append(result)
                self.judge(plan, result, version + (" with an abort file" if abort else " as it is"), destroyed, case)
        if before and all(one.started for one in results):
            gone = set.union(*(one.gone for one in results))
            case.kept = len(readable - gone)
            case.lost_whole = len(gone - destroyed)
            case.saved = " / ".join(str(case.kept - one.kept) for one in case.stock if one != "")
            # Where a body does not match its checksum nobody can tell which of them is damaged; stock delivers it.
            if any(case.kept < one.kept - one.bad_checksum for one in alone):
                case.faults.append("stock alone keeps more")
        if name.startswith(WITH_STATE):
            self.config(store, plan, case)
        shutil.rmtree(store)
        return case


class RandomRun(RepairRun):
    """Names are "STORE#SEED"."""

    def __init__(self, options, work):
        super().__init__(options, work)
        self.folder_of = lambda name: os.path.join(options.stores, name.split("#")[0])

    def copy(self, name, target):
        super().copy(name.split("#")[0], target)

    def before_of(self, name):
        return os.path.join(self.folder_of(name), "expected.jsonl")

    def java_alone(self, name, before):
        return []

    def refusals_of(self, name):
        # docs/recovery.md names them.
        return ["which is no multiple of the file size", "files are missing in front of", "the log has nothing for", "claim the same slots",
                "there is no room in them"]

    def damage(self, store, name, case):
        done, destroyed = damage_at_random.damage(store, int(name.split("#")[1]), rows_of(self.before_of(name)))
        case.done = done
        return destroyed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--classes4")
    parser.add_argument("--stores", default=os.path.join(ROOT, "testdata", "stores"))
    parser.add_argument("--table")
    parser.add_argument("--random")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.version = "5.3.3"
    work = tempfile.mkdtemp(prefix="rmq-repair.")
    options.loader = work
    subprocess.run(["javac", "-nowarn", "-d", os.path.join(work, "classes"), "-cp", os.path.join(options.classes, "lib", "*"),
                    os.path.join(HERE, "LoadConfig.java")], check=True, stderr=subprocess.DEVNULL)
    if options.random:
        first, count = map(int, options.random.split(":"))
        bases = options.names or damage_at_random.BASES
        names = [f"{random.Random(seed).choice(bases)}#{seed}" for seed in range(first, first + count)]
    else:
        names = options.names or [name for name in sorted(os.listdir(options.stores))
                                  if name.startswith(("dmg-", "crash-", "stale-", "recreated")) or name in REFUSALS]

    runs = queue.SimpleQueue()
    for number in range(options.jobs):
        own = os.path.join(work, str(number))
        os.mkdir(own)
        runs.put((RandomRun if options.random else RepairRun)(options, own))

    def run_one(name):
        run = runs.get()
        try:
            return run.one(name)
        except Exception as problem:  # noqa: BLE001: one store must not end the run of all
            case = Case(name)
            case.faults.append(f"the test itself failed: {problem!r}")
            return case
        finally:
            runs.put(run)

    cases = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as workers:
        for case in workers.map(run_one, names):
            cases.append(case)
            stock = f"stock alone {case.stock[0]}/{case.stock[1]}"
            print("; ".join([f"{case.name}: {case.before} before, {stock}, repaired {case.kept}, saved {case.saved}, "
                             f"lost though whole {case.lost_whole}", *([f"done {case.done}"] if hasattr(case, "done") else []),
                             *([f"refused: {case.refused}"] if case.refused else []), *case.faults]), flush=True)
    while not runs.empty():
        runs.get().close()
    shutil.rmtree(work)
    if options.table:
        with open(options.table, "w", encoding="utf-8") as file:
            file.write(table_rows("| store | messages before | stock alone keeps, as it is | with an abort file | steps | "
                                  "placeholders / mended records | served after rmq-repair, both ways | saved by it, as it is / "
                                  "with an abort file | lost though whole |",
                                  [[case.name, case.before, *case.stock, *((case.steps, case.repaired, case.kept, case.saved,
                                    case.lost_whole) if not case.refused else (f"refused: {REFUSALS.get(case.name, '?')}",
                                                                               "-", "-", "-", "-"))] for case in cases]))
    bad = sum(bool(case.faults) for case in cases)
    print(f"{len(cases) - bad} of {len(cases)} as they should be")
    return 0 if bad == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
