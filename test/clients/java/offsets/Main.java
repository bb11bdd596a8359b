import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * Prints for each partition "partition TAB beginning TAB end TAB offset at or after the time TAB its timestamp",
 * with -1 where there is none. Compiles from 0.10.1 on.
 * Arguments: bootstrap topic timestamp
 */
public final class Main {
  public static void main(String[] args) {
    String topic = args[1];
    long timestamp = Long.parseLong(args[2]);
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    KafkaConsumer<String, String> consumer = new KafkaConsumer<String, String>(config);
    List<TopicPartition> partitions = new ArrayList<TopicPartition>();
    Map<TopicPartition, Long> times = new HashMap<TopicPartition, Long>();
    for (PartitionInfo info : consumer.partitionsFor(topic)) {
      TopicPartition partition = new TopicPartition(topic, info.partition());
      partitions.add(partition);
      times.put(partition, timestamp);
    }
    Map<TopicPartition, Long> beginning = consumer.beginningOffsets(partitions);
    Map<TopicPartition, Long> end = consumer.endOffsets(partitions);
    Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(times);
    for (TopicPartition partition : partitions) {
      OffsetAndTimestamp at = found.get(partition);
      System.out.println(partition.partition() + "\t" + beginning.get(partition) + "\t" + end.get(partition) + "\t"
          + (at == null ? "-1\t-1" : at.offset() + "\t" + at.timestamp()));
    }
    consumer.close();
  }
}
