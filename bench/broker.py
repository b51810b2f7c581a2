#!/usr/bin/env python3
"""bench/broker.py [--runs N] [--seconds S] [--only NAME;NAME...] [--no-java | --no-ours] [--lib DIR] [--work DIR] [--port P]

rmq-broker beside the stock broker 5.3.3: each run starts one, warms it up, loads it with `rmq-bench broker` (the same loads for both,
over loopback, on the same cores), stops it, and then does the same with the other. For each load every depth that is named is tried
and the best one counts. Prints medians as a Markdown table. Stock runs on a JVM with a 2 GiB heap, with the waiting times that make it refuse loads
raised; everything else of both is as it comes. Needs JDK 17 and, unless --lib names a directory with the jars, Maven for stock.
"""
import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from run import BIN, JAVA_FLAGS, build_java

BENCH = os.path.join(BIN, "bench", "rmq-bench")
BROKER = os.path.join(BIN, "tools", "rmq-broker")

SEND = ["--do", "send", "--connections", "4"]
PULL = ["--do", "pull", "--connections", "2", "--batch", "32"]
# name: flags, depths of a connection to try
LOADS = {
    "send, 10 B, JSON": (SEND + ["--body", "10", "--topic", "Small"], [64, 512]),
    "send, 10 B, ROCKETMQ": (SEND + ["--body", "10", "--topic", "Small", "--header", "rocketmq"], [64, 512]),
    "send, 1 KiB, JSON": (SEND + ["--topic", "Large"], [64, 512]),
    "send, 1 KiB, ROCKETMQ": (SEND + ["--topic", "Large", "--header", "rocketmq"], [64, 512]),
    "send, batches of 32, 1 KiB": (SEND + ["--batch", "32", "--topic", "Large"], [8, 32]),
    "send, 1 KiB, one connection, one at a time": (["--do", "send", "--connections", "1", "--topic", "Large"], [1]),
    "pull 32, 1 KiB, one queue": (PULL + ["--topic", "OneQueue", "--queues", "1"], [4, 32]),
    "pull 32, 1 KiB, four queues in turn": (PULL + ["--topic", "Scattered"], [4, 32]),
    "pull 32, 10 B, four queues in turn": (PULL + ["--topic", "Small"], [4, 32]),
    "held pull": (["--do", "held", "--topic", "Held", "--queues", "1", "--messages", "2000"], [1]),
}
# What is there before anything is measured: topic, bytes, queues, messages.
FILLED = [("Small", 10, 4, 300_000), ("OneQueue", 1024, 1, 300_000), ("Scattered", 1024, 4, 300_000)]

STOCK_CONF = """brokerClusterName=DefaultCluster
brokerName=bench
brokerIP1=127.0.0.1
listenPort={port}
storePathRootDir={store}
storePathCommitLog={store}/commitlog
flushDiskType=ASYNC_FLUSH
autoCreateTopicEnable=true
"""
# Loads with many outstanding requests are what is measured, not how they are refused.
STOCK_PATIENCE = """waitTimeMillsInSendQueue=60000
waitTimeMillsInPullQueue=60000
osPageCacheBusyTimeOutMills=60000
sendThreadPoolQueueCapacity=100000
pullThreadPoolQueueCapacity=100000
"""


