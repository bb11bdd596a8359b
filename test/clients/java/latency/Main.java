import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * End-to-end latency at a fixed rate: one thread sends 100-byte records with acks=all and linger.ms=0, the other
 * polls the partition and takes the time from send to poll. Open loop: a late record does not delay the next.
 * Prints "p50 TAB p99 TAB p999" in microseconds. Arguments: bootstrap topic recordsPerSecond warmUpSeconds seconds
 */
public final class Main {
  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int perSecond = Integer.parseInt(args[2]);
    int warmUp = Integer.parseInt(args[3]) * perSecond;
    int count = warmUp + Integer.parseInt(args[4]) * perSecond;
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("acks", "all");
    config.put("linger.ms", "0");
    config.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");

    long[] sentAt = new long[count];
    long[] latency = new long[count];
    CountDownLatch ready = new CountDownLatch(1);
    KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config);
    Thread reader = new Thread(() -> {
      TopicPartition partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      consumer.seekToEnd(List.of(partition));
      consumer.position(partition);
      ready.countDown();
      int received = 0;
      while (received < count) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(1000))) {
          latency[received] = System.nanoTime() - sentAt[received];
          received++;
        }
      }
    });
    reader.start();
    ready.await();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
      byte[] value = new byte[100];
      long start = System.nanoTime();
      for (int i = 0; i < count; i++) {
        long due = start + i * 1_000_000_000L / perSecond;
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
          if (left > 100_000L) Thread.sleep(0, 50_000);
        }
        sentAt[i] = System.nanoTime();
        producer.send(new ProducerRecord<>(topic, 0, null, value));
      }
    }
    reader.join(60_000);
    consumer.close();
    long[] measured = Arrays.copyOfRange(latency, warmUp, count);
    Arrays.sort(measured);
    System.out.println(at(measured, 0.5) + "\t" + at(measured, 0.99) + "\t" + at(measured, 0.999));
  }

  private static double at(long[] sorted, double share) {
    return sorted[(int) Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1000.0;
  }
}
