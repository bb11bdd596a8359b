"""A transactional producer of confluent-kafka (librdkafka) that is told each of its steps.

A line of standard input is a step and its arguments, with tabs between:
open TRANSACTIONAL_ID: a new producer in the place of the one before, after init_transactions
begin, commit, abort
send TOPIC PARTITION VALUE: returns when the record is acknowledged
offsets GROUP TOPIC PARTITION OFFSET: send_offsets_to_transaction
Each is answered by the line "done STEP" or "failed STEP EXCEPTION MESSAGE". Ends with standard input.
Arguments: bootstrap clientId
"""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

BOOTSTRAP, CLIENT_ID = sys.argv[1:]
PATIENCE_S = 30


class Steps:
    def open(self, transactional_id):
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "client.id": CLIENT_ID, "linger.ms": 0,
                                  "transactional.id": transactional_id, "reconnect.backoff.ms": 50})
        self.producer.init_transactions(PATIENCE_S)

    def begin(self):
        self.producer.begin_transaction()

    def commit(self):
        self.producer.commit_transaction(PATIENCE_S)

    def abort(self):
        self.producer.abort_transaction(PATIENCE_S)

    def send(self, topic, partition, value):
        errors = []
        self.producer.produce(topic, value, partition=int(partition),
                              on_delivery=lambda error, _: errors.append(error))
        self.producer.flush(PATIENCE_S)
        if errors != [None]:
            raise RuntimeError(f"delivery: {errors}")

    def offsets(self, group, topic, partition, offset):
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group})
        position = TopicPartition(topic, int(partition), int(offset))
        self.producer.send_offsets_to_transaction([position], consumer.consumer_group_metadata(), PATIENCE_S)
        consumer.close()


def main():
    steps = Steps()
    for line in sys.stdin:
        name, *arguments = line.rstrip("\n").split("\t")
        try:
            getattr(steps, name)(*arguments)
            print("done", name, sep="\t", flush=True)
        except Exception as failure:
            print("failed", name, type(failure).__name__, failure, sep="\t", flush=True)


main()
