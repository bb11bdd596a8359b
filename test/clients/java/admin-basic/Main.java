import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.config.ConfigResource;

/**
 * The first AdminClient's calls: creates a topic, finds it, describes it and its configuration, deletes it.
 * Compiles from 0.11 on. Prints one line "name TAB value" for each thing learnt. Arguments: bootstrap topic
 */
public final class Main {
  public static void main(String[] args) throws Exception {
    String topic = args[1];
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    AdminClient admin = AdminClient.create(config);
    Map<String, String> overrides = new HashMap<String, String>();
    overrides.put("retention.ms", "123456");
    NewTopic wanted = new NewTopic(topic, 4, (short) 1).configs(overrides);
    admin.createTopics(Collections.singletonList(wanted)).all().get();
    System.out.println("nodes\t" + admin.describeCluster().nodes().get().size());
    System.out.println("listed\t" + admin.listTopics().names().get().contains(topic));
    TopicDescription description = admin.describeTopics(Arrays.asList(topic)).values().get(topic).get();
    System.out.println("partitions\t" + description.partitions().size());
    System.out.println("leaderless\t" + description.partitions().stream().filter(p -> p.leader() == null).count());
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    Config described = admin.describeConfigs(Collections.singletonList(resource)).all().get().get(resource);
    System.out.println("retention.ms\t" + described.get("retention.ms").value());
    System.out.println("cleanup.policy\t" + described.get("cleanup.policy").value());
    System.out.println("retention.ms is default\t" + described.get("retention.ms").isDefault());
    try {
      admin.createTopics(Collections.singletonList(wanted)).all().get();
      System.out.println("second creation\tdone");
    } catch (java.util.concurrent.ExecutionException failure) {
      System.out.println("second creation\t" + failure.getCause().getClass().getSimpleName());
    }
    admin.deleteTopics(Collections.singletonList(topic)).all().get();
    boolean listed = true;
    for (int i = 0; i < 50 && listed; i++) {
      listed = admin.listTopics().names().get().contains(topic);
      if (listed) Thread.sleep(100);
    }
    System.out.println("listed after deletion\t" + listed);
    admin.close();
  }
}