class Broker:
    def __init__(self, kind, work, port, classpath):
        self.directory = os.path.join(work, kind)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        conf = os.path.join(self.directory, "broker.conf")
        with open(conf, "w", encoding="utf-8") as out:
            out.write(STOCK_CONF.format(port=port, store=os.path.join(self.directory, "store")))
            if kind == "stock":
                out.write(STOCK_PATIENCE)
        self.port = port
        command = [BROKER, "-c", conf]
        if kind == "stock":
            command = ["java", *JAVA_FLAGS, "-Xms2g", "-Duser.home=" + self.directory, "-Drocketmq.home.dir=" + self.directory,
                       "-cp", classpath, "org.apache.rocketmq.broker.BrokerStartup", "-c", conf]
        log = open(os.path.join(self.directory, "out.log"), "w", encoding="utf-8")
        environment = dict(os.environ, ROCKETMQ_HOME=self.directory, HOME=self.directory)
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() - self.started > 60:
                    sys.exit(f"{kind} does not start, see {self.directory}/out.log")
                time.sleep(0.005)

    def first_message(self):
        """Seconds from exec to the first acknowledged message."""
        while True:
            if self.load(["--messages", "1", "--connections", "1", "--topic", "First"], None).get("messages", 0) == 1:
                return time.monotonic() - self.started
            if time.monotonic() - self.started > 60:
                sys.exit("no message is acknowledged")

    def load(self, flags, seconds):
        command = [BENCH, "broker", str(self.port), "--pid", str(self.process.pid), *flags]
        if seconds:
            command += ["--seconds", str(seconds)]
        run = subprocess.run(command, capture_output=True, text=True)
        if not run.stdout:
            return {"error": run.stderr.strip()}
        return json.loads(run.stdout)

    def rss_anon(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024

    def idle_connections(self, count):
        """RssAnon with so many connections that say nothing."""
        sockets = []
        for _ in range(count):
            sockets.append(socket.create_connection(("127.0.0.1", self.port), 10))
        time.sleep(1)
        memory = self.rss_anon()
        for one in sockets:
            one.close()
        return memory

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def measure(kind, work, options, classpath, names):
    broker = Broker(kind, work, options.port, classpath)
    figures = {"first message": {"seconds": broker.first_message()}, "start": {"rssAnon": broker.rss_anon()}}
    for topic, body, queues, messages in FILLED:
        filled = broker.load(["--topic", topic, "--body", str(body), "--queues", str(queues), "--messages", str(messages)], 30)
        if filled.get("messages") != messages:
            print(f"{kind}: filling {topic}: {filled}", file=sys.stderr)
    for name in names:
        flags, depths = LOADS[name]
        best = None
        for depth in depths:
            found = broker.load(flags + ["--depth", str(depth), "--messages", str(10**9)] if "--messages" not in flags else flags, options.seconds)
            if "error" in found or found["refused"] > 0:
                print(f"{kind}, {name}, depth {depth}: {found}", file=sys.stderr)
            if "error" not in found and (best is None or found["messagesPerSecond"] > best["messagesPerSecond"]):
                best = found
        if best is None:
            continue
        if options.half and "send" in flags and best["depth"] > 1:
            rate = best["requests"] / best["seconds"] / 2
            half = broker.load(flags + ["--depth", "4096", "--messages", str(10**9), "--rate", str(int(rate))], options.seconds)
            best["half"] = half.get("latencyNanos")
        figures[name] = best
    if options.idle:
        figures["idle"] = {"rssAnon": broker.idle_connections(options.idle)}
    broker.stop()
    return figures


def micros(latencies):
    return " / ".join(f"{latencies[part] / 1000:,.0f}" for part in ("p50", "p99", "p999")) if latencies else "-"


def median_of(runs, name, field):
    found = [run[name][field] for run in runs if name in run and run[name].get(field) is not None]
    return statistics.median(found) if found else None


def middle_run(runs, name):
    found = sorted((run[name] for run in runs if name in run), key=lambda run: run["messagesPerSecond"])
    return found[len(found) // 2] if found else None


def row(name, ours, stock):
    cells = [name]
    speeds = []
    for runs in (ours, stock):
        middle = middle_run(runs, name)
        if middle is None:
            cells += ["-", "-", "-", "-"]
            speeds.append(None)
            continue
        speed = median_of(runs, name, "messagesPerSecond")
        cpu = median_of(runs, name, "brokerCpuMicrosPerMessage")
        speeds.append((speed, cpu))
        cells += [f"{speed / 1000:,.1f} k ({middle['depth']})", f"{cpu:.2f}", micros(middle["latencyNanos"]), micros(middle.get("half"))]
    if speeds[0] and speeds[1]:
        cells += [f"{speeds[0][0] / speeds[1][0]:.1f}", f"{speeds[1][1] / speeds[0][1]:.1f}" if speeds[0][1] else "-"]
    else:
        cells += ["-", "-"]
    return cells


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", default=None)
    parser.add_argument("--no-java", action="store_true")
    parser.add_argument("--no-ours", action="store_true")
    parser.add_argument("--half", action="store_true", help="also at half of each load's best rate, for the latencies there")
    parser.add_argument("--idle", type=int, default=0, help="so many idle connections at the end")
    parser.add_argument("--lib", default=None)
    parser.add_argument("--work", default=None)
    parser.add_argument("--port", type=int, default=21010)
    options = parser.parse_args()
    names = options.only.split(";") if options.only else list(LOADS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    work = tempfile.mkdtemp(dir=options.work)
    ours, stock = [], []
    try:
        classpath = None
        if not options.no_java:
            classpath = os.path.join(options.lib, "*") if options.lib else build_java(work)
        for _ in range(options.runs):
            if classpath:
                stock.append(measure("stock", work, options, classpath, names))
            if not options.no_ours:
                ours.append(measure("ours", work, options, classpath, names))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("| load | ours, messages a second (depth) | µs CPU | µs p50 / p99 / p99.9 | at half load | stock | µs CPU | µs p50 / p99 / p99.9 | at half load | times stock | CPU, times less |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in names:
        print("| " + " | ".join(row(name, ours, stock)) + " |")
    for who, runs in (("ours", ours), ("stock", stock)):
        if runs:
            print(f"{who}: exec to first acknowledged message {median_of(runs, 'first message', 'seconds'):.2f} s, "
                  f"RssAnon then {median_of(runs, 'start', 'rssAnon') / 2**20:.0f} MiB"
                  + (f", with {options.idle} idle connections {median_of(runs, 'idle', 'rssAnon') / 2**20:.0f} MiB" if options.idle else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
