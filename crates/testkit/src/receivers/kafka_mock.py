"""A Kafka cluster for tests: librdkafka's mock brokers, asked to fail over standard input.

Prints the bootstrap servers, then answers one line to each command:
  errors CODE...         the next Produce requests are answered with these error codes of the protocol
  down ID / up ID        a broker goes away / comes back
  advertise ID PORT      a broker says that it is at this port of localhost
  leader PARTITION ID    a partition moves to another broker
  read                   everything in the topic, as one JSON array
"""

import base64
import ctypes
import glob
import json
import os
import sys

import confluent_kafka

PRODUCE = 0
topic, partitions = sys.argv[1], int(sys.argv[2])

place = os.path.dirname(os.path.dirname(confluent_kafka.__file__))
(library,) = glob.glob(os.path.join(place, "confluent_kafka.libs", "librdkafka*.so*"))
rd = ctypes.CDLL(library)
for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
    getattr(rd, name).restype = ctypes.c_void_p
rd.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
rd.rd_kafka_mock_push_request_errors_array.restype = None

why = ctypes.create_string_buffer(512)
handle = rd.rd_kafka_new(0, ctypes.c_void_p(rd.rd_kafka_conf_new()), why, ctypes.c_size_t(len(why)))
assert handle, why.value
cluster = ctypes.c_void_p(rd.rd_kafka_mock_cluster_new(ctypes.c_void_p(handle), 3))
assert rd.rd_kafka_mock_topic_create(cluster, topic.encode(), partitions, 3) == 0
servers = rd.rd_kafka_mock_cluster_bootstraps(cluster).decode()
print(servers, flush=True)


def read():
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "test",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, n, 0) for n in range(partitions)])
    found, ended = [], set()
    while len(ended) < partitions:
        message = consumer.poll(60)
        assert message is not None, "no end of the partitions"
        if message.error():
            code = message.error().code()
            assert code == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
            continue
        found.append(
            {
                "partition": message.partition(),
                "offset": message.offset(),
                "key": (message.key() or b"").decode(),
                "value": base64.b64encode(message.value()).decode(),
                "time": message.timestamp()[1],
                "headers": {name: value.decode() for name, value in message.headers() or []},
            }
        )
    consumer.close()
    return found


for line in sys.stdin:
    word, *rest = line.split()
    numbers = [int(number) for number in rest]
    if word == "errors":
        rd.rd_kafka_mock_push_request_errors_array(
            cluster,
            ctypes.c_int16(PRODUCE),
            ctypes.c_size_t(len(numbers)),
            (ctypes.c_int * len(numbers))(*numbers),
        )
        print("ok", flush=True)
    elif word == "down":
        print(rd.rd_kafka_mock_broker_set_down(cluster, numbers[0]), flush=True)
    elif word == "up":
        print(rd.rd_kafka_mock_broker_set_up(cluster, numbers[0]), flush=True)
    elif word == "advertise":
        rd.rd_kafka_mock_broker_set_host_port(
            cluster, ctypes.c_int32(numbers[0]), b"localhost", ctypes.c_int(numbers[1])
        )
        print("ok", flush=True)
    elif word == "leader":
        print(
            rd.rd_kafka_mock_partition_set_leader(cluster, topic.encode(), numbers[0], numbers[1]),
            flush=True,
        )
    elif word == "read":
        print(json.dumps(read()), flush=True)
