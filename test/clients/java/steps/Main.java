import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * A transactional producer that is told each of its steps, and a reader. A line of standard input is a step and its
 * arguments, with tabs between:
 * open TRANSACTIONAL_ID: a new producer in the place of the one before, after initTransactions
 * begin, commit, abort
 * send TOPIC PARTITION VALUE: returns when the record is acknowledged
 * offsets GROUP TOPIC PARTITION OFFSET: sendOffsetsToTransaction
 * settle TOPIC PARTITIONS: waits until no transaction is open there
 * read ISOLATION TOPIC PARTITIONS: everything that is there; a line "record PARTITION OFFSET VALUE" for each
 * Each is answered by the line "done STEP" or "failed STEP EXCEPTION MESSAGE". Ends with standard input.
 * Arguments: bootstrap clientId
 */
public final class Main {
  private static final int PATIENCE_MS = 30000;
  private static String bootstrap;
  private static String clientId;
  private static KafkaProducer<String, String> producer;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    clientId = args[1];
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split("\t");
      try {
        step(words);
        print("done", words[0]);
      } catch (Exception failure) {
        print("failed", words[0], failure.getClass().getSimpleName(), failure.getMessage());
      }
    }
    if (producer != null) producer.close(Duration.ZERO);
  }

  private static void step(String[] words) throws Exception {
    switch (words[0]) {
      case "open":
        if (producer != null) producer.close(Duration.ZERO);
        producer = producer(words[1]);
        producer.initTransactions();
        return;
      case "begin":
        producer.beginTransaction();
        return;
      case "send":
        producer.send(new ProducerRecord<>(words[1], Integer.parseInt(words[2]), null, words[3])).get();
        return;
      case "offsets":
        TopicPartition partition = new TopicPartition(words[2], Integer.parseInt(words[3]));
        producer.sendOffsetsToTransaction(
            Collections.singletonMap(partition, new OffsetAndMetadata(Long.parseLong(words[4]))),
            new ConsumerGroupMetadata(words[1]));
        return;
      case "commit":
        producer.commitTransaction();
        return;
      case "abort":
        producer.abortTransaction();
        return;
      case "settle":
        settle(words[1], Integer.parseInt(words[2]));
        return;
      case "read":
        read(words[1], words[2], Integer.parseInt(words[3]));
        return;
      default:
        throw new IllegalArgumentException("there is no step " + words[0]);
    }
  }

  private static void settle(String topic, int count) throws InterruptedException {
    List<TopicPartition> partitions = partitionsOf(topic, count);
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    try (KafkaConsumer<String, String> committed = consumer("read_committed");
        KafkaConsumer<String, String> all = consumer("read_uncommitted")) {
      while (!committed.endOffsets(partitions).equals(all.endOffsets(partitions))) {
        if (System.currentTimeMillis() > deadline) throw new IllegalStateException("a transaction stays open");
        Thread.sleep(20);
      }
    }
  }

  private static void read(String isolation, String topic, int count) {
    List<TopicPartition> partitions = partitionsOf(topic, count);
    try (KafkaConsumer<String, String> consumer = consumer(isolation)) {
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> left = new HashMap<>(consumer.endOffsets(partitions));
      long deadline = System.currentTimeMillis() + PATIENCE_MS;
      left.entrySet().removeIf(end -> consumer.position(end.getKey()) >= end.getValue());
      while (!left.isEmpty()) {
        if (System.currentTimeMillis() > deadline) throw new IllegalStateException("not read to the end: " + left);
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
          print("record", record.partition(), record.offset(), record.value());
        }
        left.entrySet().removeIf(end -> consumer.position(end.getKey()) >= end.getValue());
      }
    }
  }

  private static List<TopicPartition> partitionsOf(String topic, int count) {
    List<TopicPartition> partitions = new ArrayList<>();
    for (int i = 0; i < count; i++) partitions.add(new TopicPartition(topic, i));
    return partitions;
  }

  private static KafkaProducer<String, String> producer(String transactionalId) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("client.id", clientId);
    config.put("transactional.id", transactionalId);
    config.put("max.block.ms", Integer.toString(PATIENCE_MS));
    config.put("linger.ms", "0");
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    return new KafkaProducer<>(config);
  }

  private static KafkaConsumer<String, String> consumer(String isolation) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("isolation.level", isolation);
    config.put("auto.offset.reset", "none");
    config.put("enable.auto.commit", "false");
    config.put("fetch.max.wait.ms", "50");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    return new KafkaConsumer<>(config);
  }

  private static void print(Object... words) {
    StringBuilder line = new StringBuilder();
    for (Object word : words) line.append(line.length() == 0 ? "" : "\t").append(word);
    System.out.println(line);
    System.out.flush();
  }
}
