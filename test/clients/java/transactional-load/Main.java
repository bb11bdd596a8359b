import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CyclicBarrier;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Transactions as fast as they go, each of its producers in a thread: a number of 100-byte records spread over the
 * partitions of a topic, then a commit, or an abort where the share says so. Ends after a time or a number of
 * transactions, whichever comes first. Prints "transactions TAB seconds TAB p50 TAB p99" of what came after the warm-up;
 * the last two are microseconds from the call of commitTransaction to its return.
 * Arguments: bootstrap topic partitions producers recordsPerTransaction abortEvery(0: never) warmUpSeconds seconds
 * transactions
 */
public final class Main {
  public static void main(String[] args) throws Exception {
    int producers = Integer.parseInt(args[3]);
    // The time counts from when all of them have their producer id.
    long[] startedAt = new long[1];
    CyclicBarrier ready = new CyclicBarrier(producers, () -> startedAt[0] = System.nanoTime());
    long warmUp = Long.parseLong(args[6]) * 1_000_000_000L;
    int each = (Integer.parseInt(args[8]) + producers - 1) / producers;
    long[][] commits = new long[producers][];
    long[] lastAt = new long[producers];
    List<Throwable> failures = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int index = 0; index < producers; index++) {
      int number = index;
      Thread thread = new Thread(() -> {
        try {
          commits[number] = run(args, number, ready, startedAt, each);
          lastAt[number] = System.nanoTime();
        } catch (Throwable failure) {
          synchronized (failures) {
            failures.add(failure);
          }
        }
      });
      threads.add(thread);
      thread.start();
    }
    for (Thread thread : threads) thread.join();
    if (!failures.isEmpty()) throw new Exception(failures.get(0));
    long[] all = Arrays.stream(commits).flatMapToLong(Arrays::stream).sorted().toArray();
    double seconds = (Arrays.stream(lastAt).max().getAsLong() - startedAt[0] - warmUp) / 1e9;
    System.out.println(all.length + "\t" + seconds + "\t" + at(all, 0.5) + "\t" + at(all, 0.99));
  }

  /** Returns how long each commit, or abort, took that began after the warm-up, in ns. */
  private static long[] run(String[] args, int number, CyclicBarrier ready, long[] startedAt, int transactions)
      throws Exception {
    int partitions = Integer.parseInt(args[2]);
    int records = Integer.parseInt(args[4]);
    int abortEvery = Integer.parseInt(args[5]);
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("transactional.id", "load-" + number);
    config.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
    byte[] value = new byte[100];
    long[] took = new long[1024];
    int measured = 0;
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
      producer.initTransactions();
      ready.await();
      long measureAt = startedAt[0] + Long.parseLong(args[6]) * 1_000_000_000L;
      long endAt = measureAt + Long.parseLong(args[7]) * 1_000_000_000L;
      for (int count = 0; count < transactions && System.nanoTime() < endAt; count++) {
        producer.beginTransaction();
        for (int i = 0; i < records; i++) {
          producer.send(new ProducerRecord<>(args[1], i % partitions, null, value));
        }
        boolean abort = abortEvery > 0 && count % abortEvery == abortEvery - 1;
        // An abort does not wait for the records: without this it would leave most of them unwritten.
        if (abort) producer.flush();
        long before = System.nanoTime();
        if (abort) producer.abortTransaction();
        else producer.commitTransaction();
        if (before < measureAt) continue;
        if (measured == took.length) took = Arrays.copyOf(took, 2 * measured);
        took[measured++] = System.nanoTime() - before;
      }
    }
    return Arrays.copyOf(took, measured);
  }

  private static double at(long[] sorted, double share) {
    if (sorted.length == 0) return 0;
    return sorted[(int) Math.min(sorted.length - 1, Math.floor(sorted.length * share))] / 1000.0;
  }
}
