import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * An idempotent producer of the numbers 0, 1, 2, ... and a consumer in a group that reads them back, until told to
 * stop. Number n goes to partition n % partitions with the key "k" + n % (4 * partitions), so that a key has one
 * partition. A line "drain" on standard input ends the producer, the end of standard input the consumer. Prints, with
 * tabs between:
 *   acked PARTITION OFFSET NUMBER | failed NUMBER REASON | sent COUNT
 *   read PARTITION OFFSET NUMBER | committed PARTITION OFFSET | note TEXT
 * Arguments: bootstrap topic partitions recordsPerSecond group
 */
public final class Main {
  private static final int IN_FLIGHT = 2000;
  private static final AtomicBoolean draining = new AtomicBoolean();
  private static final AtomicBoolean stopped = new AtomicBoolean();

  public static void main(String[] args) throws Exception {
    Thread producer = new Thread(() -> run("producer", () -> produce(args)));
    Thread consumer = new Thread(() -> run("consumer", () -> consume(args)));
    producer.start();
    consumer.start();
    // Nothing but "drain" is ever written: its first byte is the whole message.
    if (System.in.read() >= 0) {
      draining.set(true);
      while (System.in.read() >= 0) { }
    }
    draining.set(true);
    stopped.set(true);
    producer.join();
    consumer.join();
  }

  private interface Work {
    void run() throws Exception;
  }

  private static void run(String name, Work work) {
    try {
      work.run();
    } catch (Throwable failure) {
      failure.printStackTrace();
      print("note\t" + name + " ended: " + failure);
      Runtime.getRuntime().halt(1);
    }
  }

  private static synchronized void print(String line) {
    System.out.println(line);
  }

  private static Properties common(String bootstrap) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("request.timeout.ms", "5000");
    config.put("reconnect.backoff.max.ms", "200");
    config.put("retry.backoff.max.ms", "200");
    return config;
  }

  private static void produce(String[] args) throws Exception {
    String topic = args[1];
    int partitions = Integer.parseInt(args[2]);
    int perSecond = Integer.parseInt(args[3]);
    Properties config = common(args[0]);
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("acks", "all");
    config.put("enable.idempotence", "true");
    config.put("delivery.timeout.ms", "120000");
    config.put("max.block.ms", "120000");
    config.put("linger.ms", "2");
    Semaphore room = new Semaphore(IN_FLIGHT);
    KafkaProducer<String, String> producer = new KafkaProducer<>(config);
    long startedAt = System.nanoTime();
    long number = 0;
    while (!draining.get()) {
      room.acquire();
      long n = number++;
      String key = "k" + n % (4L * partitions);
      producer.send(new ProducerRecord<>(topic, (int) (n % partitions), key, Long.toString(n)), (metadata, error) -> {
        room.release();
        if (error != null) print("failed\t" + n + "\t" + error);
        else print("acked\t" + metadata.partition() + "\t" + metadata.offset() + "\t" + n);
      });
      long aheadNanos = startedAt + number * 1_000_000_000L / perSecond - System.nanoTime();
      if (aheadNanos > 2_000_000L) Thread.sleep(aheadNanos / 1_000_000L);
    }
    producer.close();
    print("sent\t" + number);
  }

  private static void consume(String[] args) {
    Properties config = common(args[0]);
    config.put("group.id", args[4]);
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    config.put("default.api.timeout.ms", "10000");
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
      Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
      consumer.subscribe(List.of(args[1]), new ConsumerRebalanceListener() {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

        // Who gets the partitions next starts at what was committed: what was read beyond that is read again.
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
          positions.clear();
        }
      });
      long commitAt = System.nanoTime();
      while (!stopped.get()) {
        try {
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
            print("read\t" + record.partition() + "\t" + record.offset() + "\t" + record.value());
            TopicPartition partition = new TopicPartition(record.topic(), record.partition());
            positions.put(partition, new OffsetAndMetadata(record.offset() + 1));
          }
          if (System.nanoTime() - commitAt < 250_000_000L) continue;
          commitAt = System.nanoTime();
          commit(consumer, positions);
        } catch (org.apache.kafka.common.errors.RetriableException
            | org.apache.kafka.clients.consumer.CommitFailedException failure) {
          // A commit that was not acknowledged binds nobody; it is sent again with the next.
          print("note\tconsumer: " + failure);
        }
      }
      commit(consumer, positions);
    }
  }

  private static void commit(KafkaConsumer<String, String> consumer, Map<TopicPartition, OffsetAndMetadata> positions) {
    if (positions.isEmpty()) return;
    consumer.commitSync(positions);
    positions.forEach((partition, offset) -> print("committed\t" + partition.partition() + "\t" + offset.offset()));
    positions.clear();
  }
}
