"""Drives an idempotent producer of the numbers 0, 1, 2, ... and a group consumer of confluent-kafka (librdkafka).

Number n goes to partition n % partitions with the key "k" + n % (4 * partitions). A line "drain" on standard input
ends the producer, the end of standard input the consumer. Prints, with tabs between:

    acked PARTITION OFFSET NUMBER | failed NUMBER REASON | sent COUNT
    read PARTITION OFFSET NUMBER | committed PARTITION OFFSET | note TEXT

Arguments: bootstrap topic partitions recordsPerSecond group
"""

import os
import sys
import threading
import time
import traceback

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

BOOTSTRAP, TOPIC, PARTITIONS, PER_SECOND, GROUP = sys.argv[1:6]
PARTITIONS = int(PARTITIONS)
PER_SECOND = int(PER_SECOND)
COMMON = {
    "bootstrap.servers": BOOTSTRAP,
    "reconnect.backoff.max.ms": 200,
    "socket.timeout.ms": 6000,
    "topic.metadata.refresh.fast.interval.ms": 100,
}
output = threading.Lock()
draining = threading.Event()
stopped = threading.Event()


def say(*parts):
    with output:
        print(*parts, sep="\t", flush=True)


def produce():
    config = {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 2,
        "request.timeout.ms": 5000,
        "message.timeout.ms": 120000,
        "error_cb": lambda error: say("note", f"producer: {error}"),
    }
    producer = Producer({**COMMON, **config})

    def delivered(number):
        def report(error, message):
            if error is not None:
                say("failed", number, error)
            else:
                # No offset comes with the answer that a retried batch was there already.
                offset = message.offset()
                say("acked", message.partition(), -1 if offset is None else offset, number)

        return report

    started_at = time.monotonic()
    count = 0
    while not draining.is_set():
        key = f"k{count % (4 * PARTITIONS)}"
        try:
            producer.produce(TOPIC, f"{count}", key, count % PARTITIONS, on_delivery=delivered(count))
        except BufferError:
            producer.poll(0.05)
            continue
        count += 1
        ahead = started_at + count / PER_SECOND - time.monotonic()
        producer.poll(max(0, ahead))
    while len(producer) > 0:
        producer.flush(1)
    say("sent", count)


def consume():
    config = {
        "group.id": GROUP,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 100,
    }
    consumer = Consumer({**COMMON, **config})
    positions = {}

    # Who gets the partitions next starts at what was committed: what was read beyond that is read again.
    consumer.subscribe([TOPIC], on_revoke=lambda _consumer, _partitions: positions.clear())

    def commit():
        if not positions:
            return
        offsets = [TopicPartition(TOPIC, partition, offset) for partition, offset in positions.items()]
        try:
            for done in consumer.commit(offsets=offsets, asynchronous=False):
                if done.error is not None:
                    say("note", f"consumer: {done.error}")
                else:
                    positions.pop(done.partition, None)
                    say("committed", done.partition, done.offset)
        except KafkaException as failure:
            # A commit that was not acknowledged binds nobody; it is sent again with the next.
            say("note", f"consumer: {failure}")

    commit_at = time.monotonic()
    while not stopped.is_set():
        for message in consumer.consume(500, 0.1):
            if message.error() is not None:
                say("note", f"consumer: {message.error()}")
                continue
            say("read", message.partition(), message.offset(), message.value().decode())
            positions[message.partition()] = message.offset() + 1
        if time.monotonic() - commit_at > 0.25:
            commit_at = time.monotonic()
            commit()
    commit()
    consumer.close()


def guarded(work):
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main():
    threads = [threading.Thread(target=guarded, args=(work,)) for work in (produce, consume)]
    for thread in threads:
        thread.start()
    if sys.stdin.readline() != "":
        draining.set()
        while sys.stdin.readline() != "":
            pass
    draining.set()
    stopped.set()
    for thread in threads:
        thread.join()


main()
