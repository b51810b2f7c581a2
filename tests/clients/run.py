"""RocketMQ's own Java and Go clients against rmq-namesrv and rmq-broker; then a graceful stop, and rmq-verify over the store.

Needs JDK, Maven and Go, and what these fetch the first time. What is missing is skipped with a sentence (exit 77), unless
RMQ_CLIENTS_REQUIRED is set, as in CI: then it fails.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "servers"))
from cluster import Broker, NameServer  # noqa: E402

SKIPPED = 77


def missing(*programs):
    return [program for program in programs if shutil.which(program) is None]


def java_classpath(work):
    """The client's jars, fetched once, and the program compiled."""
    jars, classes = os.path.join(work, "java-5.3.3"), os.path.join(work, "classes")
    if not os.path.exists(jars + ".whole"):
        subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=" + jars],
                       cwd=os.path.join(HERE, "java"), check=True)
        open(jars + ".whole", "w", encoding="utf-8").close()
    subprocess.run(["javac", "-proc:none", "-d", classes, "-cp", jars + "/*", os.path.join(HERE, "java", "ClientTest.java")],
                   check=True)
    return f"{classes}:{jars}/*"


def clients(work, home, name_server, broker):
    """The commands of the clients that can run here."""
    commands, lacking = [], []
    addresses = (f"127.0.0.1:{name_server}", f"127.0.0.1:{broker}")
    if gone := missing("java", "javac", "mvn"):
        lacking += gone
    else:
        commands.append(["java", "-XX:TieredStopAtLevel=1", "-Duser.home=" + home, "-Drocketmq.client.logRoot=" + home + "/logs",
                         "-cp", java_classpath(work), "ClientTest", *addresses])
    if gone := missing("go"):
        lacking += gone
    else:
        program = os.path.join(work, "go-client")
        subprocess.run(["go", "build", "-o", program, "."], cwd=os.path.join(HERE, "go"), check=True)
        commands.append([program, "-namesrv", addresses[0], "-broker", addresses[1]])
    if lacking:
        print("not there, so that a client is not tested:", " ".join(lacking))
    return commands, lacking


def run(settings, home):
    name_server = NameServer(settings.namesrv, home)
    broker = None
    try:
        broker = Broker(settings.broker, home, name_server)
        commands, lacking = clients(settings.work, home, name_server.port, broker.port)
        if lacking and os.environ.get("RMQ_CLIENTS_REQUIRED"):
            return 1
        if not commands:
            return SKIPPED
        running = [subprocess.Popen(command, cwd=home) for command in commands]
        codes = [process.wait(timeout=240) for process in running]
        stopped = (broker.stop(), name_server.stop())
        print("clients ended with", codes, "servers with", stopped)
        verdict = subprocess.run([settings.verify, broker.store], check=False).returncode
        return 0 if not any(codes) and stopped == (0, 0) and verdict == 0 else 1
    finally:
        for server in (broker, name_server):
            if server is not None:
                server.kill()
        print(name_server.errors(), broker.errors() if broker is not None else "")


def main():
    parser = argparse.ArgumentParser()
    for name in ("namesrv", "broker", "verify", "work"):
        parser.add_argument("--" + name, required=True)
    settings = parser.parse_args()
    os.makedirs(settings.work, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        return run(settings, home)


if __name__ == "__main__":
    sys.exit(main())
