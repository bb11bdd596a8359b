import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads COUNT records in a group, in two lives: the first commits after about half of them and leaves, the second
 * goes on from what was committed. Then seeks without a group to offset 1 of partition 0. Prints for each record
 * "life TAB partition TAB offset TAB key TAB value". Works with every client from 0.9 on.
 * Arguments: bootstrap topic group count [config=value]...
 */
public final class Main {
  private static final long PATIENCE_MS = 60000;
  private static final StringBuilder OUT = new StringBuilder();

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int count = Integer.parseInt(args[3]);
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("group.id", args[2]);
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    config.put("max.partition.fetch.bytes", "4096");
    for (int i = 4; i < args.length; i++) {
      int at = args[i].indexOf('=');
      config.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    int first = readInGroup("1", config, topic, count / 2);
    readInGroup("2", config, topic, count - first);

    KafkaConsumer<String, String> consumer = new KafkaConsumer<String, String>(config);
    TopicPartition partition = new TopicPartition(topic, 0);
    consumer.assign(Arrays.asList(partition));
    consumer.seek(partition, 1L);
    int found = 0;
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    while (found == 0 && System.currentTimeMillis() < deadline) {
      for (ConsumerRecord<String, String> record : poll(consumer)) {
        print("seek", record);
        found++;
      }
    }
    consumer.close();
    System.out.print(OUT);
  }

  private static int readInGroup(String life, Properties config, String topic, int wanted) throws Exception {
    KafkaConsumer<String, String> consumer = new KafkaConsumer<String, String>(config);
    consumer.subscribe(Arrays.asList(topic));
    int read = 0;
    long deadline = System.currentTimeMillis() + PATIENCE_MS;
    while (read < wanted && System.currentTimeMillis() < deadline) {
      for (ConsumerRecord<String, String> record : poll(consumer)) {
        print(life, record);
        read++;
      }
    }
    consumer.commitSync();
    consumer.close();
    if (read < wanted) {
      throw new IllegalStateException("read " + read + " of " + wanted + " records in life " + life);
    }
    return read;
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

  private static void print(String life, ConsumerRecord<String, String> record) {
    OUT.append(life).append('\t').append(record.partition()).append('\t').append(record.offset()).append('\t');
    OUT.append(record.key()).append('\t').append(record.value()).append('\n');
  }
}
