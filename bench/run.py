#!/usr/bin/env python3
"""bench/run.py [--runs N] [--gb G] [--bodies 10,1024,65536] [--no-java] [--work DIR]: the figures of bench/README.md.

For each body size one store of G GB with unique keys and index; in each run, one after the other: the limit (read_limit:
the same bytes read, the same CRCs computed), the same without copies (read_limit mapped), rmq-verify --level deep, rmq-dump log -o json into a file in memory, and stock
RocketMQ 5.3.3's recovery of the same store (abort file, no checkpoint, queues and index there, CRC on) on a copy of its own.
Everything from the page cache, all on the same cores, alternating. Prints medians as a Markdown table, and the spread.
Needs JDK 17 and Maven for the stock part; without them it says so and leaves it out.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BIN = os.path.join(ROOT, "build", "release")
JAVA_FLAGS = ["--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
              "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx2g", "-XX:MaxDirectMemorySize=4g"]


def timed(command, stdout=subprocess.PIPE):
    """Wall seconds, CPU seconds of the child, its standard output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    run = subprocess.run(command, stdout=stdout, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text = run.stdout.decode() if run.stdout else ""
    return wall, cpu, run.returncode, text


def warm(store):
    for directory, _, names in os.walk(store):
        for name in names:
            subprocess.run(["dd", "if=" + os.path.join(directory, name), "of=/dev/null", "bs=1M"], stderr=subprocess.DEVNULL)


def build_java(work, program="StoreOpen.java"):
    if not shutil.which("mvn") or not shutil.which("javac"):
        print("no Maven or JDK: stock is left out", file=sys.stderr)
        return None
    project = os.path.join(work, "generator")
    shutil.copytree(os.path.join(ROOT, "testdata", "generator"), project, dirs_exist_ok=True)
    subprocess.run(["mvn", "-q", "package"], cwd=project, check=True)
    classpath = os.path.join(project, "target-5", "lib", "*")
    subprocess.run(["javac", "-cp", classpath, "-d", work, os.path.join(HERE, "peer", program)], check=True)
    return work + ":" + classpath


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--gb", type=float, default=4)
    parser.add_argument("--bodies", default="10,1024,65536")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--no-java", action="store_true")
    parser.add_argument("--work", default=None)
    options = parser.parse_args()
    work = tempfile.mkdtemp(dir=options.work)
    try:
        java = None if options.no_java else build_java(work)
        rows = []
        for body in options.bodies.split(","):
            rows.append(measure(body, options, work, java))
        print("| body | messages | limit | verify deep | of the limit | of the limit without copies | CPU a message | dump JSON | lines a second and core | stock recovery | times stock |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for row in rows:
            print("| " + " | ".join(row) + " |")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def measure(body, options, work, java):
    store = os.path.join(work, "store-" + body)
    make = [os.path.join(BIN, "bench", "make_store"), store, body, str(int(options.gb * 1e9)), "8"]
    made = json.loads(subprocess.run(make, check=True, stdout=subprocess.PIPE).stdout)
    gigabytes = made["logBytes"] / 1e9
    stock_store = os.path.join(work, "stock-" + body)
    if java:
        subprocess.run(make[:1] + [stock_store] + make[2:] + ["crashed"], check=True, stdout=subprocess.DEVNULL)
    warm(store)
    limits, mapped, verifies, cpus, dumps, dump_cpus, stocks = [], [], [], [], [], [], []
    for run in range(options.runs):
        wall, _, _, text = timed([os.path.join(BIN, "bench", "read_limit"), store, str(options.jobs)])
        limits.append(json.loads(text)["seconds"])
        wall, _, _, text = timed([os.path.join(BIN, "bench", "read_limit"), store, str(options.jobs), "mapped"])
        mapped.append(json.loads(text)["seconds"])
        wall, cpu, code, text = timed([os.path.join(BIN, "tools", "rmq-verify"), "--level", "deep", "-j", str(options.jobs),
                                       "--progress", "never", "-o", "json", store])
        assert code == 0, text
        verifies.append(json.loads(text.splitlines()[-1])["seconds"])
        cpus.append(cpu)
        wall, cpu, code, _ = timed([os.path.join(BIN, "tools", "rmq-dump"), "log", store, "-o", "json", "-j", "1", "--progress",
                                    "never"], stdout=subprocess.DEVNULL)
        assert code == 0
        dumps.append(wall)
        dump_cpus.append(cpu)
        if java:
            open(os.path.join(stock_store, "abort"), "w").close()
            if os.path.exists(os.path.join(stock_store, "checkpoint")):
                os.remove(os.path.join(stock_store, "checkpoint"))
            _, _, code, text = timed(["java", *JAVA_FLAGS, "-Duser.home=" + work, "-cp", java, "StoreOpen", stock_store])
            result = json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
            assert result["loaded"] and result["maxPhyOffset"] >= made["logBytes"] * 0.99, result
            stocks.append(result["seconds"])
        print(f"body {body} run {run + 1}: limit {limits[-1]:.3f} s, mapped {mapped[-1]:.3f} s, verify {verifies[-1]:.3f} s, dump {dumps[-1]:.2f} s"
              + (f", stock {stocks[-1]:.2f} s" if stocks else ""), file=sys.stderr)
    shutil.rmtree(store)
    shutil.rmtree(stock_store, ignore_errors=True)
    limit, least, verify, dump = (statistics.median(x) for x in (limits, mapped, verifies, dumps))
    stock = statistics.median(stocks) if stocks else None
    return [f"{body} B", f"{made['messages']:,}", f"{gigabytes / limit:.2f} GB/s", f"{gigabytes / verify:.2f} GB/s",
            f"{limit / verify:.0%}", f"{least / verify:.0%}", f"{statistics.median(cpus) / made['messages'] * 1e9:.0f} ns",
            f"{gigabytes / statistics.median(dump_cpus):.2f} GB/s", f"{made['messages'] / statistics.median(dump_cpus):,.0f}",
            f"{gigabytes / stock:.2f} GB/s" if stock else "-", f"{stock / verify:.0f}x" if stock else "-"]


if __name__ == "__main__":
    sys.exit(main())
