"""Drives confluent-kafka (librdkafka) against a broker; prints "ok NAME" for each step and exits 1 on a failure.

Argument: bootstrap address.
"""

import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, OFFSET_BEGINNING, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic
from confluent_kafka.admin import OffsetSpec

BOOTSTRAP = sys.argv[1]
TOPIC = "confluent"
PARTITIONS = 3
RECORDS = 600
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def step(name):
    print("ok", name, flush=True)


def administer(admin):
    admin.create_topics([NewTopic(TOPIC, 2, 1, config={"retention.ms": "123456"})])[TOPIC].result(30)
    try:
        admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(30)
        raise AssertionError("a second creation succeeded")
    except Exception as failure:
        expect("TOPIC_ALREADY_EXISTS" in str(failure), str(failure))
    admin.create_partitions([NewPartitions(TOPIC, PARTITIONS)])[TOPIC].result(30)
    for _ in range(50):
        if len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions) == PARTITIONS:
            break
        time.sleep(0.1)
    expect(len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions) == PARTITIONS, "partitions")
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    entries = admin.describe_configs([resource])[resource].result(30)
    expect(entries["retention.ms"].value == "123456", "retention.ms as created")
    change = ConfigEntry("retention.ms", "777", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ConfigResource.Type.TOPIC, TOPIC, incremental_configs=[change])
    admin.incremental_alter_configs([changed])[changed].result(30)
    entries = admin.describe_configs([resource])[resource].result(30)
    expect(entries["retention.ms"].value == "777", "retention.ms as altered")
    cluster = admin.describe_cluster().result(30)
    expect(len(cluster.nodes) == 1, "nodes")
    step("admin")


def produce():
    acked = []
    for codec in CODECS:
        config = {"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "compression.type": codec, "linger.ms": 2}
        producer = Producer(config)

        def delivered(error, message):
            expect(error is None, str(error))
            acked.append((message.partition(), message.offset()))

        for i in range(RECORDS // len(CODECS)):
            headers = [("n", str(i).encode()), ("none", None)]
            producer.produce(TOPIC, f"{codec}-{i}", f"k{i}", partition=i % PARTITIONS, headers=headers,
                             on_delivery=delivered)
        expect(producer.flush(30) == 0, "unsent records")
    expect(len(acked) == RECORDS and len(set(acked)) == RECORDS, "acknowledgements")
    step("idempotent producer with every codec")


def consume(group, wanted):
    config = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
              "enable.auto.commit": False, "session.timeout.ms": 10000}
    consumer = Consumer(config)
    consumer.subscribe([TOPIC])
    records = []
    deadline = time.time() + 60
    while len(records) < wanted and time.time() < deadline:
        for message in consumer.consume(wanted - len(records), 1.0):
            expect(message.error() is None, str(message.error()))
            records.append(message)
    expect(len(records) == wanted, f"read {len(records)} of {wanted}")
    consumer.commit(asynchronous=False)
    positions = {p.partition: p.offset for p in consumer.committed(
        [TopicPartition(TOPIC, n) for n in range(PARTITIONS)], timeout=30)}
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=30)
    expect((low, high) == (0, RECORDS // PARTITIONS), f"watermarks {low} {high}")
    consumer.close()
    return records, positions


def groups(admin):
    first, _ = consume("confluent-group", 200)
    second, positions = consume("confluent-group", RECORDS - 200)
    read = {(m.partition(), m.offset()) for m in first + second}
    expect(len(read) == RECORDS, "records read twice or missing")
    expect(all(offset == RECORDS // PARTITIONS for offset in positions.values()), f"positions {positions}")
    expect(first[0].headers() == [("n", first[0].headers()[0][1]), ("none", None)], "headers")
    step("consumer group over two lives")

    listing = admin.list_consumer_groups().result(30)
    expect("confluent-group" in [g.group_id for g in listing.valid], "group is listed")
    description = admin.describe_consumer_groups(["confluent-group"])["confluent-group"].result(30)
    expect(description.state.name == "EMPTY", description.state.name)
    change = ConsumerGroupTopicPartitions("confluent-group", [TopicPartition(TOPIC, 0, 5)])
    admin.alter_consumer_group_offsets([change])["confluent-group"].result(30)
    wanted = ConsumerGroupTopicPartitions("confluent-group", [TopicPartition(TOPIC, 0)])
    offsets = admin.list_consumer_group_offsets([wanted])["confluent-group"].result(30).topic_partitions
    expect(offsets[0].offset == 5, f"altered offset {offsets[0].offset}")
    admin.delete_consumer_groups(["confluent-group"])["confluent-group"].result(30)
    step("group administration")


def offsets(admin):
    partition = TopicPartition(TOPIC, 0)
    for spec, wanted in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), RECORDS // PARTITIONS),
                         (OffsetSpec.for_timestamp(1), 0)):
        found = admin.list_offsets({partition: spec})[partition].result(30)
        expect(found.offset == wanted, f"{spec}: {found.offset}")
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "assigned"})
    consumer.assign([TopicPartition(TOPIC, 1, OFFSET_BEGINNING)])
    message = consumer.poll(30)
    expect(message is not None and message.error() is None and message.offset() == 0, "first record")
    consumer.seek(TopicPartition(TOPIC, 1, 50))
    deadline = time.time() + 30
    while time.time() < deadline:
        message = consumer.poll(1)
        if message is not None and message.offset() == 50:
            break
    expect(message is not None and message.offset() == 50, "record after a seek")
    consumer.close()
    step("offsets and seeks")


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    administer(admin)
    produce()
    groups(admin)
    offsets(admin)
    admin.delete_topics([TOPIC])[TOPIC].result(30)
    step("deletion")


main()
