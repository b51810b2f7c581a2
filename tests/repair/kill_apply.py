#!/usr/bin/env python3
"""kill_apply.py --build DIR [--seeds FIRST:COUNT] [--mib SIZE] [--full-disk]: rmq-repair apply killed at random in a large store.

A store of SIZE MiB of messages in files of 64 MiB is damaged (seeds) and repaired once, to know how long that takes. Then, for each
seed, apply is killed with SIGKILL at a random moment; every other time it is run again, and has to end in a store that rmq-verify
calls clean and that needs nothing more; else it is undone, and every byte, time, mode and owner is what it was. With --full-disk
the store lies on a small file system of its own (tmpfs, needs root) that has no room for the repair, or only for part of it: apply
is refused or rolled back. Prints a line a fault, and the score last.
"""
import argparse
import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from repair_stores_test import difference, tree_of

EMPTY_PLAN, MENDED, FAULT, REFUSED = 0, 1, 8, 64
CONF = "mappedFileSizeCommitLog=67108864\nmappedFileSizeConsumeQueue=600000\nmaxHashSlotNum=100000\nmaxIndexNum=400000\n"


class Bench:
    def __init__(self, options, work):
        self.tools, self.work, self.faults = os.path.join(options.build, "tools"), work, 0
        self.base = os.path.join(work, "base")
        self.conf = os.path.join(work, "broker.conf")
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(CONF)
        self.fill(options.mib)

    def fault(self, text):
        self.faults += 1
        print(text, flush=True)

    def tool(self, command, *arguments, **more):
        return subprocess.run([os.path.join(self.tools, command), *arguments], capture_output=True, text=True, **more)

    def fill(self, mib):
        """Through the engine: one message as rmq-dump prints it, again and again."""
        line = ('{{"kind":"record","topic":"Orders","queueId":{},"queueOffset":0,"flag":0,"sysFlag":0,"bornTimestamp":1767314179994,"storeTimestamp":1767314179995,"version":1,'
                '"reconsumeTimes":0,"preparedTransactionOffset":0,"bornHost":"127.0.0.1:1","storeHost":"127.0.0.1:10911",'
                '"bodyBase64":"{}","propertiesBase64":"{}"}}\n')
        body = "QUJD" * 340
        writer = subprocess.Popen([os.path.join(self.tools, "rmq-store"), "put", self.base, "--broker-conf", self.conf],
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for i in range(mib * 900):
            properties = base64.b64encode(f"KEYS\x01k{i}\x02UNIQ_KEY\x01{i:032X}\x02".encode()).decode()
            writer.stdin.write(line.format(i % 8, body, properties))
        writer.stdin.close()
        if writer.wait() != 0:
            sys.exit("the store could not be made")

    def damaged(self, seed, root):
        """A copy of the store with damage in log, queues and index: always the same for a seed."""
        subprocess.run(["cp", "-a", "--sparse=always", self.base, root], check=True)
        chance = random.Random(seed)
        for part, most in (("commitlog", 6), ("consumequeue", 3), ("index", 2)):
            paths = sorted(os.path.join(directory, name) for directory, _, names in os.walk(os.path.join(root, part)) for name in names)
            for _ in range(chance.randrange(1, most)):
                path = chance.choice(paths)
                at = chance.randrange(os.path.getsize(path) // 2)
                with open(path, "r+b") as file:
                    file.seek(at)
                    file.write(chance.choice((bytes(4096), chance.randbytes(300), b"\0")))
        if seed % 3 == 0:
            os.remove(os.path.join(root, "checkpoint"))
        if seed % 4 == 0:
            open(os.path.join(root, "abort"), "w", encoding="ascii").close()

    def plan(self, root, plan):
        return self.tool("rmq-repair", root, "--plan", plan, "--broker-conf", self.conf, "--progress", "never").returncode

    def mended(self, root, what):
        verdict = self.tool("rmq-verify", root, "--level", "paranoid", "--broker-conf", self.conf, "--progress", "never")
        if verdict.returncode != 0:
            self.fault(f"{what}: rmq-verify ends with {verdict.returncode}: {verdict.stdout[:500]}")
        second = self.tool("rmq-repair", root, "--broker-conf", self.conf, "--progress", "never")
        if second.returncode != EMPTY_PLAN:
            self.fault(f"{what}: a second plan is not empty: {second.stdout[:500]}")

    def kill(self, seed):
        root, plan, undo = (os.path.join(self.work, name) for name in ("store", "plan.json", "undo"))
        what = f"seed {seed}"
        self.damaged(seed, root)
        before = tree_of(root)
        self.plan(root, plan)
        apply = ["apply", plan, "--undo", undo, "--yes", "--progress", "never"]
        chance = random.Random(seed * 7 + 1)
        process = subprocess.Popen([os.path.join(self.tools, "rmq-repair"), *apply], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(chance.random() * self.seconds * 1.1)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        killed = process.returncode == -signal.SIGKILL
        started = os.path.exists(os.path.join(undo, "manifest.ndjson"))
        if seed % 2 == 0 or not started:
            again = self.tool("rmq-repair", *apply)
            if again.returncode not in (MENDED, REFUSED):  # refused: it had come to its end
                self.fault(f"{what}: run again it ends with {again.returncode}: {again.stderr}")
            self.mended(root, what + ", run again")
        else:
            back = self.tool("rmq-repair", "undo", undo, "--yes")
            if back.returncode != MENDED:
                self.fault(f"{what}: undo ends with {back.returncode}: {back.stderr}")
            changed = difference(before, tree_of(root))
            changed = [path for path in changed if not path.endswith("/lock") and "lost+found" not in path]
            if changed:
                self.fault(f"{what}: undone, but {changed[:5]} differ")
        for path in (root, undo):
            shutil.rmtree(path, ignore_errors=True)
        return killed, started

    def measure(self, seed):
        root, plan = os.path.join(self.work, "store"), os.path.join(self.work, "plan.json")
        self.damaged(seed, root)
        self.plan(root, plan)
        started = time.monotonic()
        done = self.tool("rmq-repair", "apply", plan, "--yes", "--progress", "never")
        self.seconds = time.monotonic() - started
        if done.returncode != MENDED:
            self.fault(f"not killed it ends with {done.returncode}: {done.stderr}")
        self.mended(root, "not killed")
        shutil.rmtree(root)

    def full_disk(self, seed):
        """On a tmpfs that has room for the store and some of what the repair needs."""
        mount = os.path.join(self.work, "mount")
        os.mkdir(mount)
        self.damaged(seed, os.path.join(self.work, "store"))
        needed = int(subprocess.run(["du", "-s", "-B1", os.path.join(self.work, "store")], capture_output=True, text=True, check=True).stdout.split()[0])
        outcomes = {}
        for room in (0, 64 << 10, 1 << 20, 8 << 20, 30 << 20, 60 << 20, 100 << 20, 200 << 20, 400 << 20):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={needed + room}", "tmpfs", mount], check=True)
            try:
                root, plan = os.path.join(mount, "store"), os.path.join(self.work, "plan.json")
                if subprocess.run(["cp", "-a", "--sparse=always", os.path.join(self.work, "store"), root], capture_output=True).returncode != 0:
                    continue
                before = tree_of(root)
                self.plan(root, plan)
                done = self.tool("rmq-repair", "apply", plan, "--yes", "--progress", "never")
                outcomes[room >> 10] = done.returncode
                if done.returncode == MENDED:
                    self.mended(root, f"{room >> 10} KiB of room")
                    continue
                changed = [path for path in difference(before, tree_of(root)) if not path.endswith("/lock") and "lost+found" not in path]
                if done.returncode not in (FAULT, REFUSED) or changed or not done.stderr:
                    self.fault(f"{room >> 10} KiB of room: exit {done.returncode}, {changed[:5]} differ: {done.stderr}")
            finally:
                subprocess.run(["umount", mount], check=True)
        print("exit codes by KiB of room:", outcomes)
        if not {MENDED} < set(outcomes.values()):
            self.fault("the disk was never full, or never large enough")
        shutil.rmtree(os.path.join(self.work, "store"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seeds", default="1:50")
    parser.add_argument("--mib", type=int, default=300)
    parser.add_argument("--full-disk", action="store_true")
    options = parser.parse_args()
    first, count = map(int, options.seeds.split(":"))
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options, work)
        bench.measure(first)
        print(f"not killed apply takes {bench.seconds:.2f} s", flush=True)
        if options.full_disk:
            bench.full_disk(first)
        killed = begun = 0
        for seed in range(first, first + count):
            was_killed, had_begun = bench.kill(seed)
            killed += was_killed
            begun += was_killed and had_begun
        print(f"{count} runs, {killed} killed, {begun} of them with changes begun; {bench.faults} faults")
        return 1 if bench.faults or begun == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
