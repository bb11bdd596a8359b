// Drives an idempotent franz-go producer of the numbers 0, 1, 2, ... and a group consumer that reads them back, until
// told to stop. Number n goes to partition n % partitions with the key "k" + n % (4 * partitions). A line "drain" on
// standard input ends the producer, the end of standard input the consumer. Prints, with tabs between:
//
//	acked PARTITION OFFSET NUMBER | failed NUMBER REASON | sent COUNT
//	read PARTITION OFFSET NUMBER | committed PARTITION OFFSET | note TEXT
//
// Arguments: bootstrap topic partitions recordsPerSecond group
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const inFlight = 2000

var output sync.Mutex

func say(parts ...any) {
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = fmt.Sprint(part)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(strings.Join(words, "\t"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	partitions, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail(err)
	}
	perSecond, err := strconv.Atoi(os.Args[4])
	if err != nil {
		fail(err)
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RequestTimeoutOverhead(3 * time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}
	draining, drain := context.WithCancel(context.Background())
	stopping, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Add(2)
	go func() {
		defer running.Done()
		produce(draining, options, os.Args[2], partitions, perSecond)
	}()
	go func() {
		defer running.Done()
		consume(stopping, options, os.Args[2], os.Args[5])
	}()
	input := bufio.NewReader(os.Stdin)
	if _, err := input.ReadString('\n'); err == nil {
		drain()
		for err == nil {
			_, err = input.ReadString('\n')
		}
	}
	drain()
	stop()
	running.Wait()
}

func produce(draining context.Context, options []kgo.Opt, topic string, partitions, perSecond int) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(2 * time.Millisecond),
		kgo.MaxBufferedRecords(inFlight),
		kgo.RecordDeliveryTimeout(120 * time.Second),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProduceRequestTimeout(2 * time.Second),
	}, options...)...)
	if err != nil {
		fail(err)
	}
	defer client.Close()
	startedAt := time.Now()
	count := 0
	for draining.Err() == nil {
		number := count
		count++
		record := &kgo.Record{
			Topic: topic, Partition: int32(number % partitions),
			Key: fmt.Appendf(nil, "k%d", number%(4*partitions)), Value: fmt.Appendf(nil, "%d", number),
		}
		client.Produce(context.Background(), record, func(record *kgo.Record, err error) {
			if err != nil {
				say("failed", number, err)
			} else {
				say("acked", record.Partition, record.Offset, number)
			}
		})
		due := startedAt.Add(time.Duration(count) * time.Second / time.Duration(perSecond))
		if ahead := time.Until(due); ahead > 2*time.Millisecond {
			time.Sleep(ahead)
		}
	}
	if err := client.Flush(context.Background()); err != nil {
		fail(err)
	}
	say("sent", count)
}

func consume(stopping context.Context, options []kgo.Opt, topic, group string) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	}, options...)...)
	if err != nil {
		fail(err)
	}
	defer client.Close()
	commitAt := time.Now()
	for stopping.Err() == nil {
		turn, cancel := context.WithTimeout(stopping, 100*time.Millisecond)
		fetches := client.PollFetches(turn)
		cancel()
		fetches.EachRecord(func(record *kgo.Record) {
			say("read", record.Partition, record.Offset, string(record.Value))
		})
		if time.Since(commitAt) > 250*time.Millisecond {
			commitAt = time.Now()
			commit(client)
		}
	}
	commit(client)
}

func commit(client *kgo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	offsets := client.UncommittedOffsets()
	client.CommitOffsetsSync(ctx, offsets,
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				say("note", "consumer: ", err)
				return
			}
			for _, topic := range response.Topics {
				for _, partition := range topic.Partitions {
					if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
						say("note", "consumer: ", err)
						continue
					}
					say("committed", partition.Partition, offsets[topic.Topic][partition.Partition].Offset)
				}
			}
		})
}
