"""rmq-broker from outside: its help and pages, its configuration, what it answers over a socket, and how it ends."""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from namesrv_test import ask, flags_in


class Settings:
    broker = ""
    source = ""


def page(*path):
    with open(os.path.join(Settings.source, *path), encoding="utf-8") as file:
        return file.read()


def free_ports(count):
    """Ports that were free a moment ago, none next to another."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(*arguments, home="/nowhere", **more):
    return subprocess.run([Settings.broker, *arguments], capture_output=True, text=True, timeout=60,
                          env={"HOME": home, **more}, check=False)


class Broker:
    """A broker with a small store of its own."""

    def __init__(self, home, config=""):
        self.home = home
        for _ in range(5):  # somebody else may take a port before the broker does
            error = self.start(config)
            if not error:
                return
            if "Address already in use" not in error:
                break
        raise AssertionError(error)

    def start(self, config):
        home = self.home
        self.port, self.http = free_ports(2)
        self.conf = os.path.join(home, "broker.conf")
        with open(self.conf, "w", encoding="latin-1") as file:
            file.write(f"listenPort={self.port}\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nbrokerName=b\n"
                       f"storePathRootDir={home}/store\nmappedFileSizeCommitLog=1048576\nmaxHashSlotNum=100\n"
                       f"maxIndexNum=400\nmetricsExporterType=PROM\nmetricsPromExporterHost=127.0.0.1\n"
                       f"metricsPromExporterPort={self.http}\n" + config)
        self.process = subprocess.Popen([Settings.broker, "-c", self.conf, "--log", os.path.join(home, "broker.log")],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"HOME": home})
        self.banner = self.process.stdout.readline()
        if "boot success" in self.banner:
            return ""
        self.process.kill()
        return self.banner + self.process.communicate()[1]

    def ask(self, code, fields=None, body=b""):
        return ask(self.port, code, fields, body)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return answer.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Pages(unittest.TestCase):
    def test_help_fits_a_screen_and_pages_know_its_flags(self):
        text = run("--help").stdout
        self.assertLess(len(text.splitlines()), 40)
        self.assertLessEqual(max(map(len, text.splitlines())), 110)
        flags = flags_in(text)
        self.assertIn("--configFile", flags)
        for path in (("docs", "man", "rmq-broker.1"), ("docs", "tools", "rmq-broker.md"),
                     ("completion", "rmq-broker.bash"), ("completion", "_rmq-broker")):
            self.assertEqual(flags - flags_in(page(*path)), set(), path)

    def test_what_is_wrong_is_said(self):
        self.assertEqual(run("--configFil").returncode, 16)
        done = run("-n", "nowhere")
        self.assertEqual(done.returncode, 16)
        self.assertIn("The Name Server Address[nowhere] illegal", done.stderr)
        with tempfile.TemporaryDirectory() as home:
            path = os.path.join(home, "broker.conf")
            with open(path, "w", encoding="latin-1") as file:
                file.write("mapedFileSizeCommitLog=1\nbrokerRole=SLAVE\nbrokerId=1\n")
            done = run("-c", path, home=home)
            self.assertEqual(done.returncode, 16)
            self.assertIn("HA is not supported yet", done.stderr)

    def test_the_configuration_is_printed(self):
        done = run("-p", "-n", "10.0.0.1:9876", home="/mq")
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertIn("listenPort=10911", lines)
        self.assertIn("namesrvAddr=10.0.0.1:9876", lines)
        self.assertIn("storePathRootDir=/mq/store", lines)
        self.assertGreater(len(lines), 400)
        important = run("-m", home="/mq", NAMESRV_ADDR="10.0.0.2:9876").stdout.splitlines()
        self.assertIn("namesrvAddr=10.0.0.2:9876", important)
        self.assertLess(len(important), 70)


class Serving(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.home = self.directory.name

    def tearDown(self):
        self.directory.cleanup()

    def test_topics_groups_and_configuration(self):
        broker = Broker(self.home)
        try:
            self.assertIn(f"The broker[b, 127.0.0.1:{broker.port}] boot success", broker.banner)
            topic = {"topic": "T", "defaultTopic": "TBW102", "readQueueNums": "4", "writeQueueNums": "4", "perm": "6",
                     "topicFilterType": "SINGLE_TAG", "order": "false"}
            self.assertEqual(broker.ask(17, topic)[0]["code"], 0)
            answer, body = broker.ask(351, {"topic": "T"})
            self.assertEqual(json.loads(body)["writeQueueNums"], 4)
            self.assertEqual(broker.ask(17, {**topic, "topic": "TBW102"})[0]["code"], 29)
            self.assertEqual(broker.ask(200, body=b'{"groupName":"G","retryMaxTimes":3}')[0]["code"], 0)
            self.assertEqual(json.loads(broker.ask(352, {"group": "G"})[1])["retryMaxTimes"], 3)
            offset = {"consumerGroup": "G", "topic": "T", "queueId": "0"}
            self.assertEqual(broker.ask(14, offset)[0]["code"], 22)
            self.assertEqual(broker.ask(15, {**offset, "commitOffset": "7"})[0]["code"], 0)
            self.assertEqual(broker.ask(14, offset)[0]["extFields"]["offset"], "7")
            self.assertEqual(broker.ask(25, body=b"brokerConfigPath=/x\n")[0]["code"], 16)
            self.assertEqual(broker.ask(25, body=b"defaultTopicQueueNums=3\nlogLevel=debug\n")[0]["code"], 0)
            self.assertIn(b"\ndefaultTopicQueueNums=3\n", broker.ask(26)[1])
            with open(broker.conf, encoding="latin-1") as file:
                self.assertIn("\ndefaultTopicQueueNums=3\n", file.read())
            table = json.loads(broker.ask(28)[1])["table"]
            self.assertEqual(table["brokerVersionDesc"], "V5_3_3")
            self.assertEqual(table["commitLogMaxOffset"], "0")
            answer, _ = broker.ask(47)
            self.assertEqual((answer["code"], answer["remark"]), (3, " request type 47 not supported"))
            self.assertEqual(broker.get("/healthz"), "ok\n")
            self.assertIn('rocketmq_broker_permission{node_type="broker",cluster="DefaultCluster",node_id="b"} 6\n',
                          broker.get("/metrics"))
            with self.assertRaises(urllib.error.HTTPError):
                broker.get("/nothing")
            code, _, _ = broker.stop()
            self.assertEqual(code, 0)
        finally:
            broker.kill()
        self.assertFalse(os.path.exists(os.path.join(self.home, "store", "abort")))
        for name, text in (("topics.json", '"T":{'), ("subscriptionGroup.json", '"G":{'),
                           ("consumerOffset.json", '"T@G":{0:7')):
            with open(os.path.join(self.home, "store", "config", name), encoding="utf-8") as file:
                self.assertIn(text, file.read(), name)
        # Everything is there again.
        broker = Broker(self.home)
        try:
            self.assertEqual(json.loads(broker.ask(351, {"topic": "T"})[1])["readQueueNums"], 4)
        finally:
            broker.kill()

    def test_a_store_has_one_broker(self):
        broker = Broker(self.home)
        try:
            path = os.path.join(self.home, "second.conf")
            with open(path, "w", encoding="latin-1") as file:
                file.write(f"listenPort={free_ports(1)[0]}\nstorePathRootDir={self.home}/store\n")
            second = run("-c", path, "--log", "-", home=self.home)
            self.assertEqual(second.returncode, 16)
            self.assertIn(str(broker.process.pid), second.stderr)
        finally:
            broker.kill()

    def test_two_signals_end_it(self):
        broker = Broker(self.home)
        broker.process.send_signal(signal.SIGINT)
        broker.process.send_signal(signal.SIGINT)
        broker.process.communicate(timeout=30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--broker", required=True)
    parser.add_argument("--source", required=True)
    given, rest = parser.parse_known_args()
    Settings.broker, Settings.source = given.broker, given.source
    unittest.main(argv=[sys.argv[0], *rest])
