#!/usr/bin/env python3
"""tests/live/beside_stock.py --build DIR [--seconds N] [--seed S] [--classes DIR] [--rate N] [--only load|speed|compare]: the
commands beside stock RocketMQ 5.3.3.

load: a whole stock broker writes, reads, rolls small files, lets them expire, deletes topics and makes them anew, while
rmq-verify --live loops over all levels and rmq-dump log -f follows: no finding above benign, nothing left unconfirmed, and every
message that the broker acknowledged printed once and in order, with nothing between two records but the ends of files.
speed: how long a put takes at a set rate, with and without rmq-verify --live --level deep --max-rate 20M beside it.
compare: a stock master's store and its stock slave's.

Needs JDK 17 and Maven; --classes names a built testdata/generator (target-5), else it is built in a temporary directory. Ends
with 0 if all held.
"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAVA_FLAGS = ["--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
              "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx1g", "-Drmq.version=5.3.3"]
SMALL = {"mappedFileSizeCommitLog": "1048576", "mappedFileSizeConsumeQueue": "20000", "maxHashSlotNum": "500",
         "maxIndexNum": "4000", "diskMaxUsedSpaceRatio": "95", "fileReservedTime": "0", "deleteWhen": "99",
         "cleanResourceInterval": "1000", "deleteCommitLogFilesInterval": "10", "deleteConsumeQueueFilesInterval": "10",
         "deleteFileBatchMax": "4", "flushConsumeQueueThoroughInterval": "3000"}
LARGE = {**SMALL, "mappedFileSizeCommitLog": "67108864", "mappedFileSizeConsumeQueue": "6000000", "maxHashSlotNum": "500000",
         "maxIndexNum": "2000000", "fileReservedTime": "72"}
LEVELS = ("quick", "normal", "deep", "paranoid")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Java:
    """A LiveWriter that is told line by line what to do."""

    def __init__(self, run, *arguments):
        self.log = open(os.path.join(run.work, "java.log"), "ab")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["java", *JAVA_FLAGS, "-Duser.home=" + run.work, "-cp", run.classpath, "oracle.LiveWriter", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        check(self.answer() == "ready", "stock does not start: see " + self.log.name)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.tell("stop")
        check(self.answer() == "stopped", "stock does not stop: see " + self.log.name)
        self.process.wait(timeout=60)
        self.log.close()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Beside:
    def __init__(self, options, work):
        self.options, self.work = options, work
        classes = options.classes
        if not classes:
            project = os.path.join(work, "generator")
            shutil.copytree(os.path.join(ROOT, "testdata", "generator"), project)
            subprocess.run(["mvn", "-q", "package"], cwd=project, check=True)
            classes = os.path.join(project, "target-5")
        libraries = os.path.join(classes, "classes") + ":" + os.path.join(classes, "lib", "*")
        own = os.path.join(work, "classes")
        os.makedirs(own)
        subprocess.run(["javac", "-nowarn", "-d", own, "-cp", libraries, os.path.join(ROOT, "tests", "live", "LiveWriter.java")],
                       check=True)
        self.classpath = own + ":" + libraries

    def tool(self, name):
        return os.path.join(self.options.build, "tools", name)

    def configuration(self, name, settings):
        path = os.path.join(self.work, name + ".json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"name": name, "rocketmq": "5.3.3", "seed": 1, "messagesSent": 0, "storeConfig": settings,
                       "brokerConfig": {}, "topics": {}, "notes": {}}, f)
        return path

    def broker(self, name, settings):
        acked = os.path.join(self.work, name + ".acked")
        java = Java(self, "broker", self.work, self.configuration(name, settings), str(self.options.seed), acked)
        return java, os.path.join(self.work, name, "store"), acked

    # ---- load

    def load(self):
        java, store, acked = self.broker("load", SMALL)
        followed = os.path.join(self.work, "followed.jsonl")
        try:
            with open(followed, "wb") as out, open(os.path.join(self.work, "follow.err"), "wb") as err:
                follow = subprocess.Popen([self.tool("rmq-dump"), "log", "-f", "-o", "json", store], stdout=out, stderr=err)
                try:
                    counts, looks = self.verify_while(java, store)
                    wrote = int(java.answer().split()[1])
                    time.sleep(2)
                    follow.send_signal(signal.SIGINT)
                    code = follow.wait(timeout=60)
                finally:
                    if follow.poll() is None:
                        follow.kill()
            java.end()
        finally:
            java.kill()
        check(code == 0, f"rmq-dump -f ended with {code}")
        printed = self.check_followed(followed, acked)
        print(f"load: {wrote} messages acknowledged in {self.options.seconds} s, {printed} records followed, none missed or twice; "
              f"rmq-verify --live {dict(counts)} times, {looks} looks: no finding", flush=True)

    def verify_while(self, java, store):
        java.tell(f"write {self.options.seconds} {self.options.rate} true true")
        counts, looks, gone = collections.Counter(), collections.Counter(), 0
        end = time.monotonic() + self.options.seconds - 3
        turn = 0
        while time.monotonic() < end:
            level = LEVELS[turn % len(LEVELS)]
            turn += 1
            run = subprocess.run([self.tool("rmq-verify"), "--live", "--level", level, "-o", "json", store], capture_output=True,
                                 check=False)
            rows = [json.loads(line) for line in run.stdout.splitlines()]
            bad = [row for row in rows if row["kind"] == "finding" and row["severity"] != "benign"]
            summary = rows[-1] if rows else {}
            check(run.returncode == 0 and not bad, f"{level}: exit {run.returncode} {bad} {summary} {run.stderr.decode()}")
            counts[level] += 1
            looks[summary["looks"]] += 1
            gone += summary["vanished"] + summary["dismissed"]
        return counts, f"{sum(n * c for n, c in looks.items())} (so many in a run: {dict(sorted(looks.items()))}, {gone} parts gone or dismissed,"[:-1] + ")"

    @staticmethod
    def check_followed(followed, acked):
        rows = {}
        end = None
        for line in open(followed, encoding="utf-8"):
            row = json.loads(line)
            check(row["kind"] == "record", f"not a record: {line[:300]}")
            start = row["phyOffset"]
            if end is not None:
                size = int(SMALL["mappedFileSizeCommitLog"])
                check(start == end or (start % size == 0 and start - size < end <= start), f"from {end} to {start} nothing was printed")
            end = start + row["size"]
            rows[start] = (row["topic"], row["queueId"], row["queueOffset"], row["uniqKey"])
        for line in open(acked, encoding="utf-8"):
            row = json.loads(line)
            known = rows.get(row["phyOffset"])
            check(known == (row["topic"], row["queueId"], row["queueOffset"], row["uniqKey"]), f"{line.strip()} was printed as {known}")
        return len(rows)

    # ---- compare

    def compare_pair(self, first, second, *flags):
        run = subprocess.run([self.tool("rmq-verify"), first, "--compare", second, "-o", "json", *flags], capture_output=True, check=False)
        rows = [json.loads(line) for line in run.stdout.splitlines()]
        check(rows and rows[-1]["kind"] == "summary", run.stderr.decode())
        return run.returncode, [row["difference"] for row in rows[:-1]], rows[-1]

    def compare(self):
        master, slave = os.path.join(self.work, "master"), os.path.join(self.work, "slave")
        java = Java(self, "pair", master, slave, self.configuration("pair", {**SMALL, "fileReservedTime": "72"}), str(self.options.seed))
        try:
            for _ in range(3):
                java.tell("write 2000")
                answer = java.answer().split()
                check(answer[1] == answer[2], f"the slave does not follow: {answer}")
                code, kinds, summary = self.compare_pair(master, slave, "--live")
                check(code == 0 and not kinds, f"while they run: exit {code} {kinds} {summary}")
            java.end()
        finally:
            java.kill()
        code, kinds, summary = self.compare_pair(master, slave)
        check(code == 0 and summary["equal"] and summary["bytesChecked"] > 1 << 20, f"stopped: exit {code} {kinds} {summary}")
        print(f"compare: a stock master and its stock slave are equal, while they run and after: {summary['bytesChecked']} bytes, "
              f"{summary['unitsChecked']} queue units", flush=True)
        chances = random.Random(self.options.seed)
        changed = 0
        for _ in range(40):
            at = chances.randrange(summary["firstBegin"], summary["firstEnd"])
            path = os.path.join(slave, "commitlog", f"{at // (1 << 20) * (1 << 20):020d}")
            with open(path, "rb+") as log:
                log.seek(at % (1 << 20))
                was = log.read(1)
                log.seek(at % (1 << 20))
                log.write(bytes([was[0] ^ 1 << chances.randrange(8)]))
            code, kinds, found = self.compare_pair(master, slave)
            with open(path, "rb+") as log:
                log.seek(at % (1 << 20))
                log.write(was)
            if found["equal"]:
                # Only what lies behind a BLANK's header may be anything.
                run = subprocess.run([self.tool("rmq-dump"), "log", master, "--from", str(at - 70000 if at > 70000 else 0), "--to", str(at + 1), "-o", "json"],
                                     capture_output=True, check=True)
                last = json.loads(run.stdout.splitlines()[-1])
                check(last["phyOffset"] + last["size"] + 8 <= at, f"a changed byte at {at} was not found")
                continue
            check(code == 4 and found["firstDivergence"] == at and found["ranges"] == 1, f"changed at {at}: {kinds} {found}")
            changed += 1
        print(f"compare: one byte changed on the slave, {changed} times: the first divergence is that byte each time", flush=True)

    # ---- speed

    def speed(self):
        """Puts at a set rate, alone and beside a reader at a set rate, one after the other, who goes first by turns."""
        seconds, rate = self.options.turn, self.options.puts
        java, store, _ = self.broker("speed", LARGE)
        turns = {"alone": [], "beside": []}
        try:
            java.tell("rate 10")  # until it is warm, and there is something to read
            fastest = int(java.answer().split()[1])
            java.tell(f"paced 5 {rate}")
            java.answer()
            for turn in range(self.options.turns):
                for who in ("alone", "beside") if turn % 2 == 0 else ("beside", "alone"):
                    reader = self.reader(store) if who == "beside" else None
                    java.tell(f"paced {seconds} {rate}")
                    turns[who].append([int(word) for word in java.answer().split()[1:]])
                    if reader:
                        os.killpg(reader.pid, signal.SIGKILL)
                        reader.wait()
            java.end()
        finally:
            java.kill()
        print(f"speed: {rate} puts of 1 KiB a second (the broker alone does {fastest}), {len(turns['alone'])} turns of {seconds} s each way, "
              f"beside rmq-verify --live --level deep --max-rate {self.options.max_rate} -j 1", flush=True)
        for at, name in enumerate(("puts", "50 % us", "99 % us", "99.9 % us", "slowest us")):
            a, b = [row[at] for row in turns["alone"]], [row[at] for row in turns["beside"]]
            print(f"  {name:<10}  alone {statistics.median(a):.0f} {a}  beside {statistics.median(b):.0f} {b}  "
                  f"by pairs {statistics.median(y / max(x, 1) for x, y in zip(a, b)):.2f}", flush=True)

    def reader(self, store):
        return subprocess.Popen(
            ["sh", "-c", 'while :; do nice -n 10 "$0" --live --level deep --max-rate "$2" -j 1 --json "$1"; done',
             self.tool("rmq-verify"), store, self.options.max_rate],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def run(self):
        for name in ("compare", "load", "speed"):
            if self.options.only in (None, name):
                getattr(self, name)()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--rate", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--puts", type=int, default=2000, help="speed: puts a second")
    parser.add_argument("--turn", type=int, default=10, help="speed: seconds of a turn")
    parser.add_argument("--turns", type=int, default=5, help="speed: turns each way")
    parser.add_argument("--max-rate", default="20M", help="speed: of the reader")
    parser.add_argument("--only", choices=("compare", "load", "speed"))
    parser.add_argument("--classes")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="rmq-live.")
    try:
        Beside(options, work).run()
    except Failure as failure:
        print(f"FAILED: {failure}\nthe store is kept in {work}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
