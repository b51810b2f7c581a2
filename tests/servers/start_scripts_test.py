"""distribution/bin: the scripts that start and stop the servers."""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import unittest

from cluster import PATIENCE_S, ask, free_port, write_config


class Settings:
    tools = ""
    source = ""


def script(name):
    return os.path.join(Settings.source, "distribution", "bin", name)


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.home = self.folder.name
        self.environment = {"HOME": self.home, "PATH": Settings.tools + ":" + os.environ["PATH"]}

    def start(self, *arguments):
        process = subprocess.Popen([script("rmq-server"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.environment, start_new_session=True)
        self.addCleanup(self.kill, process)
        return process

    @staticmethod
    def kill(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def configs(self, **broker):
        names = write_config(self.home, "namesrv.conf", {"listenPort": 0, "bindAddress": "127.0.0.1"})
        port = free_port()
        return names, write_config(self.home, "broker.conf", {
            "listenPort": port, "brokerIP1": "127.0.0.1", "brokerName": "broker-a", "mappedFileSizeCommitLog": 64 << 20, **broker})

    def test_one_command_starts_and_stops_both(self):
        names, broker = self.configs()
        process = self.start("--namesrv-conf", names, "-c", broker)
        line = process.stdout.readline()
        self.assertIn("The Name Server boot success", line)
        port = int(line.rsplit(":", 1)[1])
        self.assertIn(f"boot success. serializeType=JSON and name server is 127.0.0.1:{port}", process.stdout.readline())
        self.assertEqual(ask(port, 105, {"topic": "TBW102"})[0]["code"], 0)
        self.assertTrue(os.path.isdir(os.path.join(self.home, "store", "commitlog")))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(self.home, "store", "abort")))

    def test_a_broker_that_does_not_start_takes_the_name_server_along(self):
        names, _ = self.configs()
        process = self.start("--namesrv-conf", names, "-c", os.path.join(self.home, "absent.conf"))
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 8)

    def test_a_name_server_that_does_not_start_ends_it(self):
        process = self.start("--namesrv-conf", os.path.join(self.home, "absent.conf"))
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 8)

    def test_the_scripts_of_rocketmqs_names(self):
        for name, program in (("mqnamesrv", "rmq-namesrv"), ("mqbroker", "rmq-broker")):
            told = subprocess.run([script(name), "--version"], capture_output=True, text=True, env=self.environment, check=True)
            self.assertTrue(told.stdout.startswith(program + " "), told.stdout)
        wrong = subprocess.run([script("mqshutdown"), "proxy"], capture_output=True, text=True, env=self.environment, check=False)
        self.assertEqual((wrong.returncode, wrong.stdout), (1, "Usage: mqshutdown broker | namesrv\n"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--source", required=True)
    parser.parse_known_args(namespace=Settings)
    unittest.main(argv=[sys.argv[0]])
