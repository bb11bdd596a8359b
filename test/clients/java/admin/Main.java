import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;

/**
 * The whole of the 4.3 Admin client that a broker without transactions and ACLs can serve. Prints "name TAB value"
 * for each thing learnt; a call that fails prints the simple name of the exception. Arguments: bootstrap prefix
 */
public final class Main {
  private static String prefix;

  public static void main(String[] args) throws Exception {
    prefix = args[1];
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    try (Admin admin = Admin.create(config)) {
      topics(admin);
      configs(admin);
      records(admin, args[0]);
      groups(admin, args[0]);
      cluster(admin);
      deletions(admin);
    }
  }

  private static void topics(Admin admin) throws Exception {
    NewTopic plain = new NewTopic(prefix + "-plain", 2, (short) 1).configs(Map.of("retention.ms", "123456"));
    NewTopic assigned = new NewTopic(prefix + "-assigned", Map.of(0, List.of(1), 1, List.of(1), 2, List.of(1)));
    print("create plain", () -> admin.createTopics(List.of(plain)).numPartitions(plain.name()).get());
    print("create assigned", () -> admin.createTopics(List.of(assigned)).all().get());
    print("create again", () -> admin.createTopics(List.of(plain)).all().get());
    print("create with a bad name", () -> admin.createTopics(List.of(new NewTopic("a b", 1, (short) 1))).all().get());
    print("create with too many replicas",
        () -> admin.createTopics(List.of(new NewTopic(prefix + "-r3", 1, (short) 3))).all().get());
    print("create with no partitions",
        () -> admin.createTopics(List.of(new NewTopic(prefix + "-p0", 0, (short) 1))).all().get());
    print("create with an unknown key", () -> admin.createTopics(
        List.of(new NewTopic(prefix + "-k", 1, (short) 1).configs(Map.of("no.such.key", "1")))).all().get());
    print("create with a bad value", () -> admin.createTopics(
        List.of(new NewTopic(prefix + "-v", 1, (short) 1).configs(Map.of("retention.ms", "soon")))).all().get());
    print("validate only", () -> admin.createTopics(List.of(new NewTopic(prefix + "-ghost", 1, (short) 1)),
        new CreateTopicsOptions().validateOnly(true)).all().get());
    print("ghost is listed", () -> admin.listTopics().names().get().contains(prefix + "-ghost"));
    print("partitions of plain", () -> describe(admin, plain.name()).partitions().size());
    print("partitions of assigned", () -> describe(admin, assigned.name()).partitions().size());
    print("grow plain", () -> admin.createPartitions(Map.of(plain.name(), NewPartitions.increaseTo(5))).all().get());
    print("partitions of plain", () -> describe(admin, plain.name()).partitions().size());
    print("shrink plain", () -> admin.createPartitions(Map.of(plain.name(), NewPartitions.increaseTo(1))).all().get());
    print("grow the unknown",
        () -> admin.createPartitions(Map.of(prefix + "-none", NewPartitions.increaseTo(2))).all().get());
    print("describe the unknown", () -> describe(admin, prefix + "-none").name());
    print("describe by id", () -> {
      Uuid id = describe(admin, plain.name()).topicId();
      return admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name()
          .equals(plain.name());
    });
    print("leaderless", () -> describe(admin, plain.name()).partitions().stream()
        .filter(p -> p.leader() == null || p.leader().id() != 1 || p.isr().size() != 1).count());
  }

