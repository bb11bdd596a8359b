import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Drives the transactional client, from 0.11 on. The topics PREFIX-in and PREFIX-out must exist, with six partitions
 * each. In this order:
 * write: TRANSACTIONS transactions of 100 records to PREFIX-in, committed and aborted alternately;
 * transform: what is committed there is copied to PREFIX-out by consume-transform-produce in the group PREFIX-group,
 *   every third transaction aborted and done again;
 * fence: a producer is fenced by a second one with its transactional id;
 * timeout: a transaction is left open past its timeout, and another follows with the same transactional id;
 * read: both topics, read_committed and read_uncommitted.
 * A line "pause TAB step" stands for a moment in the middle of a transaction; the program goes on when it reads a line
 * from standard input, whatever was done to the broker in between. Prints, with tabs:
 * "written n commit|abort", "transformed records commit|abort", "fenced exception", "timeout exception", and for each
 * record read "record isolation topic partition offset value". Values are "step-transaction-index".
 * Arguments: bootstrap prefix transactions
 */
public final class Main {
  private static final int PARTITIONS = 6;
  private static final int RECORDS = 100;
  private static final int PATIENCE_MS = 60000;
  private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));

  private static String bootstrap;
  private static String prefix;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    prefix = args[1];
    int transactions = Integer.parseInt(args[2]);
    write(transactions);
    transform((transactions + 1) / 2 * RECORDS);
    fence();
    timeout();
    for (String topic : Arrays.asList("in", "out")) {
      read(topic, "read_committed");
      read(topic, "read_uncommitted");
    }
  }

  private static void write(int transactions) throws Exception {
    KafkaProducer<String, String> producer = producer("writer", 60000);
    producer.initTransactions();
    for (int n = 0; n < transactions; n++) {
      producer.beginTransaction();
      send(producer, "in", "write-" + n, 0, RECORDS / 2);
      if (n >= transactions - 2) {
        // One that will be committed and one that will be aborted.
        producer.flush();
        pause("write");
      }
      send(producer, "in", "write-" + n, RECORDS / 2, RECORDS);
      boolean commit = n % 2 == 0;
      end(producer, commit);
      print("written", n, commit ? "commit" : "abort");
    }
    producer.close();
  }

  private static void transform(int wanted) throws Exception {
    String group = prefix + "-group";
    Properties more = new Properties();
    more.put("group.id", group);
    more.put("max.poll.records", "70");
    KafkaConsumer<String, String> consumer = consumer("read_committed", more);
    consumer.subscribe(Arrays.asList(prefix + "-in"));
    KafkaProducer<String, String> producer = producer("transformer", 60000);
    producer.initTransactions();
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    int done = 0;
    for (int n = 0; done < wanted; ) {
      if (System.currentTimeMillis() > deadline) throw new IllegalStateException(done + " records transformed");
      ConsumerRecords<String, String> records = poll(consumer);
      if (records.isEmpty()) continue;
      boolean commit = n % 3 != 1;
      Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<TopicPartition, OffsetAndMetadata>();
      Map<TopicPartition, Long> first = new HashMap<TopicPartition, Long>();
      producer.beginTransaction();
      for (ConsumerRecord<String, String> record : records) {
        TopicPartition partition = new TopicPartition(record.topic(), record.partition());
        if (!first.containsKey(partition)) first.put(partition, record.offset());
        offsets.put(partition, new OffsetAndMetadata(record.offset() + 1, commit ? "kept" : "dropped"));
        String value = (commit ? "kept-" : "dropped-") + record.value();
        producer.send(new ProducerRecord<String, String>(prefix + "-out", record.partition(), null, value));
      }
      sendOffsets(producer, offsets, consumer, group);
      // In the second (aborted) and the third (committed) transaction, with offsets pending.
      if (n == 1 || n == 2) {
        producer.flush();
        pause("transform");
      }
      end(producer, commit);
      print("transformed", records.count(), commit ? "commit" : "abort");
      if (commit) {
        done += records.count();
      } else {
        for (Map.Entry<TopicPartition, Long> entry : first.entrySet()) consumer.seek(entry.getKey(), entry.getValue());
      }
      n++;
    }
    producer.close();
    consumer.close();
  }

  private static void fence() throws Exception {
    KafkaProducer<String, String> first = producer("fenced", 60000);
    first.initTransactions();
    first.beginTransaction();
    send(first, "in", "fenced-0", 0, PARTITIONS);
    first.flush();
    KafkaProducer<String, String> second = producer("fenced", 60000);
    second.initTransactions();
    print("fenced", commitOf(first));
    first.close();
    second.beginTransaction();
    send(second, "in", "fencing-0", 0, PARTITIONS);
    second.commitTransaction();
    second.close();
  }

  private static void timeout() throws Exception {
    KafkaProducer<String, String> slow = producer("slow", 3000);
    slow.initTransactions();
    slow.beginTransaction();
    send(slow, "in", "slow-0", 0, PARTITIONS);
    slow.flush();
    // A reader of committed records gets to the end once the coordinator has aborted the transaction.
    KafkaConsumer<String, String> committed = consumer("read_committed", new Properties());
    KafkaConsumer<String, String> all = consumer("read_uncommitted", new Properties());
    List<TopicPartition> partitions = partitionsOf("in");
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    while (!committed.endOffsets(partitions).equals(all.endOffsets(partitions))) {
      if (System.currentTimeMillis() > deadline) throw new IllegalStateException("the transaction stays open");
      Thread.sleep(200);
    }
    committed.close();
    all.close();
    print("timeout", commitOf(slow));
    slow.close();
    KafkaProducer<String, String> next = producer("slow", 60000);
    next.initTransactions();
    next.beginTransaction();
    send(next, "in", "next-0", 0, PARTITIONS);
    next.commitTransaction();
    next.close();
  }

  private static void read(String topic, String isolation) throws Exception {
    KafkaConsumer<String, String> consumer = consumer(isolation, new Properties());
    List<TopicPartition> partitions = partitionsOf(topic);
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    Map<TopicPartition, Long> ends = new HashMap<TopicPartition, Long>(consumer.endOffsets(partitions));
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    StringBuilder out = new StringBuilder();
    while (!ends.isEmpty()) {
      if (System.currentTimeMillis() > deadline) throw new IllegalStateException("not read to the end: " + ends);
      for (ConsumerRecord<String, String> record : poll(consumer)) {
        out.append("record\t").append(isolation).append('\t').append(topic).append('\t').append(record.partition());
        out.append('\t').append(record.offset()).append('\t').append(record.value()).append('\n');
      }
      for (TopicPartition partition : partitions) {
        Long end = ends.get(partition);
        if (end != null && consumer.position(partition) >= end) ends.remove(partition);
      }
    }
    consumer.close();
    System.out.print(out);
  }

  private static void send(KafkaProducer<String, String> producer, String topic, String label, int from, int to) {
    for (int i = from; i < to; i++) {
      String value = label + "-" + i;
      producer.send(new ProducerRecord<String, String>(prefix + "-" + topic, i % PARTITIONS, null, value));
    }
  }

  private static void end(KafkaProducer<String, String> producer, boolean commit) {
    if (commit) {
      producer.commitTransaction();
    } else {
      // An abort drops what was not sent: all of it has to be in the log.
      producer.flush();
      producer.abortTransaction();
    }
  }

  private static String commitOf(KafkaProducer<String, String> producer) {
    try {
      producer.commitTransaction();
      return "none";
    } catch (RuntimeException error) {
      return error.getClass().getSimpleName();
    }
  }

  /** With the group's metadata, which came in 2.5, or its bare id, which is gone in 4.0. */
  private static void sendOffsets(KafkaProducer<String, String> producer,
      Map<TopicPartition, OffsetAndMetadata> offsets, KafkaConsumer<String, String> consumer, String group)
      throws Exception {
    String name = "sendOffsetsToTransaction";
    Method groupMetadata;
    try {
      groupMetadata = KafkaConsumer.class.getMethod("groupMetadata");
    } catch (NoSuchMethodException old) {
      KafkaProducer.class.getMethod(name, Map.class, String.class).invoke(producer, offsets, group);
      return;
    }
    KafkaProducer.class.getMethod(name, Map.class, groupMetadata.getReturnType())
        .invoke(producer, offsets, groupMetadata.invoke(consumer));
  }

  /** By the method that the client has: that with a number is gone in 4.0, that with a duration came in 2.0. */
  @SuppressWarnings("unchecked")
  private static ConsumerRecords<String, String> poll(KafkaConsumer<String, String> consumer) throws Exception {
    Object result;
    try {
      result = KafkaConsumer.class.getMethod("poll", Duration.class).invoke(consumer, Duration.ofMillis(500));
    } catch (NoSuchMethodException old) {
      result = KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 500L);
    }
    return (ConsumerRecords<String, String>) result;
  }

  private static KafkaProducer<String, String> producer(String name, int timeoutMs) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("transactional.id", prefix + "-" + name);
    config.put("transaction.timeout.ms", Integer.toString(timeoutMs));
    config.put("retries", "1000000");
    config.put("max.block.ms", Integer.toString(PATIENCE_MS));
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    return new KafkaProducer<String, String>(config);
  }

  private static KafkaConsumer<String, String> consumer(String isolation, Properties more) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("isolation.level", isolation);
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.putAll(more);
    return new KafkaConsumer<String, String>(config);
  }

  private static List<TopicPartition> partitionsOf(String topic) {
    List<TopicPartition> partitions = new ArrayList<TopicPartition>();
    for (int i = 0; i < PARTITIONS; i++) partitions.add(new TopicPartition(prefix + "-" + topic, i));
    return partitions;
  }

  private static void pause(String step) throws Exception {
    print("pause", step);
    if (INPUT.readLine() == null) throw new IllegalStateException("standard input was closed");
  }

  private static void print(Object... words) {
    StringBuilder line = new StringBuilder();
    for (Object word : words) line.append(line.length() == 0 ? "" : "\t").append(word);
    System.out.println(line);
    System.out.flush();
  }
}
