// Drives franz-go's transactions: "ok NAME" for each step, exit code 1 with the reason on a failure. At a line
// "pause TAB step" it is in the middle of a transaction and waits for a line on standard input.
// Argument: bootstrap address.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	source       = "franz-transactions"
	copies       = "franz-copies"
	group        = "franz-transactions-group"
	partitions   = 6
	records      = 100
	transactions = 4
)

var input = bufio.NewReader(os.Stdin)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bootstrap string) error {
	// One for the topics and one for what follows the crash: kadm does not send again what was sent on a connection that
	// turns out to be dead.
	creating, err := kadm.NewOptClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	_, err = creating.CreateTopics(ctx, partitions, 1, nil, source, copies)
	creating.Close()
	if err != nil {
		return err
	}
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer admin.Close()
	steps := []struct {
		name string
		call func() error
	}{
		{"transactions", func() error { return write(ctx, bootstrap) }},
		{"group sessions", func() error { return copyInSessions(ctx, bootstrap, admin) }},
		{"fencing", func() error { return fence(ctx, bootstrap) }},
		{"timeout", func() error { return outlive(ctx, bootstrap, admin) }},
		{"both isolation levels", func() error { return readEverything(ctx, bootstrap, admin) }},
	}
	for _, step := range steps {
		if err := step.call(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Println("ok", step.name)
	}
	return nil
}

func pause(step string) error {
	fmt.Printf("pause\t%s\n", step)
	_, err := input.ReadString('\n')
	return err
}

func producer(bootstrap, name string, timeout time.Duration) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.TransactionalID("franz-"+name),
		kgo.TransactionTimeout(timeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
}

// A producer for a transactional id that another has. While the other's transaction is being aborted the answer is
// CONCURRENT_TRANSACTIONS, which franz-go leaves to its caller.
func successor(ctx context.Context, bootstrap, name string) (*kgo.Client, error) {
	var client *kgo.Client
	err := eventually(func() (bool, error) {
		made, err := producer(bootstrap, name, time.Minute)
		if err != nil {
			return false, err
		}
		if _, _, err := made.ProducerID(ctx); err != nil {
			made.Close()
			return false, err
		}
		client = made
		return true, nil
	})
	return client, err
}

func batch(label string, from, to int) []*kgo.Record {
	var made []*kgo.Record
	for _, value := range values(label, to)[from:] {
		partition := int32((from + len(made)) % partitions)
		made = append(made, &kgo.Record{Topic: source, Partition: partition, Value: []byte(value)})
	}
	return made
}

func values(label string, count int) []string {
	var made []string
	for i := range count {
		made = append(made, fmt.Sprintf("%s-%d", label, i))
	}
	return made
}

func write(ctx context.Context, bootstrap string) error {
	client, err := producer(bootstrap, "writer", time.Minute)
	if err != nil {
		return err
	}
	defer client.Close()
	for n := range transactions {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		label := fmt.Sprintf("write-%d", n)
		if err := client.ProduceSync(ctx, batch(label, 0, records/2)...).FirstErr(); err != nil {
			return err
		}
		if n == transactions-2 {
			if err := pause("write"); err != nil {
				return err
			}
		}
		if err := client.ProduceSync(ctx, batch(label, records/2, records)...).FirstErr(); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(n%2 == 0)); err != nil {
			return err
		}
	}
	return nil
}

// Two sessions share the group and come at the same time, so that partitions move between transactions. Each aborts
// its second transaction.
func copyInSessions(ctx context.Context, bootstrap string, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	const members = 2
	copied := make(chan int, members)
	ended := make(chan error, members)
	working, stop := context.WithCancel(ctx)
	defer stop()
	for member := range members {
		go func() { ended <- copyAsMember(ctx, working, bootstrap, member, copied) }()
	}
	for wanted := transactions / 2 * records; wanted > 0; {
		select {
		case count := <-copied:
			wanted -= count
		case err := <-ended:
			return fmt.Errorf("a member has ended early: %w", err)
		}
	}
	stop()
	for range members {
		if err := <-ended; err != nil {
			return fmt.Errorf("a member at its end: %w", err)
		}
	}
	return expectOffsets(ctx, bootstrap, admin)
}

func copyAsMember(ctx, working context.Context, bootstrap string, member int, copied chan<- int) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(bootstrap),
		kgo.TransactionalID(fmt.Sprintf("franz-copier-%d", member)),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RequireStableFetchOffsets(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	for turn := 0; working.Err() == nil; {
		fetches := session.PollRecords(working, 20)
		if working.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		commit := turn != 1
		label := "kept"
		if !commit {
			label = "dropped"
		}
		if err := session.Begin(); err != nil {
			return err
		}
		var made []*kgo.Record
		fetches.EachRecord(func(record *kgo.Record) {
			value := fmt.Appendf(nil, "%s-%s", label, record.Value)
			made = append(made, &kgo.Record{Topic: copies, Partition: record.Partition, Value: value})
		})
		if err := session.ProduceSync(ctx, made...).FirstErr(); err != nil {
			return err
		}
		// A rebalance makes a commit an abort, and what was read is then read again.
		committed, err := session.End(ctx, kgo.TransactionEndTry(commit))
		if err != nil {
			return err
		}
		if committed {
			copied <- len(made)
		}
		turn++
	}
	return nil
}