  private static void configs(Admin admin) throws Exception {
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, prefix + "-plain");
    ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
    ConfigResource unknown = new ConfigResource(ConfigResource.Type.TOPIC, prefix + "-none");
    printEntry(admin, topic, "retention.ms");
    printEntry(admin, topic, "segment.bytes");
    printEntry(admin, topic, "cleanup.policy");
    printEntry(admin, broker, "num.partitions");
    printEntry(admin, broker, "node.id");
    print("topic keys", () -> String.join(",", new TreeMap<>(named(config(admin, topic))).keySet()));
    print("configs of the unknown", () -> config(admin, unknown).entries().size());
    alter(admin, topic, "set retention", new ConfigEntry("retention.ms", "777"), AlterConfigOp.OpType.SET);
    printEntry(admin, topic, "retention.ms");
    alter(admin, topic, "append compact", new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND);
    printEntry(admin, topic, "cleanup.policy");
    alter(admin, topic, "subtract delete", new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.SUBTRACT);
    printEntry(admin, topic, "cleanup.policy");
    alter(admin, topic, "delete cleanup.policy", new ConfigEntry("cleanup.policy", null), AlterConfigOp.OpType.DELETE);
    alter(admin, topic, "delete retention", new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE);
    printEntry(admin, topic, "retention.ms");
    printEntry(admin, topic, "cleanup.policy");
    alter(admin, topic, "bad value", new ConfigEntry("min.insync.replicas", "0"), AlterConfigOp.OpType.SET);
    alter(admin, topic, "unknown key", new ConfigEntry("no.such.key", "1"), AlterConfigOp.OpType.SET);
    alter(admin, topic, "append to a number", new ConfigEntry("retention.ms", "1"), AlterConfigOp.OpType.APPEND);
    alter(admin, unknown, "unknown topic", new ConfigEntry("retention.ms", "1"), AlterConfigOp.OpType.SET);
    print("synonyms of retention.ms", () -> admin.describeConfigs(List.of(topic),
        new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(topic).get("retention.ms").synonyms()
        .stream().map(s -> s.name() + ":" + s.source()).toList());
    print("documentation of retention.ms is there", () -> admin.describeConfigs(List.of(topic),
        new DescribeConfigsOptions().includeDocumentation(true)).all().get().get(topic).get("retention.ms")
        .documentation().length() > 20);
  }

