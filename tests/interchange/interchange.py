#!/usr/bin/env python3
"""tests/interchange/interchange.py --build DIR [--rounds N] [--seed S] [--classes DIR]: one store, written in turn by stock
RocketMQ 5.3.3, which is killed each time, and by rmq-store, which is killed every other time.

After each turn: every message that either writer acknowledged is in the dump where it was acknowledged; after a clean end of
rmq-store, rmq-verify finds nothing at the paranoid level, and stock opens a copy and can read every message of every queue.
Needs JDK 17 and Maven; --classes names a built testdata/generator (target-5), else it is built in a temporary directory.
Prints a line a turn; ends with 0 if all held.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAVA_FLAGS = ["--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
              "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx1g", "-Drmq.version=5.3.3"]
CONFIG = {"mappedFileSizeCommitLog": "1048576", "mappedFileSizeConsumeQueue": "20000", "maxHashSlotNum": "500",
          "maxIndexNum": "4000", "fileReservedTime": "876000", "diskMaxUsedSpaceRatio": "95"}


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Turns:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.random = random.Random(options.seed)
        self.store = os.path.join(work, "store")
        self.known = {}  # log offset -> (topic, queueId, queueOffset, uniqKey)
        self.unacknowledged = 0
        self.configuration = os.path.join(work, "store.json")
        with open(self.configuration, "w", encoding="utf-8") as f:
            json.dump({"name": "interchange", "rocketmq": "5.3.3", "seed": 1, "messagesSent": 0, "storeConfig": CONFIG,
                       "brokerConfig": {}, "topics": {}, "notes": {}}, f)
        self.conf = os.path.join(work, "broker.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write("".join(f"{key}={value}\n" for key, value in CONFIG.items()))
        classes = options.classes or self.build_generator()
        self.classpath = os.path.join(classes, "classes") + ":" + os.path.join(classes, "lib", "*")

    def build_generator(self):
        project = os.path.join(self.work, "generator")
        shutil.copytree(os.path.join(ROOT, "testdata", "generator"), project)
        subprocess.run(["mvn", "-q", "package"], cwd=project, check=True)
        return os.path.join(project, "target-5")

    def tool(self, name, *arguments, **rest):
        return subprocess.run([os.path.join(self.options.build, "tools", name), *arguments], capture_output=True, **rest)

    def java(self, *arguments):
        return ["java", *JAVA_FLAGS, "-Duser.home=" + self.work, "-cp", self.classpath, *arguments]

    def stock_writes_and_is_killed(self, turn):
        acknowledged = os.path.join(self.work, f"acknowledged-{turn}.jsonl")
        log = open(os.path.join(self.work, "java.log"), "ab")
        writer = subprocess.Popen(self.java("oracle.CrashWriter", self.store, self.configuration, acknowledged, str(turn), "300"),
                                  stdout=log, stderr=log)
        wanted = self.random.randint(200, 1500)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and writer.poll() is None:
            if os.path.exists(acknowledged) and sum(1 for _ in open(acknowledged, "rb")) >= wanted:
                break
            time.sleep(0.05)
        check(writer.poll() is None, f"stock ended by itself with {writer.returncode}")
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        log.close()
        count = 0
        for line in open(acknowledged, encoding="utf-8"):
            if not line.endswith("}\n"):
                continue  # killed while it wrote this
            row = json.loads(line)
            self.known[row["phyOffset"]] = (row["topic"], row["queueId"], row["queueOffset"], row["uniqKey"])
            count += 1
        return count

    def lines(self, count):
        rows = []
        for _ in range(count):
            number = self.random.getrandbits(60)
            topic, queue = f"Crash{self.random.randint(0, 2)}", self.random.randint(0, 2)
            body = self.random.randbytes(self.random.randint(0, 1600))
            properties = f"TAGS\1t{number % 3}\2UNIQ_KEY\1{number:032X}\2KEYS\1k{number % 50} all\2"
            rows.append(json.dumps({
                "kind": "record", "topic": topic, "queueId": queue, "flag": 0, "sysFlag": 0, "bornTimestamp": 1, "storeTimestamp": 1,
                "queueOffset": 0, "reconsumeTimes": 0, "preparedTransactionOffset": 0, "bornHost": "127.0.0.1:1",
                "storeHost": "127.0.0.1:10911", "bodyBase64": b64(body), "propertiesBase64": b64(properties.encode())}))
        return rows

    def ours_writes(self, killed):
        rows = self.lines(self.random.randint(200, 1500))
        command = [os.path.join(self.options.build, "tools", "rmq-store"), "put", self.store, "--broker-conf", self.conf]
        before = {row["phyOffset"] for row in self.dump()}
        writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if killed:
            part = self.random.randint(1, len(rows))
            try:
                writer.stdin.write("".join(row + "\n" for row in rows[:part]).encode())
                writer.stdin.flush()
            except BrokenPipeError:
                pass
            time.sleep(self.random.random() * 0.3)
            writer.kill()
            writer.communicate()
        else:
            out, err = writer.communicate("".join(row + "\n" for row in rows).encode())
            check(writer.returncode == 0, f"rmq-store put ended with {writer.returncode}: {err.decode()}")
            check(f"{len(rows)} messages put".encode() in out, out.decode())
        added = [row for row in self.dump() if row["phyOffset"] not in before]
        check(killed or len(added) == len(rows), f"{len(added)} of {len(rows)} messages are there")
        for row in added:
            self.known[row["phyOffset"]] = (row["topic"], row["queueId"], row["queueOffset"], row["uniqKey"])
        return len(added)

    def dump(self):
        if not os.path.isdir(self.store):
            return []
        run = self.tool("rmq-dump", "log", self.store, "-o", "json", "--progress", "never")
        rows = [json.loads(line) for line in run.stdout.splitlines()]
        return [row for row in rows if row["kind"] == "record"]

    def everything_is_there(self):
        there = {row["phyOffset"]: (row["topic"], row["queueId"], row["queueOffset"], row["uniqKey"]) for row in self.dump()}
        for offset, what in self.known.items():
            check(there.get(offset) == what, f"at {offset}: {there.get(offset)} instead of {what}")
        self.known = there
        return len(there)

    def clean(self):
        run = self.tool("rmq-verify", "--level", "paranoid", "--progress", "never", self.store)
        check(run.returncode == 0, run.stdout.decode())

    def stock_reads_all(self):
        result = os.path.join(self.work, "recovered.json")
        subprocess.run(self.java("oracle.RecoverStore", self.store, self.configuration, result), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        with open(result, encoding="utf-8") as f:
            row = json.load(f)
        check(row["started"], f"stock does not start: {row['exception']}")
        check(row["readableMessages"] == len(self.known), f"stock reads {row['readableMessages']} of {len(self.known)}")
        check(row["misplaced_messages"] == 0 and row["undecodable"] == 0, str(row))

    def run(self):
        for turn in range(self.options.rounds):
            stock = self.stock_writes_and_is_killed(turn) if turn > 0 else 0
            opened = self.tool("rmq-store", "open", self.store, "--check", "full", "--broker-conf", self.conf) if turn > 0 else None
            check(opened is None or opened.returncode == 0, opened and opened.stderr.decode())
            total = self.everything_is_there()
            if turn > 0:
                self.clean()
            killed = turn % 2 == 1
            ours = self.ours_writes(killed)
            if not killed:
                self.clean()
                self.stock_reads_all()
            print(f"turn {turn}: stock acknowledged {stock} and was killed, ours put {ours} and "
                  f"{'was killed' if killed else 'closed'}: all {total + ours} there", flush=True)


def b64(data):
    import base64
    return base64.b64encode(data).decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--classes")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    work = tempfile.mkdtemp(prefix="rmq-interchange.")
    try:
        Turns(options, work).run()
    except Failure as failure:
        print(f"FAILED: {failure}\nthe store is kept in {work}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
