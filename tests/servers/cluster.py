"""Servers for tests: started on free loopback ports with a home of their own, asked by hand-made frames, stopped gracefully."""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

PATIENCE_S = 60


def ask(port, code, fields=None, body=b""):
    """One request with a JSON header; the answer's header and body."""
    header = json.dumps({"code": code, "flag": 0, "language": "JAVA", "opaque": 7, "version": 479,
                         "serializeTypeCurrentRPC": "JSON", "extFields": fields or {}}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack(">ii", 4 + len(header) + len(body), len(header)) + header + body)
        stream = connection.makefile("rb")
        total, length = struct.unpack(">ii", stream.read(8))
        answer = json.loads(stream.read(length))
        return answer, stream.read(total - 4 - length)


def free_port():
    """A port with the two below it free, as a broker needs them; nobody keeps it for us."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for number in (port - 2, port + 1):
                with socket.socket() as neighbour:
                    neighbour.bind(("127.0.0.1", number))
            return port
        except OSError:
            continue


class Process:
    """One server. `banner` is what its first line says when it is ready."""

    def __init__(self, command, home, banner):
        self.err = open(os.path.join(home, os.path.basename(command[0]) + ".err"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.err, text=True,
                                        env={"HOME": home, "PATH": os.environ["PATH"]})
        for self.line in self.process.stdout:
            self.ready = re.match(banner, self.line)
            if self.ready:
                return
        raise AssertionError(f"{command[0]} is not ready:\n{self.errors()}")

    def errors(self):
        self.err.flush()
        self.err.seek(0)
        return self.err.read()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def write_config(home, name, lines):
    path = os.path.join(home, name)
    with open(path, "w", encoding="latin-1") as file:
        file.write("".join(f"{key}={value}\n" for key, value in lines.items()))
    return path


class NameServer(Process):
    def __init__(self, program, home, **config):
        path = write_config(home, "namesrv.conf", {"listenPort": 0, "bindAddress": "127.0.0.1", **config})
        super().__init__([program, "-c", path, "--log", os.path.join(home, "logs", "namesrv.log")], home,
                         r"The Name Server boot success\. serializeType=JSON, address 127\.0\.0\.1:(\d+)$")
        self.port = int(self.ready.group(1))


class Broker(Process):
    def __init__(self, program, home, name_server, **config):
        self.port = free_port()
        self.store = os.path.join(home, "store")
        path = write_config(home, "broker.conf", {
            "brokerClusterName": "TestCluster", "brokerName": "broker-a", "listenPort": self.port,
            "brokerIP1": "127.0.0.1", "namesrvAddr": f"127.0.0.1:{name_server.port}", "storePathRootDir": self.store,
            "storePathCommitLog": os.path.join(self.store, "commitlog"), "mappedFileSizeCommitLog": 64 << 20, **config})
        super().__init__([program, "-c", path, "--log", os.path.join(home, "logs", "broker.log")], home,
                         r"The broker\[broker-a, 127\.0\.0\.1:\d+\] boot success")
        end = time.monotonic() + PATIENCE_S
        while ask(name_server.port, 105, {"topic": "TBW102"})[0]["code"] != 0:
            if time.monotonic() > end:
                raise AssertionError("the broker did not register")
            time.sleep(0.05)
