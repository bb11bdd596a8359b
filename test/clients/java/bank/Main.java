import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * A bank whose accounts are the partitions of the topics account-0 to account-5, two each. The value of a record is
 * "transaction amount index count": what one transaction, of `count` records, adds to the account. Runs until its
 * standard input is closed, as one of:
 *
 * deposit BOOTSTRAP: one transaction with 1000 for partition 0 of each topic; ends by itself.
 * worker BOOTSTRAP NAME TRANSACTIONAL_ID TIMEOUT_MS: transfers, each a transaction whose amounts are 0 together; some
 *   are aborted when a part of them, which is not 0 together, is in the log. Prints "middle ID" when a transaction is
 *   open and rests for a while, "committed ID", "aborted ID" (it was never asked to be committed) or "unknown ID" (it
 *   was, and the answer was an error), and "note TEXT". A failed producer is followed by a new one with the same id.
 * observer BOOTSTRAP: reads with read_committed. Each snapshot is: the last stable offsets of all partitions by one
 *   call, every record below them ("record PARTITION OFFSET VALUE", where not printed before), and the line
 *   "snapshot MS PARTITION=LAST_STABLE_OFFSET/HIGH_WATERMARK ..." with the time at which the offsets were known. After
 *   the end of the input it goes on until nothing is open, for 30 s at most.
 */
public final class Main {
  private static final int TOPICS = 6;
  private static final int PARTITIONS = 2;
  private static final int SNAPSHOT_EVERY_MS = 100;
  private static final int LAST_WAIT_MS = 30000;
  private static final AtomicBoolean STOPPED = new AtomicBoolean();

  public static void main(String[] args) throws Exception {
    if (args[0].equals("deposit")) {
      deposit(args[1]);
      return;
    }
    Thread reader = new Thread(() -> {
      try {
        while (System.in.read() >= 0) { }
      } catch (IOException closed) {
        // The same as the end of the input.
      }
      STOPPED.set(true);
    });
    reader.setDaemon(true);
    reader.start();
    if (args[0].equals("worker")) work(args[1], args[2], args[3], args[4]);
    else observe(args[1]);
  }

  private static void deposit(String bootstrap) {
    KafkaProducer<String, String> producer = producer(bootstrap, "deposit", "60000");
    producer.initTransactions();
    producer.beginTransaction();
    for (int i = 0; i < TOPICS; i++) send(producer, i, 0, "deposit", 1000, i, TOPICS);
    producer.commitTransaction();
    producer.close();
    print("committed", "deposit");
  }

  private static void work(String bootstrap, String name, String transactionalId, String timeoutMs) throws Exception {
    Random random = new Random(name.hashCode());
    int number = 0;
    while (!STOPPED.get()) {
      KafkaProducer<String, String> producer = producer(bootstrap, transactionalId, timeoutMs);
      try {
        producer.initTransactions();
        while (!STOPPED.get()) transfer(producer, random, name + "-" + number++);
      } catch (KafkaException error) {
        print("note", name + ": " + error.getClass().getSimpleName() + " " + error.getMessage());
      }
      producer.close(Duration.ZERO);
      Thread.sleep(200 + random.nextInt(800));
    }
  }

  private static void transfer(KafkaProducer<String, String> producer, Random random, String id) throws Exception {
    List<Integer> accounts = new ArrayList<>();
    for (int i = 0; i < TOPICS; i++) accounts.add(i);
    Collections.shuffle(accounts, random);
    int count = 2 + random.nextInt(TOPICS - 1);
    boolean commit = random.nextInt(100) >= 15;
    boolean rest = random.nextInt(100) < 10;
    boolean asked = false;
    try {
      producer.beginTransaction();
      int sum = 0;
      for (int i = 0; i < count; i++) {
        if (i == 1 && (rest || !commit)) producer.flush();
        if (i == 1 && rest) {
          print("middle", id);
          Thread.sleep(400);
        }
        if (i == 1 && !commit) break;
        int amount = i == count - 1 ? -sum : 1 + random.nextInt(100);
        sum += amount;
        send(producer, accounts.get(i), random.nextInt(PARTITIONS), id, amount, i, count);
      }
      if (commit) {
        asked = true;
        producer.commitTransaction();
      } else {
        producer.abortTransaction();
      }
      print(commit ? "committed" : "aborted", id);
    } catch (KafkaException error) {
      print(asked ? "unknown" : "aborted", id);
      throw error;
    }
  }

