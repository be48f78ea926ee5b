"""Checks the ledger of a Lineside gateway from above: `ledger-checker.py HOST PORT FILTER [CLIENT [5|3.1.1 [USER]]]`, until SIGTERM or the end of stdin;
a number on stdin is waited for: that many different messages, 20 s at the most.

Prints `ready` when subscribed, and at the end one JSON object: for each stream the highest number, how many different ones came, how many came
twice, which are missing, how many of those the gateway has declared as dropped, and how many came later than a higher one of the same topic.
With a CLIENT its session is kept by the broker, so that nothing passes it by while it is away.
"""
import json
import signal
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, topic_filter = sys.argv[1], int(sys.argv[2]), sys.argv[3]
name = sys.argv[4] if len(sys.argv) > 4 else ""
is_old = sys.argv[5:6] == ["3.1.1"]
user = sys.argv[6] if len(sys.argv) > 6 else ""
streams = {}


def stream_of(key):
    return streams.setdefault(key, {"seen": set(), "twice": 0, "disordered": 0, "last": {}, "declared": []})


def on_message(client, userdata, message):
    marks = [value for key, value in getattr(getattr(message, "properties", None), "UserProperty", []) if key == "lineside"]
    body = None
    if message.payload[:1] == b"{":
        body = json.loads(message.payload)
    if marks and marks[0].count("/") == 4:
        key, _, seq = marks[0].rpartition("/")
    elif isinstance(body, dict) and "ledger" in body and isinstance(body["ledger"], dict):
        key, seq = body["ledger"]["stream"], body["ledger"]["seq"]
    else:
        return
    note(key, int(seq), message.topic)
    if message.topic.endswith("/dropped") and "/upstream/" in message.topic:
        origin = key.rsplit("/", 2)[0]
        stream_of(f"{origin}/{body['ledger'] if isinstance(body['ledger'], int) else key.split('/')[2]}/{body['stream']}")["declared"].append(body)


def note(key, seq, topic):
    stream = stream_of(key)
    if seq in stream["seen"]:
        stream["twice"] += 1
        return
    if seq < stream["last"].get(topic, 0):
        stream["disordered"] += 1
    stream["last"][topic] = seq
    stream["seen"].add(seq)


def wait_for(count):
    until = time.monotonic() + 20
    while time.monotonic() < until and sum(len(stream["seen"]) for stream in list(streams.values())) < count:
        time.sleep(0.05)


def verdict(stream):
    highest = max(stream["seen"], default=0)
    gone = [seq for seq in range(1, highest + 1) if seq not in stream["seen"]]
    explained = sum(1 for seq in gone if any(said["fromSeq"] <= seq <= said["toSeq"] for said in stream["declared"]))
    declared = min(explained, sum(said["rows"] for said in stream["declared"]))
    return {
        "highest": highest,
        "received": len(stream["seen"]),
        "twice": stream["twice"],
        "declared": declared,
        "missing": len(gone) - declared,
        "disordered": stream["disordered"],
    }


def on_connect(client, userdata, flags, reason, properties=None):
    client.subscribe(topic_filter, qos=1)


def on_subscribe(client, userdata, mid, reasons, properties=None):
    print("ready", flush=True)


def finish(*_):
    print(json.dumps({key: verdict(stream) for key, stream in streams.items()}), flush=True)
    sys.exit(0)


client = mqtt.Client(client_id=name, protocol=mqtt.MQTTv311 if is_old else mqtt.MQTTv5, **({"clean_session": not name} if is_old else {}))
client.max_inflight_messages_set(1000)
if user:
    client.username_pw_set(user, "any")
client.on_message, client.on_connect, client.on_subscribe = on_message, on_connect, on_subscribe
signal.signal(signal.SIGTERM, finish)
client.reconnect_delay_set(1, 1)
if is_old:
    client.connect_async(host, port, keepalive=10)
else:
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600 if name else 0
    client.connect_async(host, port, keepalive=10, clean_start=not name, properties=properties)
client.loop_start()
for line in sys.stdin:
    wait_for(int(line))
finish()
