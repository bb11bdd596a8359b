import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.WindowStore;

/**
 * A shop in Kafka Streams with exactly_once_v2, what feeds it, and what reads its results. Runs as one of:
 *
 * app BOOTSTRAP STATE_DIRECTORY REPLICATION: the application, until it is ended. Prints "state NAME", "note TEXT", and
 *   "restored CHANGELOG RECORDS" for each store that was filled from its changelog.
 * feed BOOTSTRAP PER_SECOND: an idempotent producer that first fills the table of customers (and prints "customers"),
 *   then sends orders, payments and clicks until its standard input is closed, and then the clicks that close all
 *   windows. Prints "sent TOPIC PARTITION OFFSET TIMESTAMP KEY VALUE" for each record that is acknowledged. Event time
 *   goes on by STEP_MS for each order, from half an hour ago; in each partition it never goes back.
 * read BOOTSTRAP ISOLATION TOPIC...: prints "record TOPIC PARTITION OFFSET TIMESTAMP KEY VALUE" for what is there,
 *   and "end PARTITION OFFSET" for where that ends; with the isolation level "follow" it goes on with what comes,
 *   read_committed, until it is ended.
 *
 * | in | key | value |
 * |---|---|---|
 * | customers | customer | region; older than any order; not all customers have one |
 * | orders | order | customer |
 * | payments | payment | order; up to PAYMENT_LAG_MS after it |
 * | clicks | page | a number |
 *
 * | out | what |
 * |---|---|
 * | paid | orders joined with their payments (stream-stream, by way of a repartition topic): order, "customer payment" |
 * | enriched | orders joined with the table of customers (by way of a repartition topic): order, "customer region" |
 * | region-counts | orders of each region, counted in a store by way of a repartition topic: every count once |
 * | page-windows | "page@start", "number of clicks and their sum" in windows of WINDOW_MS: once, when the window closes |
 */
public final class Main {
  private static final int STEP_MS = 10;
  private static final int PAYMENT_LAG_MS = 6000;
  private static final int JOIN_MS = 4000;
  private static final int WINDOW_MS = 500;
  private static final int CUSTOMERS = 60;
  private static final int CUSTOMERS_WITH_REGION = 54;
  private static final int REGIONS = 5;
  private static final int PAGES = 24;
  private static final int CLICKS_PER_ORDER = 2;

  public static void main(String[] args) throws Exception {
    if (args[0].equals("app")) run(args[1], args[2], args[3]);
    else if (args[0].equals("feed")) feed(args[1], Integer.parseInt(args[2]));
    else read(args[1], args[2], List.of(args).subList(3, args.length));
  }

  private static void run(String bootstrap, String stateDirectory, String replication) {
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, String> orders = builder.stream("orders");
    KStream<String, String> payments = builder.stream("payments");
    KTable<String, String> customers = builder.table("customers", Materialized.as("customers"));

    KStream<String, String> paymentsByOrder = payments
        .map((payment, order) -> new KeyValue<>(order, payment))
        .repartition(Repartitioned.as("payments-by-order"));
    orders.join(paymentsByOrder, (customer, payment) -> customer + " " + payment,
        JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMillis(JOIN_MS), Duration.ofHours(1)),
        StreamJoined.<String, String, String>as("orders-with-payments")).to("paid");

    KStream<String, String> enriched = orders
        .map((order, customer) -> new KeyValue<>(customer, order))
        .repartition(Repartitioned.as("orders-by-customer"))
        .join(customers, (customer, order, region) -> order + " " + region)
        .map((customer, words) -> {
          String[] parts = words.split(" ");
          return new KeyValue<>(parts[0], customer + " " + parts[1]);
        });
    enriched.to("enriched");
    enriched.groupBy((order, words) -> words.split(" ")[1], Grouped.as("orders-by-region"))
        .count(Materialized.as("orders-per-region"))
        .toStream().mapValues(count -> Long.toString(count)).to("region-counts");