  private static void observe(String bootstrap) throws InterruptedException {
    KafkaConsumer<String, String> committed = consumer(bootstrap, "read_committed");
    KafkaConsumer<String, String> everything = consumer(bootstrap, "read_uncommitted");
    List<TopicPartition> partitions = new ArrayList<>();
    for (int i = 0; i < TOPICS; i++) {
      for (int j = 0; j < PARTITIONS; j++) partitions.add(new TopicPartition("account-" + i, j));
    }
    committed.assign(partitions);
    committed.seekToBeginning(partitions);
    boolean open = true;
    long deadline = Long.MAX_VALUE;
    while (System.currentTimeMillis() < deadline && (open || !STOPPED.get())) {
      if (STOPPED.get()) deadline = Math.min(deadline, System.currentTimeMillis() + LAST_WAIT_MS);
      Map<TopicPartition, Long> stable = committed.endOffsets(partitions);
      Map<TopicPartition, Long> ends = everything.endOffsets(partitions);
      open = !stable.equals(ends);
      StringBuilder line = new StringBuilder("snapshot\t" + System.currentTimeMillis() + "\t");
      for (TopicPartition partition : partitions) {
        line.append(partition).append('=').append(stable.get(partition)).append('/').append(ends.get(partition));
        line.append(' ');
      }
      Map<TopicPartition, Long> left = new HashMap<>(stable);
      left.entrySet().removeIf(entry -> committed.position(entry.getKey()) >= entry.getValue());
      // Only what the snapshot needs is fetched: a record past it belongs to a later one.
      while (!left.isEmpty()) {
        for (TopicPartition partition : partitions) {
          if (left.containsKey(partition)) committed.resume(Collections.singleton(partition));
          else committed.pause(Collections.singleton(partition));
        }
        for (ConsumerRecord<String, String> record : committed.poll(Duration.ofMillis(100))) {
          TopicPartition partition = new TopicPartition(record.topic(), record.partition());
          if (record.offset() >= stable.get(partition)) {
            committed.seek(partition, Math.min(committed.position(partition), record.offset()));
          } else {
            print("record", partition, record.offset(), record.value());
          }
        }
        left.entrySet().removeIf(entry -> committed.position(entry.getKey()) >= entry.getValue());
      }
      System.out.println(line.toString().trim());
      System.out.flush();
      Thread.sleep(SNAPSHOT_EVERY_MS);
    }
    committed.close();
    everything.close();
  }

  private static void send(KafkaProducer<String, String> producer, int account, int partition, String id, int amount,
      int index, int count) {
    String value = id + " " + amount + " " + index + " " + count;
    producer.send(new ProducerRecord<>("account-" + account, partition, null, value));
  }

  private static KafkaProducer<String, String> producer(String bootstrap, String id, String timeoutMs) {
    Properties config = patience(bootstrap);
    config.put("transactional.id", id);
    config.put("transaction.timeout.ms", timeoutMs);
    config.put("max.block.ms", "30000");
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    return new KafkaProducer<>(config);
  }

  private static KafkaConsumer<String, String> consumer(String bootstrap, String isolation) {
    Properties config = patience(bootstrap);
    config.put("isolation.level", isolation);
    config.put("auto.offset.reset", "none");
    config.put("enable.auto.commit", "false");
    config.put("fetch.max.wait.ms", "100");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    return new KafkaConsumer<>(config);
  }

  private static Properties patience(String bootstrap) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("request.timeout.ms", "5000");
    config.put("reconnect.backoff.max.ms", "200");
    config.put("retry.backoff.max.ms", "200");
    return config;
  }

  private static synchronized void print(Object... words) {
    StringBuilder line = new StringBuilder();
    for (Object word : words) line.append(line.length() == 0 ? "" : "\t").append(word);
    System.out.println(line);
    System.out.flush();
  }
}