// The group's offset of each partition is right behind the last record of the second committed transaction.
func expectOffsets(ctx context.Context, bootstrap string, admin *kadm.Client) error {
	committed, err := read(ctx, bootstrap, admin, source, kgo.ReadCommitted())
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	fetched, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return fmt.Errorf("fetching offsets: %w", err)
	}
	for partition := range int32(partitions) {
		offset, _ := fetched.Lookup(source, partition)
		last := committed[partition][len(committed[partition])-1]
		if offset.At != last.Offset+1 {
			return fmt.Errorf("offset %d of partition %d, whose last record is %d", offset.At, partition, last.Offset)
		}
	}
	return nil
}

func fence(ctx context.Context, bootstrap string) error {
	first, err := producer(bootstrap, "fenced", time.Minute)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.BeginTransaction(); err != nil {
		return err
	}
	if err := first.ProduceSync(ctx, batch("fenced", 0, partitions)...).FirstErr(); err != nil {
		return err
	}
	second, err := successor(ctx, bootstrap, "fenced")
	if err != nil {
		return err
	}
	defer second.Close()
	if err := second.BeginTransaction(); err != nil {
		return err
	}
	if err := second.ProduceSync(ctx, batch("fencing", 0, partitions)...).FirstErr(); err != nil {
		return err
	}
	if err := second.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if err := first.EndTransaction(ctx, kgo.TryCommit); !errors.Is(err, kerr.ProducerFenced) {
		return fmt.Errorf("the commit of the fenced producer: %v", err)
	}
	return nil
}

func outlive(ctx context.Context, bootstrap string, admin *kadm.Client) error {
	slow, err := producer(bootstrap, "slow", time.Second)
	if err != nil {
		return err
	}
	defer slow.Close()
	if err := slow.BeginTransaction(); err != nil {
		return err
	}
	if err := slow.ProduceSync(ctx, batch("slow", 0, partitions)...).FirstErr(); err != nil {
		return err
	}
	// Readers of committed records get to the end once the coordinator has aborted it.
	if err := eventually(func() (bool, error) {
		committed, err := admin.ListCommittedOffsets(ctx, source)
		if err != nil {
			return false, err
		}
		ends, err := admin.ListEndOffsets(ctx, source)
		same := true
		ends.Each(func(end kadm.ListedOffset) {
			stable, _ := committed.Lookup(source, end.Partition)
			same = same && stable.Offset == end.Offset
		})
		return same, err
	}); err != nil {
		return err
	}
	if err := slow.EndTransaction(ctx, kgo.TryCommit); err == nil {
		return errors.New("a transaction was committed after its timeout")
	}
	next, err := successor(ctx, bootstrap, "slow")
	if err != nil {
		return err
	}
	defer next.Close()
	if err := next.BeginTransaction(); err != nil {
		return err
	}
	if err := next.ProduceSync(ctx, batch("next", 0, partitions)...).FirstErr(); err != nil {
		return err
	}
	return next.EndTransaction(ctx, kgo.TryCommit)
}

func readEverything(ctx context.Context, bootstrap string, admin *kadm.Client) error {
	kept := append(values("write-0", records), values("write-2", records)...)
	kept = append(kept, append(values("fencing", partitions), values("next", partitions)...)...)
	dropped := append(values("write-1", records), values("write-3", records)...)
	dropped = append(dropped, append(values("fenced", partitions), values("slow", partitions)...)...)
	committed, err := read(ctx, bootstrap, admin, source, kgo.ReadCommitted())
	if err != nil {
		return err
	}
	if err := sameValues(committed, kept); err != nil {
		return fmt.Errorf("committed records: %w", err)
	}
	all, err := read(ctx, bootstrap, admin, source, kgo.ReadUncommitted())
	if err != nil {
		return err
	}
	if err := sameValues(all, append(kept, dropped...)); err != nil {
		return fmt.Errorf("all records: %w", err)
	}
	copied, err := read(ctx, bootstrap, admin, copies, kgo.ReadCommitted())
	if err != nil {
		return err
	}
	for partition := range int32(partitions) {
		var wanted []string
		for _, record := range committed[partition] {
			if strings.HasPrefix(string(record.Value), "write-") {
				wanted = append(wanted, "kept-"+string(record.Value))
			}
		}
		var found []string
		for _, record := range copied[partition] {
			found = append(found, string(record.Value))
		}
		if !slices.Equal(found, wanted) {
			return fmt.Errorf("copies in partition %d: %v, not %v", partition, found, wanted)
		}
	}
	return nil
}

func sameValues(found map[int32][]*kgo.Record, wanted []string) error {
	var sorted []string
	for _, list := range found {
		for _, record := range list {
			sorted = append(sorted, string(record.Value))
		}
	}
	slices.Sort(sorted)
	wanted = slices.Clone(wanted)
	slices.Sort(wanted)
	if !slices.Equal(sorted, wanted) {
		return fmt.Errorf("%d records instead of %d, or others", len(sorted), len(wanted))
	}
	return nil
}

// Reads each partition to its last stable offset of this moment. No transaction is open, so the last record before it
// is a marker, and the reader keeps markers.
func read(ctx context.Context, bootstrap string, admin *kadm.Client, topic string,
	isolation kgo.IsolationLevel) (map[int32][]*kgo.Record, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	next := make(map[int32]int64)
	read := make(map[int32][]*kgo.Record)
	reached := func() bool {
		complete := true
		ends.Each(func(end kadm.ListedOffset) { complete = complete && next[end.Partition] >= end.Offset })
		return complete
	}
	for !reached() {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			next[record.Partition] = record.Offset + 1
			if !record.Attrs.IsControl() {
				read[record.Partition] = append(read[record.Partition], record)
			}
		})
	}
	return read, nil
}

func eventually(done func() (bool, error)) error {
	var last error
	for range 300 {
		ok, err := done()
		if ok {
			return nil
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("did not happen within 30 s: %v", last)
}
