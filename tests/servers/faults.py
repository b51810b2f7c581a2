#!/usr/bin/env python3
"""faults.py kill|frames|disk --build DIR [--rounds N] [--sync] [--port P] [--seed S]: what rmq-broker is put through.

kill:   N times the broker is killed with SIGKILL while clients send, and started again; they send again what was not answered. Afterwards
        every acknowledged message is in its queue, in order, and rmq-verify has nothing but benign findings.
frames: N random frames, cut, flipped and lying, while another client sends and pulls: it is served all the time, and memory stays.
disk:   the store lies on a file system of 64 MiB (tmpfs, needs root) that becomes full: sends are refused, pulls go on, and sends are
        taken again when there is room.
Prints the score; exit code 1 when something was lost.
"""
import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from remoting import Client, send_frame

CONF = """brokerName=faults
brokerIP1=127.0.0.1
listenPort={port}
storePathRootDir={store}
storePathCommitLog={store}/commitlog
mappedFileSizeCommitLog=8388608
mappedFileSizeConsumeQueue=60000
maxHashSlotNum=5000
maxIndexNum=20000
flushDiskType={flush}
"""


class Broker:
    def __init__(self, options, work):
        self.options, self.work, self.process = options, work, None
        self.store = os.path.join(work, "store")
        self.conf = os.path.join(work, "broker.conf")
        with open(self.conf, "w", encoding="ascii") as out:
            out.write(CONF.format(port=options.port, store=self.store, flush="SYNC_FLUSH" if options.sync else "ASYNC_FLUSH"))

    def start(self):
        environment = dict(os.environ, ROCKETMQ_HOME=self.work, HOME=self.work)
        with open(os.path.join(self.work, "out.log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([os.path.join(self.options.build, "tools", "rmq-broker"), "-c", self.conf], stdout=log, stderr=log, env=environment)
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                return Client(self.options.port).close()
            except OSError:
                time.sleep(0.005)
        sys.exit("the broker does not start: " + open(os.path.join(self.work, "out.log"), encoding="utf-8").read()[-2000:])

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(60)

    def rss_anon(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) // 1024

    def verify(self):
        run = subprocess.run([os.path.join(self.options.build, "tools", "rmq-verify"), self.store, "--level", "deep"], capture_output=True, text=True)
        if run.returncode == 0:
            print("rmq-verify: nothing but benign findings")
            return True
        log = os.path.join(self.work, "logs", "rocketmqlogs", "broker.log")
        print(run.stdout[-600:], open(log, encoding="utf-8").read()[-2000:] if os.path.exists(log) else "")
        return False


class Sender:
    """Numbered messages into one queue, some unanswered at a time; what was not answered is sent again on the next connection."""

    def __init__(self, port, queue):
        self.port, self.queue, self.client = port, queue, None
        self.next, self.waiting, self.acked, self.refused = 0, {}, [], 0
        self.again = []

    def connect(self):
        self.client = Client(self.port)
        self.again = sorted(self.waiting.values())
        self.waiting = {}

    def send(self, window):
        while len(self.waiting) < window:
            number = self.again.pop(0) if self.again else self.next
            if number == self.next:
                self.next += 1
            opaque = random.getrandbits(30)
            self.waiting[opaque] = number
            self.client.send(send_frame("Faults", self.queue, f"{self.queue}-{number}-".encode() + b"x" * 300, f"{self.queue}-{number}", opaque))

    def receive(self):
        header, _ = self.client.receive()
        number = self.waiting.pop(header["opaque"])
        if header["code"] == 0:
            self.acked.append(number)
        else:
            self.refused += 1


def kill(options, broker):
    senders = [Sender(options.port, queue) for queue in range(4)]
    for _ in range(options.rounds):
        broker.start()
        for sender in senders:
            sender.connect()
        dies = sum(len(sender.acked) for sender in senders) + random.randrange(20, 2000)
        try:
            while True:
                if broker.process.poll() is None and sum(len(sender.acked) for sender in senders) >= dies:
                    broker.end(signal.SIGKILL)
                for sender in senders:
                    sender.send(32)
                for sender in senders:
                    sender.receive()
        except OSError:
            pass
        for sender in senders:  # answers that were on their way count
            try:
                while sender.waiting:
                    sender.receive()
            except OSError:
                sender.client.close()
    broker.start()
    client = Client(options.port)
    lost, twice, total = 0, 0, 0
    for sender in senders:
        there = [int(body.split(b"-")[1]) for body in client.all_bodies("Faults", sender.queue)]
        lost += len(set(sender.acked) - set(there))
        twice += len(there) - len(set(there))
        total += len(sender.acked)
    client.close()
    broker.end(signal.SIGTERM)
    good = broker.verify()
    print(f"killed {options.rounds} times: {total} acknowledged, {lost} lost, {twice} there twice (sent again), {sum(s.refused for s in senders)} refused")
    return lost == 0 and total > 0 and good


def frames(options, broker):
    broker.start()
    good = Sender(options.port, 0)
    good.connect()
    before, sent, served, slowest, line = broker.rss_anon(), 0, 0, 0.0, None
    while sent < options.rounds:
        bytes_out = bytearray()
        for _ in range(200):
            one = bytearray(send_frame("Random", random.randrange(4), b"x" * random.randrange(200), "k"))
            kind = random.randrange(8)
            if kind < 3:
                for _ in range(random.randrange(1, 5)):
                    one[random.randrange(len(one))] = random.randrange(256)
            elif kind == 3:
                one[:4] = random.randbytes(4)
            elif kind == 4:
                one = one[:random.randrange(len(one))]
            elif kind == 5:
                one = bytearray(random.randbytes(random.randrange(400)))
            bytes_out += one
            sent += 1
        try:
            line = line or socket.create_connection(("127.0.0.1", options.port), 5)
            line.sendall(bytes_out)
        except OSError:
            line = None
        start = time.monotonic()
        good.send(8)
        while good.waiting:
            good.receive()
        slowest = max(slowest, time.monotonic() - start)
        served += 8
    alive = broker.process.poll() is None
    memory = broker.rss_anon()
    print(f"{sent} random frames: another client's {served} sends were answered ({good.refused} refused), the slowest 8 in {slowest * 1000:.0f} ms; "
          f"RssAnon {before} MiB before, {memory} MiB after")
    broker.end(signal.SIGTERM)
    return alive and broker.verify() and good.refused == 0 and memory < before + 128


def disk(options, broker):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", broker.work + "/disk"], check=True)
    try:
        broker.start()
        filler = os.path.join(broker.work, "disk", "filler")
        with open(filler, "wb") as out:
            out.write(b"f" * (30 << 20))
        client, number, refusal = Client(options.port), 0, None
        while refusal is None and number < 1_000_000:
            client.send(b"".join(send_frame("Disk", 0, b"%d-" % (number + i) + b"x" * 4000, f"k{number + i}") for i in range(64)))
            for header, _ in [client.receive() for _ in range(64)]:
                if header["code"] != 0:
                    refusal = refusal or header
                elif refusal is None:
                    number += 1
                else:
                    print(f"taken behind a refusal: {header}")
                    return False
        pulled = len(client.all_bodies("Disk", 0))
        print(f"full after {number} messages: code {refusal['code']}, {refusal.get('remark')}; {pulled} pulled meanwhile")
        os.unlink(filler)
        start = time.monotonic()
        while time.monotonic() < start + 30:
            client.send(send_frame("Disk", 0, b"again", "again"))
            if client.receive()[0]["code"] == 0:
                break
            time.sleep(0.1)
        else:
            print("not taken again within 30 s")
            return False
        print(f"with room again taken after {time.monotonic() - start:.1f} s")
        complete = len(client.all_bodies("Disk", 0)) == number + 1
        broker.end(signal.SIGTERM)
        return complete and pulled == number and broker.verify()
    finally:
        if broker.process.poll() is None:
            broker.end(signal.SIGKILL)
        subprocess.run(["umount", broker.work + "/disk"], check=False)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("kill", "frames", "disk"))
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--port", type=int, default=None, help="(default: one that is free)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.port = options.port or free_port()
    options.rounds = options.rounds or (50 if options.what == "kill" else 100_000)
    random.seed(options.seed)
    work = tempfile.mkdtemp()
    broker = Broker(options, work)
    if options.what == "disk":
        os.mkdir(work + "/disk")
        broker.store = work + "/disk/store"
        with open(broker.conf, "w", encoding="ascii") as out:
            out.write(CONF.format(port=options.port, store=broker.store, flush="ASYNC_FLUSH"))
    try:
        return 0 if {"kill": kill, "frames": frames, "disk": disk}[options.what](options, broker) else 1
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.process.kill()
            broker.process.wait()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
