#!/usr/bin/env python3
"""Asks CQL nodes whether they are there, in the native protocol (version 4) and with Python's own library only.

  probe.py [--ca PEM] IP:PORT...                     exit 0: every node answers
  probe.py [--ca PEM] --cluster SIZE IP:PORT...      exit 0: besides, every node knows all SIZE nodes of the cluster and
                                                     reads from all the given ones
  --wait SECONDS                                     tries again until then
  probe.py --free-port IP...                         prints a port P with P, P+1 and P+2 free on every address

Otherwise it says why in one line and exits with 1. Logs in as cassandra/cassandra where a login is asked for.
"""

import argparse
import random
import socket
import ssl
import struct
import sys
import time

TIMEOUT_SECONDS = 3
ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, SUPPORTED, QUERY, RESULT, AUTH_RESPONSE, AUTH_SUCCESS = (
    0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x0F, 0x10)  # fmt: skip
# A read needs as many replicas as nodes are given: ONE, TWO, THREE. The table has a replica on every node.
CONSISTENCY = {1: 1, 2: 2, 3: 3}
READ = "SELECT * FROM system_distributed.view_build_status WHERE keyspace_name = 'k' AND view_name = 'v'"
PEERS = "SELECT tokens FROM system.peers_v2"
SKIP_METADATA = 2


class NotYet(Exception):
    """Why a node is not what was asked for."""


class Node:
    def __init__(self, address, ca):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
        if ca:
            self.socket = ssl.create_default_context(cafile=ca).wrap_socket(self.socket, server_hostname=host)

    def ask(self, opcode, body, *wanted):
        self.socket.sendall(struct.pack(">BBhBI", 4, 0, 0, opcode, len(body)) + body)
        _, _, _, answer, length = struct.unpack(">BBhBI", self.read(9))
        body = self.read(length)
        if answer == ERROR:
            (length,) = struct.unpack_from(">H", body, 4)
            raise NotYet(body[6 : 6 + length].decode(errors="replace"))
        if answer not in wanted:
            raise NotYet(f"answers with opcode {answer}")
        return answer, body

    def read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise NotYet("closed the connection")
            data += piece
        return data

    def log_in(self):
        answer, _ = self.ask(STARTUP, struct.pack(">HH11sH5s", 1, 11, b"CQL_VERSION", 5, b"3.0.0"), READY, AUTHENTICATE)
        if answer == AUTHENTICATE:
            secret = b"\0cassandra\0cassandra"
            self.ask(AUTH_RESPONSE, struct.pack(">I", len(secret)) + secret, AUTH_SUCCESS)

    def query(self, text, consistency):
        return self.ask(QUERY, struct.pack(">I", len(text)) + text.encode() + struct.pack(">HB", consistency, SKIP_METADATA), RESULT)[1]


def check_all(arguments):
    until = time.monotonic() + arguments.wait
    while True:
        at = ""
        try:
            for at in arguments.nodes:
                check(at, len(arguments.nodes), arguments)
            return
        except (NotYet, OSError) as reason:
            if time.monotonic() >= until:
                raise NotYet(f"{at}: {reason}") from reason
        time.sleep(0.1)


def check(address, others, arguments):
    node = Node(address, arguments.ca)
    node.ask(OPTIONS, b"", SUPPORTED)
    if not arguments.cluster:
        return
    node.log_in()
    known = 1 + values(node.query(PEERS, CONSISTENCY[1]))
    if known != arguments.cluster:
        raise NotYet(f"knows {known} of {arguments.cluster} nodes")
    node.query(READ, CONSISTENCY[others])


def values(rows):
    """How many rows of one column, without metadata, have a value: a peer that has not joined has no tokens."""
    (count,), at, found = struct.unpack_from(">I", rows, 12), 16, 0
    for _ in range(count):
        (length,) = struct.unpack_from(">i", rows, at)
        at += 4 + max(length, 0)
        found += length >= 0
    return found


def free_port(addresses):
    """Below the range that Linux hands out for outgoing connections, so that none takes it while a node is down."""
    for port in random.sample(range(20000, 32000, 10), 200):
        try:
            for address in addresses:
                for offset in range(3):
                    with socket.socket() as probe:
                        probe.bind((address, port + offset))
            return port
        except OSError:
            continue
    raise NotYet("no free ports from 20000 to 32000")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ca")
    parser.add_argument("--cluster", type=int, default=0)
    parser.add_argument("--wait", type=float, default=0)
    parser.add_argument("--free-port", action="store_true")
    parser.add_argument("nodes", nargs="+")
    arguments = parser.parse_args()
    try:
        if arguments.free_port:
            print(free_port(arguments.nodes))
        else:
            check_all(arguments)
    except NotYet as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
