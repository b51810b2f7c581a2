#!/usr/bin/env python3
"""bench/store.py [--runs N] [--only NAME;NAME...] [--no-java] [--work DIR]: what the engine puts and gets beside stock.

Runs `rmq-bench store` and the same load on stock RocketMQ 5.3.3's DefaultMessageStore (bench/peer/StoreLoad.java: putMessage
and asyncPutMessage) in turn, each in a new store, and `rmq-bench limits` for what the machine can do; prints medians as a
Markdown table. Stock is taken at the better of its two ways. Needs JDK 17 and Maven for the stock part.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from run import BIN, HERE, JAVA_FLAGS, build_java

BENCH = os.path.join(BIN, "bench", "rmq-bench")

# name: flags of ours, loads of stock (the best counts), what is compared
LOADS = {
    "async, 1 KiB, one producer": (["--body", "1024", "--span", "64"], [["body=1024"], ["body=1024", "outstanding=1024"]], "messagesPerSecond"),
    "async, 1 KiB, one by one": (["--body", "1024"], [["body=1024"]], "messagesPerSecond"),
    "async, 128 B, one producer": (["--body", "128", "--span", "64"], [["body=128"], ["body=128", "outstanding=1024"]], "messagesPerSecond"),
    "async, 1 KiB, two producers": (["--body", "1024", "--span", "64", "--producers", "2"], [["body=1024", "producers=2"]], "messagesPerSecond"),
    "async, 1 KiB, a key, dispatched": (["--body", "1024", "--span", "64", "--keys"], [["body=1024", "keys=true"]], "dispatchedPerSecond"),
    "sync, one outstanding": (["--flush", "sync"], [["flush=sync"]], "messagesPerSecond"),
    "sync, 64 outstanding": (["--flush", "sync", "--outstanding", "64", "--span", "64"], [["flush=sync", "outstanding=64"]], "messagesPerSecond"),
    "sync, 1024 outstanding": (["--flush", "sync", "--outstanding", "1024", "--span", "256"], [["flush=sync", "outstanding=1024"]], "messagesPerSecond"),
    "gets of 32, 128 B": (["--body", "128", "--span", "64", "--get", "32"], [["body=128", "get=32"]], "getMessagesPerSecond"),
}
# Messages so that a run takes some seconds: ours, stock's.
COUNTS = {"sync, one outstanding": (20_000, 20_000), "sync, 64 outstanding": (500_000, 100_000), "sync, 1024 outstanding": (1_500_000, 300_000)}
STANDARD_COUNT = (1_500_000, 1_000_000)


def ours(work, flags, count):
    store = os.path.join(work, "ours")
    run = subprocess.run([BENCH, "store", store, "--messages", str(count), *flags], capture_output=True, text=True)
    shutil.rmtree(store, ignore_errors=True)
    if run.returncode != 0:
        sys.exit("rmq-bench: " + run.stderr)
    return json.loads(run.stdout)


def stock(work, classpath, load, count):
    store = os.path.join(work, "stock")
    run = subprocess.run(["java", *JAVA_FLAGS, "-cp", classpath, "StoreLoad", store, f"messages={count}", *load], capture_output=True, text=True)
    shutil.rmtree(store, ignore_errors=True)
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if not lines:
        sys.exit("StoreLoad: " + run.stderr)
    return json.loads(lines[-1])


def median(runs, field):
    return statistics.median(run[field] for run in runs)


def row(name, ours_runs, stock_runs, field):
    cpu = "getCpuMicrosPerMessage" if field.startswith("get") else "cpuMicrosPerMessage"
    rate = median(ours_runs, field)
    latency = [median([run["latencyNanos"] for run in ours_runs], part) / 1000 for part in ("p50", "p99", "p999", "highest")]
    cells = [name, f"{rate / 1000:,.0f} k", f"{median(ours_runs, cpu):.2f}", " / ".join(f"{one:,.0f}" for one in latency)]
    if stock_runs:
        theirs = median(stock_runs, field)
        cells += [f"{theirs / 1000:,.0f} k", f"{median(stock_runs, cpu):.2f}", f"{rate / theirs:.1f}",
                  f"{median(stock_runs, cpu) / median(ours_runs, cpu):.1f}"]
    else:
        cells += ["-"] * 4
    spread = [run[field] for run in ours_runs]
    print(f"{name}: ours {min(spread):,.0f} to {max(spread):,.0f} a second", file=sys.stderr, flush=True)
    return cells


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-java", action="store_true")
    parser.add_argument("--work", default=None)
    options = parser.parse_args()
    work = tempfile.mkdtemp(dir=options.work)
    try:
        java = None if options.no_java else build_java(work, "StoreLoad.java")
        print("| load | ours, messages a second | µs CPU | µs p50 / p99 / p99.9 / highest of a put | stock | µs CPU | times stock | CPU, times less |")
        print("|---|---|---|---|---|---|---|---|")
        for name, (flags, loads, field) in LOADS.items():
            if options.only and name not in options.only.split(";"):
                continue
            mine, theirs = COUNTS.get(name, STANDARD_COUNT)
            ours_runs, stock_runs = [], [[] for _ in loads]
            for _ in range(options.runs):
                ours_runs.append(ours(work, flags, mine))
                if java:
                    for load, runs in zip(loads, stock_runs):
                        runs.append(stock(work, java, load, theirs))
            best = max(stock_runs, key=lambda runs: median(runs, field)) if java else None
            print("| " + " | ".join(row(name, ours_runs, best, field)) + " |", flush=True)
        limits = subprocess.run([BENCH, "limits", os.path.join(work, "limits")], capture_output=True, text=True, check=True)
        print("\n" + limits.stdout.strip())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
