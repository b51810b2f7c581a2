// RocketMQ's own Go client against a name server and a broker: client-test -namesrv HOST:PORT -broker HOST:PORT
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const patience = 30 * time.Second

var (
	namesrv  = flag.String("namesrv", "", "HOST:PORT of the name server")
	broker   = flag.String("broker", "", "HOST:PORT of the broker")
	failures = 0
)

func resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{*namesrv})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func check(good bool, format string, values ...interface{}) {
	if !good {
		panic(fmt.Errorf(format, values...))
	}
}

func createTopic(name string, queues int) {
	a, err := admin.NewAdmin(admin.WithResolver(resolver()))
	must(err)
	defer a.Close()
	must(a.CreateTopic(context.Background(), admin.WithTopicCreate(name), admin.WithBrokerAddrCreate(*broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)))
}

func startProducer(group string) rocketmq.Producer {
	p, err := rocketmq.NewProducer(producer.WithNsResolver(resolver()), producer.WithGroupName(group),
		producer.WithInstanceName(group), producer.WithRetry(2), producer.WithSendMsgTimeout(10*time.Second))
	must(err)
	must(p.Start())
	return p
}

// Consumes a topic until so many messages came, and a moment longer; the bodies in the order they came, by queue.
func consumeAll(group, topic, tags string, orderly bool, count int) map[int][]string {
	var lock sync.Mutex
	got := map[int][]string{}
	total := 0
	c, err := rocketmq.NewPushConsumer(consumer.WithNsResolver(resolver()), consumer.WithGroupName(group),
		consumer.WithInstance(group), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumerOrder(orderly))
	must(err)
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: tags}
	must(c.Subscribe(topic, selector, func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		lock.Lock()
		defer lock.Unlock()
		for _, m := range messages {
			got[m.Queue.QueueId] = append(got[m.Queue.QueueId], string(m.Body))
			total++
		}
		return consumer.ConsumeSuccess, nil
	}))
	must(c.Start())
	defer c.Shutdown()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		lock.Lock()
		enough := total >= count
		lock.Unlock()
		if enough {
			break
		}
	}
	time.Sleep(200 * time.Millisecond)
	lock.Lock()
	defer lock.Unlock()
	check(total == count, "%d messages came, not %d", total, count)
	return got
}

func send(p rocketmq.Producer, m *primitive.Message) *primitive.SendResult {
	r, err := p.SendSync(context.Background(), m)
	must(err)
	check(r.Status == primitive.SendOK, "sent: %v", r)
	return r
}

func sendAndConsume() {
	createTopic("go_plain", 4)
	p := startProducer("go_plain_p")
	defer p.Shutdown()
	for i := 0; i < 50; i++ {
		send(p, primitive.NewMessage("go_plain", []byte(strconv.Itoa(i))))
	}
	seen := map[string]bool{}
	for _, queue := range consumeAll("go_plain_g", "go_plain", "*", false, 50) {
		for _, body := range queue {
			seen[body] = true
		}
	}
	check(len(seen) == 50, "%d different bodies", len(seen))
}

func tags() {
	createTopic("go_tags", 1)
	p := startProducer("go_tags_p")
	defer p.Shutdown()
	for i := 0; i < 20; i++ {
		send(p, primitive.NewMessage("go_tags", []byte("x")).WithTag([]string{"a", "b"}[i%2]))
	}
	consumeAll("go_tags_g", "go_tags", "a", false, 10)
}

func ordered() {
	createTopic("go_ordered", 1)
	p := startProducer("go_ordered_p")
	defer p.Shutdown()
	for i := 0; i < 20; i++ {
		send(p, primitive.NewMessage("go_ordered", []byte(strconv.Itoa(i))))
	}
	queue := consumeAll("go_ordered_g", "go_ordered", "*", true, 20)[0]
	for i, body := range queue {
		check(body == strconv.Itoa(i), "out of order: %v", queue)
	}
}

func delayed() {
	createTopic("go_delayed", 1)
	p := startProducer("go_delayed_p")
	defer p.Shutdown()
	start := time.Now()
	send(p, primitive.NewMessage("go_delayed", []byte("later")).WithDelayTimeLevel(1))
	consumeAll("go_delayed_g", "go_delayed", "*", false, 1)
	check(time.Since(start) > 900*time.Millisecond, "delivered after %v", time.Since(start))
}

func run(name string, body func()) {
	defer func() {
		if fault := recover(); fault != nil {
			failures++
			fmt.Printf("FAIL go %s: %v\n", name, fault)
			return
		}
		fmt.Printf("PASS go %s\n", name)
	}()
	body()
}

func main() {
	flag.Parse()
	rlog.SetLogLevel("fatal")
	run("send and consume", sendAndConsume)
	run("tags", tags)
	run("ordered", ordered)
	run("delayed", delayed)
	if failures > 0 {
		os.Exit(1)
	}
}
