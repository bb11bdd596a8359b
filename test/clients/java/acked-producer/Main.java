import java.util.Properties;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Writes the numbers 0, 1, 2, ... with acks=all, number n to partition n % partitions, until its standard input is
 * closed. Prints "acked TAB partition TAB offset TAB number" for each acknowledgement and at last "sent TAB count".
 * A failed send ends the program with exit code 1: with the long delivery timeout here none may fail.
 * Arguments: bootstrap topic partitions recordsPerSecond [config=value]...
 */
public final class Main {
  private static final int IN_FLIGHT = 2000;

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int partitions = Integer.parseInt(args[2]);
    int perSecond = Integer.parseInt(args[3]);
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("acks", "all");
    config.put("delivery.timeout.ms", "180000");
    config.put("request.timeout.ms", "5000");
    config.put("max.block.ms", "120000");
    config.put("reconnect.backoff.max.ms", "200");
    config.put("retry.backoff.max.ms", "200");
    config.put("linger.ms", "2");
    for (int i = 4; i < args.length; i++) {
      int at = args[i].indexOf('=');
      config.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    AtomicBoolean stopped = new AtomicBoolean();
    Thread reader = new Thread(() -> {
      try {
        while (System.in.read() >= 0) { }
      } catch (java.io.IOException closed) {
        // The same as the end of the input.
      }
      stopped.set(true);
    });
    reader.setDaemon(true);
    reader.start();

    AtomicLong failures = new AtomicLong();
    Semaphore room = new Semaphore(IN_FLIGHT);
    KafkaProducer<String, String> producer = new KafkaProducer<>(config);
    long startedAt = System.nanoTime();
    long number = 0;
    while (!stopped.get() && failures.get() == 0) {
      room.acquire();
      long n = number++;
      String value = Long.toString(n);
      producer.send(new ProducerRecord<>(topic, (int) (n % partitions), value, value), (metadata, error) -> {
        room.release();
        if (error != null) {
          failures.incrementAndGet();
          System.err.println(n + ": " + error);
        } else {
          System.out.println("acked\t" + metadata.partition() + "\t" + metadata.offset() + "\t" + n);
        }
      });
      long aheadNanos = startedAt + number * 1_000_000_000L / perSecond - System.nanoTime();
      if (aheadNanos > 2_000_000L) Thread.sleep(aheadNanos / 1_000_000L);
    }
    producer.close();
    System.out.println("sent\t" + number);
    System.out.flush();
    System.exit(failures.get() == 0 ? 0 : 1);
  }
}
