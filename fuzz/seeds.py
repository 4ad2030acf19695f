#!/usr/bin/env python3
"""Writes fuzz/seeds from the bytes that Aeron's C driver wrote (protocol/tests/golden). To be run by hand, rarely."""

import hashlib
import pathlib
import re
import shutil
import struct

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "protocol" / "tests" / "golden"
MEDIA_DRIVER = HERE.parent / "media-driver"
SEEDS = HERE / "seeds"


def seed(target, *parts):
    content = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    path = SEEDS / target / hashlib.sha256(content).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def dump(name):
    """The first part of a hex dump, with or without offsets."""
    found = bytearray()
    for line in (GOLDEN / name).read_text().splitlines():
        if line.startswith("#"):
            if found:
                break
            continue
        found += bytes.fromhex(re.sub(r"^[0-9a-f]{8} +", "", line))
    return bytes(found)


def datagrams(pcap):
    """UDP payloads of Ethernet frames with IPv4."""
    rest = pcap.read_bytes()[24:]
    while rest:
        captured = struct.unpack_from("<I", rest, 8)[0]
        yield rest[16 + 42:16 + captured]
        rest = rest[16 + captured:]


def frames():
    seen = set()
    for pcap in sorted(GOLDEN.glob("*.pcap")):
        for datagram in datagrams(pcap):
            flags, kind, offset = struct.unpack_from("<BHi", datagram, 5)
            if len(datagram) > 300 or (kind, flags, len(datagram)) in seen:
                continue
            seen.add((kind, flags, len(datagram)))
            seed("datagram", struct.pack("<ii", offset, 64), datagram)
            if kind == 7:
                seed("resolution", datagram)
    name = b"driver-a"
    ipv6 = struct.pack("<BBHi", 2, 0x80, 8050, 5) + bytes(15) + b"\1" + struct.pack("<h", len(name)) + name
    ipv6 += bytes(-len(ipv6) % 8)
    seed("resolution", struct.pack("<iBBH", 8 + len(ipv6), 0, 0, 7), ipv6)