  /** Timestamps of 1970: retention must not take the records away. */
  private static void records(Admin admin, String bootstrap) throws Exception {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, prefix + "-plain");
    alter(admin, resource, "keep for ever", new ConfigEntry("retention.ms", "-1"), AlterConfigOp.OpType.SET);
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    config.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    String topic = prefix + "-plain";
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
      for (int i = 0; i < 10; i++) producer.send(new ProducerRecord<>(topic, 0, 1_000L + 10 * i, "k" + i, "v")).get();
    }
    TopicPartition partition = new TopicPartition(topic, 0);
    for (Map.Entry<String, OffsetSpec> spec : new TreeMap<>(Map.of(
        "earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(), "max timestamp", OffsetSpec.maxTimestamp(),
        "time 1035", OffsetSpec.forTimestamp(1_035), "time 9999", OffsetSpec.forTimestamp(9_999),
        "earliest local", OffsetSpec.earliestLocal())).entrySet()) {
      print("offset at " + spec.getKey(), () -> {
        var info = admin.listOffsets(Map.of(partition, spec.getValue())).partitionResult(partition).get();
        return info.offset() + " " + info.timestamp() + " " + info.leaderEpoch().orElse(-1);
      });
    }
  }

  private static void groups(Admin admin, String bootstrap) throws Exception {
    String topic = prefix + "-plain";
    String group = prefix + "-group";
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("group.id", group);
    config.put("client.id", "admin-check");
    config.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    config.put(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, "static-1");
    TopicPartition partition = new TopicPartition(topic, 0);
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
      consumer.subscribe(List.of(topic));
      int read = 0;
      for (int i = 0; i < 60 && read < 10; i++) read += consumer.poll(java.time.Duration.ofMillis(500)).count();
      print("read", read);
      consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "note")));
      print("group is listed", () -> admin.listGroups().all().get().stream().map(GroupListing::groupId).toList()
          .contains(group));
      ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
      print("group state", description.groupState());
      print("group protocol", description.partitionAssignor());
      print("group members", description.members().size());
      var member = description.members().iterator().next();
      print("member", member.clientId() + " " + member.groupInstanceId().orElse("none") + " "
          + member.assignment().topicPartitions().size());
      print("delete a group with members", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
      print("alter offsets of a group with members", () -> admin.alterConsumerGroupOffsets(group,
          Map.of(partition, new OffsetAndMetadata(1))).all().get());
      print("delete offsets of a subscribed topic",
          () -> admin.deleteConsumerGroupOffsets(group, Set.of(partition)).partitionResult(partition).get());
    }
    print("remove the static member", () -> admin.removeMembersFromConsumerGroup(group,
        new org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions(
            List.of(new org.apache.kafka.clients.admin.MemberToRemove("static-1")))).all().get());
    print("group state after", () -> admin.describeConsumerGroups(List.of(group)).all().get().get(group).groupState());
    print("committed", () -> {
      var offset = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition);
      return offset.offset() + " " + offset.metadata();
    });
    print("alter offsets", () -> admin.alterConsumerGroupOffsets(group,
        Map.of(partition, new OffsetAndMetadata(3), new TopicPartition(topic, 1), new OffsetAndMetadata(0))).all().get());
    print("committed after", () -> {
      var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      return offsets.get(partition).offset() + " " + offsets.size();
    });
    print("delete offsets", () -> admin.deleteConsumerGroupOffsets(group, Set.of(new TopicPartition(topic, 1))).all().get());
    print("offsets left", () -> admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().size());
    print("describe an unknown group", () -> admin.describeConsumerGroups(List.of(prefix + "-none")).all().get().size());
    print("delete an unknown group", () -> admin.deleteConsumerGroups(List.of(prefix + "-none")).all().get());
    print("delete the group", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
    print("group is listed after", () -> admin.listGroups().all().get().stream().map(GroupListing::groupId).toList()
        .contains(group));
  }

  private static void cluster(Admin admin) throws Exception {
    print("nodes", () -> admin.describeCluster().nodes().get().stream().map(n -> n.id() + " " + n.host()).toList());
    print("controller", () -> admin.describeCluster().controller().get().id());
    print("cluster id", () -> admin.describeCluster().clusterId().get());
    print("log dirs", () -> {
      Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
      LogDirDescription dir = dirs.values().iterator().next();
      var replica = dir.replicaInfos().get(new TopicPartition(prefix + "-plain", 0));
      return dirs.size() + " " + dir.error() + " " + (replica.size() > 0) + " " + replica.offsetLag() + " "
          + dir.totalBytes().isPresent();
    });
    print("config resources", () -> admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
        new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get().stream()
        .filter(r -> r.name().startsWith(prefix)).count());
  }

  private static void deletions(Admin admin) throws Exception {
    print("delete by name", () -> admin.deleteTopics(List.of(prefix + "-plain")).all().get());
    print("delete by id", () -> admin.deleteTopics(TopicCollection.ofTopicIds(
        List.of(describe(admin, prefix + "-assigned").topicId()))).all().get());
    print("delete the unknown", () -> admin.deleteTopics(List.of(prefix + "-none")).all().get());
    print("delete an unknown id",
        () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(5, 7)))).all().get());
    print("topics left", () -> admin.listTopics().names().get().stream().filter(n -> n.startsWith(prefix)).count());
  }

  private static TopicDescription describe(Admin admin, String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
  }

  private static Config config(Admin admin, ConfigResource resource) throws Exception {
    return admin.describeConfigs(List.of(resource)).all().get().get(resource);
  }

  private static Map<String, ConfigEntry> named(Config config) {
    Map<String, ConfigEntry> entries = new TreeMap<>();
    for (ConfigEntry entry : config.entries()) entries.put(entry.name(), entry);
    return entries;
  }

  private static void printEntry(Admin admin, ConfigResource resource, String name) {
    print(resource.type() + " " + name, () -> {
      ConfigEntry entry = config(admin, resource).get(name);
      return entry.value() + " " + entry.source() + " " + entry.type() + (entry.isReadOnly() ? " read-only" : "")
          + (entry.isSensitive() ? " sensitive" : "");
    });
  }

  private static void alter(Admin admin, ConfigResource resource, String name, ConfigEntry entry,
      AlterConfigOp.OpType type) {
    Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(entry, type));
    print(name, () -> admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get());
  }

  private static void print(String name, Object value) {
    System.out.println(name + "\t" + value);
  }

  private static void print(String name, Callable<?> call) {
    try {
      Object value = call.call();
      System.out.println(name + "\t" + (value == null ? "done" : value));
    } catch (ExecutionException failure) {
      System.out.println(name + "\t" + failure.getCause().getClass().getSimpleName());
    } catch (Exception failure) {
      System.out.println(name + "\t" + failure);
    }
  }
}
