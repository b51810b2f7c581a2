"""RocketMQ's remoting protocol, as much of it as tests need: JSON headers, one thread, blocking sockets."""
import json
import socket
import struct

SEND, PULL, MAX_OFFSET = 310, 11, 30


def frame(code, fields=None, body=b"", opaque=0, flag=0):
    header = json.dumps({"code": code, "flag": flag, "language": "JAVA", "opaque": opaque, "serializeTypeCurrentRPC": "JSON",
                         "version": 479, "extFields": {key: str(value) for key, value in (fields or {}).items()}}).encode()
    return struct.pack(">II", 4 + len(header) + len(body), len(header)) + header + body


def send_frame(topic, queue, body, key, opaque=0):
    fields = {"a": "tests", "b": topic, "c": "TBW102", "d": 4, "e": queue, "f": 0, "g": 1767314179994, "h": 0, "j": 0, "k": "false", "m": "false",
              "i": f"KEYS\x01{key}\x02UNIQ_KEY\x01{key}\x02WAIT\x01true\x02"}
    return frame(SEND, fields, body, opaque)


class Client:
    """Raises OSError when the broker is gone."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """Header and body of the next frame."""
        while True:
            if len(self.received) >= 8:
                total, header = struct.unpack(">II", self.received[:8])
                header &= 0xFFFFFF
                if len(self.received) >= 4 + total:
                    one = json.loads(self.received[8:8 + header]), self.received[8 + header:4 + total]
                    self.received = self.received[4 + total:]
                    return one
            data = self.socket.recv(1 << 18)
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            self.received += data

    def call(self, code, fields=None, body=b""):
        self.send(frame(code, fields, body))
        return self.receive()

    def pull(self, topic, queue, offset):
        return self.call(PULL, {"consumerGroup": "tests", "topic": topic, "queueId": queue, "queueOffset": offset, "maxMsgNums": 32, "sysFlag": 4,
                                "commitOffset": 0, "suspendTimeoutMillis": 0, "subscription": "*", "subVersion": 0, "expressionType": "TAG"})

    def all_bodies(self, topic, queue):
        """Bodies of all messages of a queue, in order."""
        found, offset = [], 0
        while True:
            header, body = self.pull(topic, queue, offset)
            following = int(header["extFields"]["nextBeginOffset"])
            if header["code"] != 0:
                if following > offset and header["code"] in (20, 21):
                    offset = following
                    continue
                return found
            at = 0
            while at < len(body):
                size, = struct.unpack_from(">I", body, at)
                length, = struct.unpack_from(">I", body, at + 84)  # IPv4 hosts
                found.append(body[at + 88:at + 88 + length])
                at += size
            offset = following
