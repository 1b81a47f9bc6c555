"""A name service for the router of Kubernetes: the pods of a StatefulSet, at addresses of this machine."""

import re
import socket
import struct
import threading

POD = re.compile(r"penny-sandbox-(\d+)\.penny-sandbox-instances\.test\.svc\.cluster\.local")
SERVICE = "_http._tcp.penny-sandbox-instances.test.svc.cluster.local"
A, SRV = 1, 33


def encode(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Names:
    def __init__(self, port_of_pods, pods):
        self.port_of_pods, self.pods = port_of_pods, set(pods)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def address(pod):
        return f"127.0.77.{pod + 1}"

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self._answer(query), peer)
            except OSError:
                return

    def _records(self, name, kind):
        pod = POD.fullmatch(name)
        if pod is not None and int(pod[1]) in self.pods:
            return [(A, socket.inet_aton(self.address(int(pod[1]))))] if kind == A else []
        if name == SERVICE:
            return [(SRV, struct.pack("!HHH", 0, 10, self.port_of_pods) + encode(f"penny-sandbox-{n}.penny-sandbox-instances.test.svc.cluster.local"))
                    for n in sorted(self.pods)] if kind == SRV else []
        return None

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        records = self._records(".".join(labels).lower(), struct.unpack("!H", query[at + 1 : at + 3])[0])
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | (3 if records is None else 0), 1, len(records or ()), 0, 0)
        return head + question + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data for kind, data in records or ())