def happenings():
    """What may happen to a whole driver: each frame with the stream of its target, to each of its sockets."""
    setup = struct.pack("<iBBHiiiiiiii", 40, 0, 0, 5, 0, 9, 1001, 0, 0, 65536, 1408, 0)
    data = struct.pack("<iBBHiiiiq", 64, 0, 0xC0, 1, 0, 9, 1001, 0, 0) + bytes(32)
    gap = struct.pack("<iBBHiiiiq", 64, 0, 0xC0, 1, 128, 9, 1001, 0, 0) + bytes(32)
    end = struct.pack("<iBBHiiiiq", 0, 0, 0xE0, 1, 192, 9, 1001, 0, 0)
    status = struct.pack("<iBBHiiiiiq", 36, 0, 0, 3, 5, 1001, 0, 0, 32768, 77)
    nak = struct.pack("<iBBHiiiii", 28, 0, 0, 2, 5, 1001, 0, 0, 64)
    rttm = struct.pack("<iBBHiiqqq", 40, 0, 0x80, 6, 5, 1001, 1, 0, 77)
    error = struct.pack("<iBBHiiqqii", 44, 0, 0, 4, 5, 1001, 77, 0, 11, 4) + b"text"
    written = struct.pack("<iBBHiiiiq", 64, 0, 0xC0, 1, 0, 5, 1001, 0, 0)

    def happen(what, content):
        return struct.pack("<BB", what, len(content)) + content

    def wait(ms):
        return struct.pack("<BB", 5, ms // 20)

    received = [happen(1, frame) for frame in [setup, data, gap, end]]
    seed("driver", *received, wait(1000), wait(5000), happen(1, data))
    sent = [happen(3, frame) for frame in [status, nak, rttm, error, status]]
    seed("driver", *sent, wait(1000))
    tail = struct.pack("<BBiq", 6, 0, 0, 64)
    words = [struct.pack("<BBiq", 6, 1, at, word) for at, (word,) in enumerate(struct.iter_unpack("<q", written))]
    seed("driver", *words, tail, *sent, wait(200), wait(5000))
    seed("driver", *[happen(4, status.replace(struct.pack("<i", 5), struct.pack("<i", 6), 1))], wait(5000))
    seed("driver", *[struct.pack("<BBiq", 7, 0, counter, 1 << 20) for counter in range(46, 72)], wait(1000))
    for line in (GOLDEN / "commands.txt").read_text().splitlines():
        if not line.startswith("#"):
            type_id, _, payload = line.split()
            record = bytes.fromhex(payload)
            if len(record) < 256:
                seed("driver", struct.pack("<BB", 0, len(record)), record, wait(1000))


def commands():
    for name in ["commands.txt", "events.txt"]:
        for line in (GOLDEN / name).read_text().splitlines():
            if not line.startswith("#"):
                type_id, _, payload = line.split()
                record = bytes.fromhex(payload)
                seed("command", struct.pack("<i", int(type_id, 16)), record)
                for channel in re.findall(rb"aeron(?:-spy:aeron)?:[ -~]+", record):
                    seed("channel_uri", channel)


def channels():
    keys = (HERE.parent / "protocol" / "src" / "uri" / "keys.rs").read_text()
    keys = re.findall(r'pub const \w+: &str = "(.*)"', keys)
    for value in ["1", "64k", "0x10", "100ms", "true", "reserved", "tag:7", "localhost:20121", "[ff02::1%eth0]:4/64",
                  "{name}:0/8"]:
        seed("channel_uri", "aeron:udp?", "|".join(f"{key}={value}" for key in keys))


def logs():
    for name in ["term-ipc-publication.hex", "term-udp-publication.hex"]:
        term = dump(name)[:1024]
        seed("term", struct.pack("<iii", 32, 1024, 1408), term)
        for begun in [struct.pack("<i", -992), bytes(4)]:
            broken = begun + term[4:]
            gap = struct.pack("<iii", 0, 992, 0)
            seed("unblock", struct.pack("<qqqiiq", 1024, -2 << 32, -1 << 32, 0, 100, 0), gap, broken)
            seed("unblock", struct.pack("<qqqiiq", 65536 + 64, -2 << 32, -1 << 32, 0, 3000, 65536), gap, broken)


def shared_memory():
    records = dump("shm-to-driver-1.hex")[:1024]
    seed("ring_buffer", struct.pack("<qqq", 0, 0, 1024), records)
    seed("ring_buffer", struct.pack("<qqq", 1024, 1024, 2048), records)
    records = dump("shm-to-clients-1.hex")[:1024]
    seed("broadcast", struct.pack("<qqq", 1016, 1016, 0), records)
    seed("broadcast", struct.pack("<qqq", 2048, 1024, 1024), records)
    for name in ["shm-error-log.hex", "loss.loss-report.hex", "loss-gap.loss-report.hex"]:
        seed("reports", dump(name))
    metadata = (GOLDEN / "shm-counters-metadata.bin").read_bytes()
    values = (GOLDEN / "shm-counters-values.bin").read_bytes()
    for counter in range(40, len(metadata) // 512 - 1, 4):
        two = metadata[512 * counter:512 * (counter + 2)], values[128 * counter:128 * (counter + 2)]
        seed("counters", struct.pack("<H", 1024), *two)
    lengths = [1024 + 768, 1024 + 128, 1024, 256, 512]
    head = dump("shm-cnc-head.hex")[:128]
    head = head[:4] + struct.pack("<5i", *lengths) + head[24:]
    sections = [dump("shm-to-driver-1.hex"), dump("shm-to-clients-1.hex"), metadata, values, dump("shm-error-log.hex")]
    sections[0], sections[1] = sections[0][:1024], sections[1][:1024]
    sections = [section[:length].ljust(length, b"\0") for section, length in zip(sections, lengths)]
    seed("cnc", struct.pack("<H", 128 + sum(lengths)), head, *sections)


def properties():
    table = (MEDIA_DRIVER / "src" / "config" / "table.rs").read_text()
    names = sorted(set(re.findall(r'"((?:aeron|epona)\.[a-z0-9.]+)"', table)))
    values = ["64k", "100ms", "true", "DEDICATED", "7"]
    for start in range(0, len(names), len(values)):
        seed("properties", "".join(f"{name}={value}\n" for name, value in zip(names[start:], values)))
    seed("properties", "# comment\n! comment\r\n aeron.dir : some\\\n   where\naeron.mtu.length=\n")


if __name__ == "__main__":
    shutil.rmtree(SEEDS, ignore_errors=True)
    for write in [frames, happenings, commands, channels, logs, shared_memory, properties]:
        write()
