"""Drives the transactions of confluent-kafka (librdkafka); prints "ok NAME" for each step, exits 1 on a failure.

At a line "pause<TAB>step" it is in the middle of a transaction and waits for a line on standard input.
Argument: bootstrap address.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, OFFSET_BEGINNING, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
SOURCE = "confluent-transactions"
COPY = "confluent-copies"
GROUP = "confluent-transactions-group"
PARTITIONS = 6
RECORDS = 100
TRANSACTIONS = 4
PATIENCE_S = 60


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def step(name):
    print("ok", name, flush=True)


def pause(name):
    print(f"pause\t{name}", flush=True)
    expect(sys.stdin.readline() != "", "standard input was closed")


def producer_of(name, timeout_ms=60000):
    config = {"bootstrap.servers": BOOTSTRAP, "transactional.id": f"confluent-{name}",
              "transaction.timeout.ms": timeout_ms}
    producer = Producer(config)
    producer.init_transactions(PATIENCE_S)
    return producer


def send(producer, label, first, last):
    for i in range(first, last):
        producer.produce(SOURCE, f"{label}-{i}", partition=i % PARTITIONS)


def values(label, count=RECORDS):
    return [f"{label}-{i}" for i in range(count)]


def write():
    producer = producer_of("writer")
    for n in range(TRANSACTIONS):
        producer.begin_transaction()
        send(producer, f"write-{n}", 0, RECORDS // 2)
        if n == TRANSACTIONS - 2:
            expect(producer.flush(PATIENCE_S) == 0, "unsent records")
            pause("write")
        send(producer, f"write-{n}", RECORDS // 2, RECORDS)
        expect(producer.flush(PATIENCE_S) == 0, "unsent records")
        if n % 2 == 0:
            producer.commit_transaction(PATIENCE_S)
        else:
            producer.abort_transaction(PATIENCE_S)
    step("transactions")


def transform():
    producer = producer_of("transformer")
    config = {"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest",
              "enable.auto.commit": False, "isolation.level": "read_committed"}
    consumer = Consumer(config)
    consumer.subscribe([SOURCE])
    wanted = TRANSACTIONS // 2 * RECORDS
    done, turn = 0, 0
    following = {}
    deadline = time.time() + PATIENCE_S
    while done < wanted:
        expect(time.time() < deadline, f"copied {done} of {wanted}")
        messages = consumer.consume(35, 1.0)
        if not messages:
            continue
        commit = turn % 3 != 1
        first, offsets = {}, {}
        producer.begin_transaction()
        for message in messages:
            expect(message.error() is None, str(message.error()))
            partition = message.partition()
            first.setdefault(partition, message.offset())
            offsets[partition] = message.offset() + 1
            label = "kept" if commit else "dropped"
            producer.produce(COPY, f"{label}-{message.value().decode()}", partition=partition)
        expect(producer.flush(PATIENCE_S) == 0, "unsent records")
        positions = [TopicPartition(SOURCE, partition, offset) for partition, offset in offsets.items()]
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), PATIENCE_S)
        if turn == 2:
            pause("transform")
        if commit:
            producer.commit_transaction(PATIENCE_S)
            following.update(offsets)
            done += len(messages)
        else:
            producer.abort_transaction(PATIENCE_S)
            for partition, offset in first.items():
                consumer.seek(TopicPartition(SOURCE, partition, offset))
        turn += 1
    wanted_positions = [TopicPartition(SOURCE, partition) for partition in range(PARTITIONS)]
    committed = {p.partition: p.offset for p in consumer.committed(wanted_positions, PATIENCE_S)}
    expect(committed == following, f"committed {committed}, expected {following}")
    consumer.close()
    step("consume, transform, produce")


def late_commit(producer):
    try:
        producer.commit_transaction(PATIENCE_S)
    except KafkaException as failure:
        expect(failure.args[0].fatal(), str(failure))
        return failure.args[0].name()
    raise AssertionError("a commit that came too late succeeded")


def fence():
    first = producer_of("fenced")
    first.begin_transaction()
    send(first, "fenced", 0, PARTITIONS)
    expect(first.flush(PATIENCE_S) == 0, "unsent records")
    second = producer_of("fenced")
    name = late_commit(first)
    expect(name == "_FENCED", name)
    second.begin_transaction()
    send(second, "fencing", 0, PARTITIONS)
    second.commit_transaction(PATIENCE_S)
    step("fencing")


def time_out():
    slow = producer_of("slow", 4000)
    slow.begin_transaction()
    send(slow, "slow", 0, PARTITIONS)
    expect(slow.flush(PATIENCE_S) == 0, "unsent records")
    # Readable again for the readers of committed records once the coordinator has aborted it.
    committed, everything = reader("read_committed"), reader("read_uncommitted")
    deadline = time.time() + PATIENCE_S
    while ends_of(committed) != ends_of(everything):
        expect(time.time() < deadline, "the transaction stays open")
        time.sleep(0.2)
    name = late_commit(slow)
    expect(name == "_FENCED", name)
    following = producer_of("slow")
    following.begin_transaction()
    send(following, "next", 0, PARTITIONS)
    following.commit_transaction(PATIENCE_S)
    step("timeout")


def reader(isolation):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "confluent-reader", "enable.auto.commit": False,
                     "isolation.level": isolation, "enable.partition.eof": True})


def ends_of(consumer, topic=SOURCE):
    return [consumer.get_watermark_offsets(TopicPartition(topic, partition), PATIENCE_S)[1]
            for partition in range(PARTITIONS)]


def read(topic, isolation):
    consumer = reader(isolation)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    found, ended = [], set()
    deadline = time.time() + PATIENCE_S
    while len(ended) < PARTITIONS:
        expect(time.time() < deadline, f"the ends of {ended} only")
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error() is not None:
            expect(message.error().name() == "_PARTITION_EOF", str(message.error()))
            ended.add(message.partition())
        else:
            found.append((message.partition(), message.offset(), message.value().decode()))
    consumer.close()
    return found


def read_everything():
    kept = values("write-0") + values("write-2")
    later = values("fencing", PARTITIONS) + values("next", PARTITIONS)
    dropped = values("write-1") + values("write-3") + values("fenced", PARTITIONS) + values("slow", PARTITIONS)
    committed, everything = read(SOURCE, "read_committed"), read(SOURCE, "read_uncommitted")
    expect(sorted(v for _, _, v in committed) == sorted(kept + later), "the committed records")
    expect(sorted(v for _, _, v in everything) == sorted(kept + later + dropped), "all records")
    copies = read(COPY, "read_committed")
    for partition in range(PARTITIONS):
        source = [f"kept-{v}" for p, _, v in committed if p == partition and v.startswith("write-")]
        expect([v for p, _, v in copies if p == partition] == source, f"the copies of partition {partition}")
    expect(any(v.startswith("dropped-") for _, _, v in read(COPY, "read_uncommitted")), "aborted copies")
    step("both isolation levels")


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (SOURCE, COPY)]).values():
        future.result(30)
    write()
    transform()
    fence()
    time_out()
    read_everything()


main()
