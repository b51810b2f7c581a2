#!/usr/bin/env python3
"""tests/servers/hand_over/hand_over.py --build DIR [--java DIR] [--port N] [--turns N] [--kill]: one store directory, with its
configuration and offsets, served in turn by stock's broker 5.3.3 and by rmq-broker, under a Java producer and consumer.

In each turn messages are sent, at once and delayed, a part of all is consumed, every 7th is given back once, and the broker ends
while messages are unread, delayed and waiting for redelivery: by SIGTERM, with --kill by SIGKILL in every other turn. In the end all is
consumed. Held to: no message that was acknowledged is missing, what was given back came again, and without kills nothing came more
often than that; topics and groups are the same after each turn, no group's offset has gone back over a change, and rmq-verify finds
nothing but benign things whenever a broker has ended. After SIGKILL what was consumed since the offsets were last written (5 s) may
come again, as stock promises no more.

Needs JDK 11 and Maven; --java names this directory once `mvn -q package` ran in it, else it is built in a temporary directory.
Uses N (the name server) to N + 11 on loopback. Prints a line a turn; ends with 0 if all held.
"""
import argparse
import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
JVM = ["java", "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
       "--add-opens=java.base/java.nio=ALL-UNNAMED", "-XX:+IgnoreUnrecognizedVMOptions"]
TOPIC, GROUP = "HandOver", "HandOverGroup"
GIVEN_BACK = 7


def check(condition, text):
    if not condition:
        raise SystemExit(f"FAILED: {text}")


