// Drives franz-go against a broker: "ok NAME" for each step, exit code 1 with the reason on a failure.
// Argument: bootstrap address.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic      = "franz"
	group      = "franz-group"
	partitions = 3
	perCodec   = 150
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bootstrap string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	steps := []struct {
		name string
		call func() error
	}{
		{"topics", func() error { return topics(ctx, admin) }},
		{"every codec", func() error { return produce(ctx, bootstrap) }},
		{"consumer group", func() error { return consume(ctx, bootstrap) }},
		{"group administration", func() error { return groups(ctx, admin) }},
		{"offsets", func() error { return offsets(ctx, admin) }},
		{"deletion", func() error { return deletion(ctx, admin) }},
	}
	for _, step := range steps {
		if err := step.call(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Println("ok", step.name)
	}
	return nil
}

func topics(ctx context.Context, admin *kadm.Client) error {
	retention := "123456"
	if _, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, topic); err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("second creation: %v", err)
	}
	if _, err := admin.UpdatePartitions(ctx, partitions, topic); err != nil {
		return err
	}
	if err := eventually(func() (bool, error) {
		details, err := admin.ListTopics(ctx, topic)
		return err == nil && len(details[topic].Partitions) == partitions, err
	}); err != nil {
		return err
	}
	changed := "777"
	alter := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &changed}}
	if _, err := admin.AlterTopicConfigs(ctx, alter, topic); err != nil {
		return err
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	resource, err := configs.On(topic, nil)
	if err != nil {
		return err
	}
	for _, config := range resource.Configs {
		if config.Key == "retention.ms" && config.MaybeValue() != changed {
			return fmt.Errorf("retention.ms is %s", config.MaybeValue())
		}
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if len(metadata.Brokers) != 1 {
		return fmt.Errorf("%d brokers", len(metadata.Brokers))
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return err
	}
	if dirs[1].Error() != nil {
		return dirs[1].Error()
	}
	return nil
}

func produce(ctx context.Context, bootstrap string) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		client, err := kgo.NewClient(
			kgo.SeedBrokers(bootstrap),
			kgo.ProducerBatchCompression(codec),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
		)
		if err != nil {
			return err
		}
		records := make([]*kgo.Record, 0, perCodec)
		for i := range perCodec {
			records = append(records, &kgo.Record{
				Topic: topic, Partition: int32(i % partitions),
				Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "%s-%d", name, i),
				Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}},
			})
		}
		err = client.ProduceSync(ctx, records...).FirstErr()
		client.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func consume(ctx context.Context, bootstrap string) error {
	const total = 5 * perCodec
	seen := make(map[string]bool)
	next := make(map[int32]int64)
	for life := range 2 {
		client, err := kgo.NewClient(
			kgo.SeedBrokers(bootstrap),
			kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.DisableAutoCommit(),
		)
		if err != nil {
			return err
		}
		wanted := total
		if life == 0 {
			wanted = total / 2
		}
		for len(seen) < wanted {
			fetches := client.PollRecords(ctx, wanted-len(seen))
			if err := fetches.Err(); err != nil {
				return err
			}
			var failure error
			fetches.EachRecord(func(record *kgo.Record) {
				if record.Offset != next[record.Partition] {
					failure = fmt.Errorf("partition %d: offset %d after %d", record.Partition, record.Offset,
						next[record.Partition])
				}
				next[record.Partition] = record.Offset + 1
				seen[string(record.Value)] = true
			})
			if failure != nil {
				return failure
			}
			if err := client.CommitUncommittedOffsets(ctx); err != nil {
				return err
			}
		}
		client.Close()
	}
	if len(seen) != total {
		return fmt.Errorf("read %d of %d records", len(seen), total)
	}
	return nil
}

func groups(ctx context.Context, admin *kadm.Client) error {
	listed, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if _, ok := listed[group]; !ok {
		return errors.New("the group is not listed")
	}
	if err := eventually(func() (bool, error) {
		described, err := admin.DescribeGroups(ctx, group)
		return err == nil && described[group].State == "Empty", err
	}); err != nil {
		return err
	}
	lags, err := admin.Lag(ctx, group)
	if err != nil {
		return err
	}
	if lag := lags[group].Lag.Total(); lag != 0 {
		return fmt.Errorf("lag %d", lag)
	}
	var changed kadm.Offsets
	changed.AddOffset(topic, 0, 5, -1)
	if err := admin.CommitAllOffsets(ctx, group, changed); err != nil {
		return err
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	if offset, ok := fetched.Lookup(topic, 0); !ok || offset.At != 5 {
		return fmt.Errorf("committed offset %v", offset)
	}
	_, err = admin.DeleteGroup(ctx, group)
	return err
}

func offsets(ctx context.Context, admin *kadm.Client) error {
	start, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	end, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	after, err := admin.ListOffsetsAfterMilli(ctx, 1, topic)
	if err != nil {
		return err
	}
	for partition := range int32(partitions) {
		first, _ := start.Lookup(topic, partition)
		last, _ := end.Lookup(topic, partition)
		byTime, _ := after.Lookup(topic, partition)
		if first.Offset != 0 || last.Offset != 5*perCodec/partitions || byTime.Offset != 0 {
			return fmt.Errorf("partition %d: %d, %d, %d", partition, first.Offset, last.Offset, byTime.Offset)
		}
	}
	return nil
}

func deletion(ctx context.Context, admin *kadm.Client) error {
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	return eventually(func() (bool, error) {
		details, err := admin.ListTopics(ctx)
		return err == nil && !details.Has(topic), err
	})
}

func eventually(done func() (bool, error)) error {
	var last error
	for range 100 {
		ok, err := done()
		if ok {
			return nil
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("did not happen within 10 s: %v", last)
}
