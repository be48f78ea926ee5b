"""A client of the broker in Python with paho: subscribes, publishes at every QoS, says what came back, one JSON line each."""
import json
import sys
import threading

import paho.mqtt.client as mqtt

port, count = int(sys.argv[1]), int(sys.argv[2])
got = []
done = threading.Event()


def on_connect(client, _data, _flags, code):
    print(json.dumps({"connected": code}), flush=True)
    client.subscribe([("paho/#", 2)])


def on_subscribe(client, _data, _id, granted):
    print(json.dumps({"granted": list(granted)}), flush=True)
    for number in range(count):
        client.publish(f"paho/{number % 3}", str(number), qos=number % 3, retain=number == count - 1)


def on_message(_client, _data, message):
    got.append([message.topic, message.payload.decode(), message.qos])
    if len(got) == count:
        done.set()


client = mqtt.Client("paho", clean_session=False, protocol=mqtt.MQTTv311)
client.will_set("paho-status", "gone", qos=1, retain=True)
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", port, keepalive=10)
client.loop_start()
done.wait(30)
print(json.dumps({"got": got}), flush=True)
sys.stdin.readline()
