#!/usr/bin/env python3
"""bench/reindex.py [--runs N] [--gb G] [--body B] [--store DIR] [--no-java] [--work DIR]: rmq-reindex --all beside its limit and stock.

One store of G GB with unique keys (or a copy of DIR's log); in each run, one after the other: the limit (read_limit of the log: the same
bytes read in blocks of 256 KiB and the same CRCs computed), rmq-reindex --all of the log alone (queues and index deleted before; all of
the command's time, its final sync included), and stock RocketMQ 5.3.3 started on a copy of the same log (abort file, no queues, no index,
no checkpoint: its load() dispatches every message again; what it has not synced is not waited for). Everything from the page cache, on the same cores,
alternating. Prints medians as a Markdown table. Needs JDK 17 and Maven for the stock part, or --classpath with what Maven would give.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import run as bench


def delete_derived(store):
    for name in ("consumequeue", "index", "lost+found"):
        shutil.rmtree(os.path.join(store, name), ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gb", type=float, default=4)
    parser.add_argument("--body", default="1024")
    parser.add_argument("--store", default=None)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--mem", default="256M")
    parser.add_argument("--bin", default=bench.BIN)
    parser.add_argument("--no-java", action="store_true")
    parser.add_argument("--classpath", default=None)
    parser.add_argument("--work", default=None)
    options = parser.parse_args()
    work = tempfile.mkdtemp(dir=options.work)
    try:
        measure(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(options, work):
    store = os.path.join(work, "store")
    if options.store:
        os.makedirs(os.path.join(store, "commitlog"))
        source = os.path.join(options.store, "commitlog")
        for name in os.listdir(source):
            shutil.copy2(os.path.join(source, name), os.path.join(store, "commitlog", name))
        shutil.copy2(os.path.join(options.store, "checkpoint"), store)
    else:
        subprocess.run([os.path.join(options.bin, "bench", "make_store"), store, options.body, str(int(options.gb * 1e9)), "8"], check=True,
                       stdout=subprocess.DEVNULL)
    delete_derived(store)
    java, stock = None, os.path.join(work, "stock")
    if not options.no_java:
        java = work + ":" + options.classpath if options.classpath else bench.build_java(work)
        if options.classpath:
            subprocess.run(["javac", "-cp", options.classpath, "-d", work, os.path.join(bench.HERE, "peer", "StoreOpen.java")], check=True)
    if java:
        shutil.copytree(store, stock)
    bench.warm(store)
    limits, ours, parts, stocks = [], [], [], []
    for run in range(options.runs):
        delete_derived(store)
        delete_derived(stock)
        os.sync()
        _, _, _, text = bench.timed([os.path.join(options.bin, "bench", "read_limit"), store, str(options.jobs)])
        limits.append(json.loads(text)["seconds"])
        start = time.monotonic()
        _, cpu, code, text = bench.timed([os.path.join(options.bin, "tools", "rmq-reindex"), store, "--all", "-j", str(options.jobs), "--mem",
                                          options.mem, "--progress", "never", "-o", "json"])
        wall = time.monotonic() - start
        assert code == 0, text
        summary = json.loads(text.splitlines()[-1])
        ours.append(wall)
        parts.append([summary["secondsReading"], summary["secondsWriting"], summary["secondsSwapping"], cpu])
        if java:
            bench.warm(stock)
            if os.path.exists(os.path.join(stock, "checkpoint")):
                os.remove(os.path.join(stock, "checkpoint"))
            open(os.path.join(stock, "abort"), "w", encoding="utf-8").close()
            _, _, code, text = bench.timed(["java", *bench.JAVA_FLAGS, "-Duser.home=" + work, "-cp", java, "StoreOpen", stock])
            result = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
            assert result["loaded"] and os.path.isdir(os.path.join(stock, "consumequeue")), result
            stocks.append(result["seconds"])
            bench.warm(store)
        print(f"run {run + 1}: limit {limits[-1]:.3f} s, reindex {wall:.3f} s (reading {parts[-1][0]:.3f}, writing {parts[-1][1]:.3f}, swapping "
              f"{parts[-1][2]:.3f}; CPU {cpu:.2f} s)" + (f", stock {stocks[-1]:.2f} s" if stocks else ""), file=sys.stderr)
    gigabytes = summary["bytesExpected"] / 1e9
    limit, mine = statistics.median(limits), statistics.median(ours)
    row = [f"{summary['records']:,}", f"{limit:.2f} s", f"{mine:.2f} s, {gigabytes / mine:.1f} GB/s", f"{limit / mine:.0%}",
           f"{min(limits) / min(ours):.0%}", f"{summary['keys'] / mine / 1e6:.1f} M"]
    row += [f"{statistics.median(stocks):.1f} s", f"{statistics.median(stocks) / mine:.0f}x"] if stocks else ["-", "-"]
    print("| messages | limit | rmq-reindex --all | of the limit | best against best | keys a second | stock | times stock |")
    print("|---|---|---|---|---|---|---|---|")
    print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