    builder.<String, String>stream("clicks").groupByKey()
        .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(WINDOW_MS)))
        .aggregate(() -> "0 0", (page, number, words) -> {
          String[] parts = words.split(" ");
          return (Long.parseLong(parts[0]) + 1) + " " + (Long.parseLong(parts[1]) + Long.parseLong(number));
        }, Materialized.<String, String, WindowStore<Bytes, byte[]>>as("clicks-per-page")
            .withKeySerde(Serdes.String()).withValueSerde(Serdes.String()))
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream((page, words) -> page.key() + "@" + page.window().start()).to("page-windows");

    Properties config = patience(bootstrap);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "shop");
    config.put(StreamsConfig.STATE_DIR_CONFIG, stateDirectory);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, replication);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "2");
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "200");
    // Without caches every update of a store is sent on, so that each one can be looked for in the results.
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
    config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
    config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), "6000");
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), "1000");
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    config.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), "6000");
    KafkaStreams streams = new KafkaStreams(builder.build(config), config);
    streams.setStateListener((now, before) -> print("state", now));
    streams.setGlobalStateRestoreListener(new StateRestoreListener() {
      @Override
      public void onRestoreStart(TopicPartition changelog, String store, long from, long to) { }

      @Override
      public void onBatchRestored(TopicPartition changelog, String store, long offset, long count) { }

      @Override
      public void onRestoreEnd(TopicPartition changelog, String store, long count) {
        print("restored", changelog, count);
      }
    });
    streams.setUncaughtExceptionHandler(error -> {
      Throwable root = error;
      while (root.getCause() != null) root = root.getCause();
      print("note", (error + " <- " + root).replaceAll("\\s+", " "));
      // A thread that a broker, or the want of one, has brought down is replaced; a mistake of the program is not.
      boolean ofBroker = root instanceof ApiException;
      return ofBroker ? StreamThreadExceptionResponse.REPLACE_THREAD : StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
  }

  /** What is to be sent when event time has come so far. */
  private record Due(long step, String payment, String order) { }

  private static void feed(String bootstrap, int perSecond) throws Exception {
    AtomicBoolean stopped = new AtomicBoolean();
    Thread reader = new Thread(() -> {
      try {
        while (System.in.read() >= 0) { }
      } catch (IOException closed) {
        // The same as the end of the input.
      }
      stopped.set(true);
    });
    reader.setDaemon(true);
    reader.start();

    Properties config = patience(bootstrap);
    config.put("enable.idempotence", "true");
    config.put("delivery.timeout.ms", "120000");
    config.put("max.block.ms", "120000");
    config.put("linger.ms", "2");
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    KafkaProducer<String, String> producer = new KafkaProducer<>(config);
    long base = System.currentTimeMillis() - 1_800_000;
    for (int i = 0; i < CUSTOMERS_WITH_REGION; i++) {
      send(producer, "customers", null, base - 1000, "customer-" + i, "region-" + i % REGIONS);
    }
    producer.flush();
    print("customers");

    Random random = new Random(1);
    PriorityQueue<Due> due = new PriorityQueue<>((a, b) -> Long.compare(a.step(), b.step()));
    long startedAt = System.nanoTime();
    long step = 0;
    for (; !stopped.get() && FAILURES.get() == 0; step++) {
      long now = base + step * STEP_MS;
      String order = "order-" + step;
      send(producer, "orders", null, now, order, "customer-" + random.nextInt(CUSTOMERS));
      // None, one or two payments, some of them too late to be joined.
      int payments = new int[] {0, 1, 1, 1, 2}[random.nextInt(5)];
      for (int i = 0; i < payments; i++) {
        due.add(new Due(step + random.nextInt(PAYMENT_LAG_MS / STEP_MS), "payment-" + step + "-" + i, order));
      }
      while (!due.isEmpty() && due.peek().step() <= step) {
        Due next = due.poll();
        send(producer, "payments", null, now, next.payment(), next.order());
      }
      for (int i = 0; i < CLICKS_PER_ORDER; i++) {
        send(producer, "clicks", null, now, "page-" + random.nextInt(PAGES), "" + random.nextInt(1000));
      }
      long aheadNanos = startedAt + step * 1_000_000_000L / perSecond - System.nanoTime();
      if (aheadNanos > 2_000_000L) Thread.sleep(aheadNanos / 1_000_000L);
    }
    producer.flush();
    for (PartitionInfo partition : producer.partitionsFor("clicks")) {
      send(producer, "clicks", partition.partition(), base + step * STEP_MS + 60_000, "end", "0");
    }
    producer.close();
    System.exit(FAILURES.get() == 0 ? 0 : 1);
  }

  private static final AtomicLong FAILURES = new AtomicLong();

  private static void send(KafkaProducer<String, String> producer, String topic, Integer partition, long timestamp,
      String key, String value) {
    producer.send(new ProducerRecord<>(topic, partition, timestamp, key, value), (metadata, error) -> {
      if (error != null) {
        FAILURES.incrementAndGet();
        System.err.println(topic + " " + key + ": " + error);
      } else {
        print("sent", topic, metadata.partition(), metadata.offset(), timestamp, key, value);
      }
    });
  }

  private static void read(String bootstrap, String isolation, List<String> topics) {
    boolean follow = isolation.equals("follow");
    Properties config = patience(bootstrap);
    config.put("isolation.level", follow ? "read_committed" : isolation);
    config.put("auto.offset.reset", "none");
    config.put("enable.auto.commit", "false");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config);
    List<TopicPartition> partitions = new ArrayList<>();
    for (String topic : topics) {
      for (PartitionInfo each : consumer.partitionsFor(topic)) {
        partitions.add(new TopicPartition(topic, each.partition()));
      }
    }
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    Map<TopicPartition, Long> left = new HashMap<>(consumer.endOffsets(partitions));
    left.forEach((partition, offset) -> print("end", partition, offset));
    left.entrySet().removeIf(entry -> consumer.position(entry.getKey()) >= entry.getValue());
    while (follow || !left.isEmpty()) {
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
        print("record", record.topic(), record.partition(), record.offset(), record.timestamp(), record.key(),
            record.value());
      }
      left.entrySet().removeIf(entry -> consumer.position(entry.getKey()) >= entry.getValue());
    }
    consumer.close();
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
