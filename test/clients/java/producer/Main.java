import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Writes COUNT records round robin over the partitions, with keys k0, k1, ... and values that the reader can
 * compute again, and prints for each acknowledgement "partition TAB offset TAB key". Compiles from 0.8.2 on.
 * Arguments: bootstrap topic partitions count label [config=value]...
 */
public final class Main {
  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int partitions = Integer.parseInt(args[2]);
    int count = Integer.parseInt(args[3]);
    String label = args[4];
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("acks", "all");
    for (int i = 5; i < args.length; i++) {
      int at = args[i].indexOf('=');
      config.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    KafkaProducer<String, String> producer = new KafkaProducer<String, String>(config);
    List<Future<RecordMetadata>> sent = new ArrayList<Future<RecordMetadata>>();
    for (int i = 0; i < count; i++) {
      String value = label + "-" + i + "-" + "abcdefghijklmnopqrstuvwxyz";
      sent.add(producer.send(new ProducerRecord<String, String>(topic, i % partitions, "k" + i, value)));
    }
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < count; i++) {
      RecordMetadata acked = sent.get(i).get();
      out.append(acked.partition()).append('\t').append(acked.offset()).append('\t').append("k" + i).append('\n');
    }
    producer.close();
    System.out.print(out);
  }
}
