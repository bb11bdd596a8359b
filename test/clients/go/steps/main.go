// A transactional producer of franz-go that is told each of its steps. A line of standard input is a step and its
// arguments, with tabs between:
// open TRANSACTIONAL_ID: a new client in the place of the one before, with a producer id
// begin, commit, abort
// send TOPIC PARTITION VALUE: returns when the record is acknowledged
// Each is answered by the line "done STEP" or "failed STEP ERROR". Ends with standard input.
// Arguments: bootstrap clientId
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

var client *kgo.Client

func main() {
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		words := strings.Split(input.Text(), "\t")
		if err := step(words); err != nil {
			fmt.Printf("failed\t%s\t%v\n", words[0], err)
		} else {
			fmt.Printf("done\t%s\n", words[0])
		}
	}
}

func step(words []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch words[0] {
	case "open":
		if client != nil {
			client.Close()
		}
		made, err := kgo.NewClient(
			kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
			kgo.ClientID(os.Args[2]),
			kgo.TransactionalID(words[1]),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
		)
		if err != nil {
			return err
		}
		client = made
		_, _, err = client.ProducerID(ctx)
		return err
	case "begin":
		return client.BeginTransaction()
	case "send":
		partition, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		record := &kgo.Record{Topic: words[1], Partition: int32(partition), Value: []byte(words[3])}
		return client.ProduceSync(ctx, record).FirstErr()
	case "commit":
		return client.EndTransaction(ctx, kgo.TryCommit)
	case "abort":
		return client.EndTransaction(ctx, kgo.TryAbort)
	}
	return fmt.Errorf("there is no step %s", words[0])
}