class Servers:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.store = os.path.join(work, "store")
        self.names = f"127.0.0.1:{options.port}"
        self.java = options.java or self.build_java()
        self.classpath = os.path.join(self.java, "target", "hand_over.jar") + ":" + os.path.join(self.java, "target", "lib", "*")
        self.running = {}
        os.makedirs(os.path.join(work, "home", "conf"))
        self.conf = self.write("broker.conf", f"""brokerClusterName=DefaultCluster
brokerName=broker-a
brokerId=0
namesrvAddr={self.names}
listenPort={options.port + 10}
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
storePathRootDir={self.store}
storePathCommitLog={self.store}/commitlog
mappedFileSizeCommitLog=1048576
mappedFileSizeConsumeQueue=20000
maxHashSlotNum=5000
maxIndexNum=20000
fileReservedTime=876000
diskMaxUsedSpaceRatio=98
autoCreateTopicEnable=true
waitTimeMillsInSendQueue=5000
osPageCacheBusyTimeOutMills=5000
""")

    def build_java(self):
        project = os.path.join(self.work, "java")
        shutil.copytree(HERE, project, ignore=shutil.ignore_patterns("target"))
        subprocess.run(["mvn", "-q", "package"], cwd=project, check=True)
        return project

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start(self, name, command, port):
        log = open(os.path.join(self.work, name + ".log"), "ab")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.work)
        self.running[name] = process
        until = time.monotonic() + 120
        while True:
            check(process.poll() is None, f"{name} ended with {process.returncode}; see {log.name}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                check(time.monotonic() < until, f"{name} does not listen")
                time.sleep(0.1)

    def start_name_server(self):
        conf = self.write("namesrv.conf", f"listenPort={self.options.port}\nkvConfigPath={self.work}/kv.json\n")
        self.start("namesrv", JVM + ["-Xmx256m", f"-Drocketmq.home.dir={self.work}/home", f"-Duser.home={self.work}", "-cp", self.classpath,
                                     "org.apache.rocketmq.namesrv.NamesrvStartup", "-c", conf], self.options.port)

    def start_broker(self, kind):
        command = [os.path.join(self.options.build, "tools", "rmq-broker"), "-c", self.conf]
        if kind == "stock":
            command = JVM + ["-Xmx1g", "-XX:MaxDirectMemorySize=1g", f"-Drocketmq.home.dir={self.work}/home", f"-Duser.home={self.work}",
                             "-cp", self.classpath, "org.apache.rocketmq.broker.BrokerStartup", "-c", self.conf]
        self.start("broker", command, self.options.port + 10)
        time.sleep(3)  # it registers

    def stop(self, name, how=signal.SIGTERM):
        process = self.running.pop(name)
        process.send_signal(how)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            check(False, f"{name} does not end")

    def stop_all(self):
        for name in list(self.running):
            self.stop(name, signal.SIGKILL)

    def client(self, *arguments):
        done = subprocess.run(JVM + ["-Xmx256m", f"-Duser.home={self.work}", "-cp", self.classpath, "HandOver", arguments[0], self.names,
                                     *map(str, arguments[1:])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
        text = done.stdout.decode()
        if done.returncode != 0:
            sys.stderr.write(done.stderr.decode()[-3000:])
        check(done.returncode == 0, f"client {arguments} ended with {done.returncode}")
        return text

    def verify(self):
        done = subprocess.run([os.path.join(self.options.build, "tools", "rmq-verify"), self.store, "--broker-conf", self.conf, "--json"],
                              stdout=subprocess.PIPE, check=False)
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        bad = [f for f in findings if f.get("severity", "benign") != "benign"]
        check(not bad and done.returncode == 0, f"rmq-verify: status {done.returncode}, {bad[:3]}")


class Run:
    def __init__(self, servers):
        self.servers = servers
        self.sent = set()
        self.got = collections.Counter()  # (number, reconsume times)
        self.number = 0

    def send(self, count, level):
        text = self.servers.client("send", TOPIC, self.number, count, level)
        numbers = [int(n) for n in re.findall(r"^sent (\d+)$", text, re.M)]
        check(len(numbers) == count, f"{len(numbers)} of {count} sends were acknowledged")
        self.sent.update(numbers)
        self.number += count

    def consume(self, most, idle_ms):
        text = self.servers.client("consume", GROUP, TOPIC, most, idle_ms, GIVEN_BACK)
        for number, times in re.findall(r"^got (\d+) (\d+)$", text, re.M):
            self.got[(int(number), int(times))] += 1

    def state(self, name):
        with open(os.path.join(self.servers.store, "config", name), encoding="utf-8") as f:
            return f.read()

    # Topic to queues, and the groups.
    def tables(self):
        topics = {}
        for name, body in re.findall(r'"([^"]+)":\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}', self.state("topics.json").split('"topicConfigTable"')[1]):
            queues = re.search(r'"writeQueueNums":(\d+)', body)
            if queues:
                topics[name] = int(queues.group(1))
        groups = set(re.findall(r'"groupName":"([^"]+)"', self.state("subscriptionGroup.json")))
        return topics, groups

    def offsets(self):
        text = self.state("consumerOffset.json")
        found = {}
        for key, body in re.findall(r'"([^"]+@[^"]+)":\{([^}]*)\}', text):
            for queue, offset in re.findall(r'(\d+):(\d+)', body):
                found[(key, int(queue))] = int(offset)
        return found


def run(options, work):
    servers = Servers(options, work)
    test = Run(servers)
    try:
        servers.start_name_server()
        before = None
        for turn in range(options.turns):
            kind = ("stock", "ours")[turn % 2]
            servers.start_broker(kind)
            test.send(60, 0)
            test.send(20, 3)  # 10 s: due in the next turn
            test.consume(45, 4000)
            kill = options.kill and turn % 4 in (1, 2)
            if not kill:
                time.sleep(1)
            servers.stop("broker", signal.SIGKILL if kill else signal.SIGTERM)
            servers.verify()
            topics, groups = test.tables()
            offsets = test.offsets()
            if before:
                check(all(topics.get(name) == queues for name, queues in before[0].items()), f"topics changed: {before[0]} to {topics}")
                check(before[1] <= groups, f"groups are gone: {before[1] - groups}")
                for key, offset in before[2].items():
                    check(offsets.get(key, -1) >= offset, f"{key} went back from {offset} to {offsets.get(key)}")
            before = (topics, groups, offsets)
            print(f"turn {turn} {kind}{' killed' if kill else ''}: {len(test.sent)} sent, {sum(test.got.values())} deliveries, "
                  f"{len(topics)} topics, {len(groups)} groups", flush=True)
        servers.start_broker(("stock", "ours")[options.turns % 2])
        time.sleep(12)  # what is delayed and given back is due
        test.consume(1 << 30, 15000)
        servers.stop("broker")
        servers.verify()
    finally:
        servers.stop_all()
    firsts = {number for (number, times) in test.got if times == 0}
    check(test.sent <= firsts, f"missing: {sorted(test.sent - firsts)[:20]}")
    again = {number for (number, times) in test.got if times == 1}
    expected = {number for number in test.sent if number % GIVEN_BACK == 0}
    check(again == expected, f"given back and not seen again: {sorted(expected - again)}, seen again: {sorted(again - expected)}")
    twice = {key: count for key, count in test.got.items() if count > 1}
    print(f"{len(test.sent)} messages, {len(expected)} given back, {sum(twice.values()) - len(twice)} deliveries too many")
    check(options.kill or not twice, f"delivered more often: {sorted(twice.items())[:20]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--java")
    parser.add_argument("--port", type=int, default=23400)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--work", help="kept there; else a temporary directory")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.java = options.java and os.path.abspath(options.java)
    if options.work:
        os.makedirs(options.work)
        run(options, os.path.abspath(options.work))
    else:
        with tempfile.TemporaryDirectory() as work:
            run(options, work)


if __name__ == "__main__":
    main()
