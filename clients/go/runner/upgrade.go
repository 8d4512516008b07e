// Calls to a list of replicas that are replaced by another version, one after the other.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health" // Clients may watch the health of replicas.
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

const (
	callersOfKind     = 16
	pauseOfCaller     = 40 * time.Millisecond
	pollOfHealth      = time.Second
	timeoutOfQuestion = 10 * time.Second
	upgradeInboxes    = 39 // Of account 1, with the ids from 1 on.
	upgradePageSize   = 15
	upgradeToBeReady  = 100 // Calls of each kind of client.
)

// Both are round-robin without a retry policy. The first chooses replicas by their health.
const (
	watchesHealth = `{"loadBalancingConfig": [{"round_robin": {}}],
		"healthCheckConfig": {"serviceName": "leadchat.inbox.v1.InboxService"}}`
	onlyLists = `{"loadBalancingConfig": [{"round_robin": {}}]}`
)

// kindsOfClient are tried side by side. The first is the client as it is published. The last does as
// a load balancer does: it polls the health, and connects for each call.
var kindsOfClient = []struct{ name, serviceConfig string }{
	{"client with retries", ""},
	{"health watched, no retries", watchesHealth},
	{"neither", onlyLists},
	{"health polled, no retries", onlyLists},
}

const balancerKind = 3

// kindCounts says what calls of a kind of client came to within a phase.
type kindCounts struct {
	Kind   string `json:"kind"`
	Calls  int    `json:"calls"`
	Failed int    `json:"failed"`
	// Attempts beyond the first: by the retry policy, and by the library before a replica has
	// taken the call.
	Retried     int      `json:"retried"`
	Transparent int      `json:"transparent"`
	P50         float64  `json:"p50_ms"`
	P99         float64  `json:"p99_ms"`
	Max         float64  `json:"max_ms"`
	Problems    []string `json:"problems"`
	latencies   []time.Duration
}

// counter counts for one kind of client. It is a handler of gRPC's statistics, too.
type counter struct {
	lock sync.Mutex
	all  int
	now  kindCounts
}

func (c *counter) record(err error, took time.Duration) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.all++
	c.now.Calls++
	c.now.latencies = append(c.now.latencies, took)
	if err != nil {
		c.now.Failed++
		if len(c.now.Problems) < mostProblems {
			c.now.Problems = append(c.now.Problems, err.Error())
		}
	}
}

// take returns the counts of the phase that ends.
func (c *counter) take(kind string) kindCounts {
	c.lock.Lock()
	defer c.lock.Unlock()
	ended := c.now
	c.now = kindCounts{}
	ended.Kind = kind
	slices.Sort(ended.latencies)
	at := func(percent int) float64 {
		if len(ended.latencies) == 0 {
			return 0
		}
		latency := ended.latencies[(len(ended.latencies)-1)*percent/100]
		return float64(latency.Microseconds()) / 1000
	}
	ended.P50, ended.P99, ended.Max = at(50), at(99), at(100)
	return ended
}

// attempts is in the context of a call.
type attempts struct{ count int }

type attemptsKey struct{}

func (c *counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *counter) HandleRPC(ctx context.Context, event stats.RPCStats) {
	begin, ok := event.(*stats.Begin)
	of, isCall := ctx.Value(attemptsKey{}).(*attempts)
	if !ok || !isCall {
		return
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	of.count++
	switch {
	case begin.IsTransparentRetryAttempt:
		c.now.Transparent++
	case of.count > 1:
		c.now.Retried++
	}
}

func (c *counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (c *counter) HandleConn(context.Context, stats.ConnStats) {}

// upgradeCaller makes calls of all kinds, and checks their answers.
type upgradeCaller struct {
	connect func() (client *inbox.Client, release func(), err error)
	counter *counter
}

// question is a call, whose answer should have so many inboxes.
type question func(context.Context, *inbox.Client) (got, want int, err error)

// call makes a call, and counts it.
func (c *upgradeCaller) call(ask question) {
	ctx, cancel := context.WithTimeout(context.Background(), timeoutOfQuestion)
	defer cancel()
	began := time.Now()
	client, release, err := c.connect()
	if err == nil {
		defer release()
		var got, want int
		got, want, err = ask(context.WithValue(ctx, attemptsKey{}, &attempts{}), client)
		if err == nil && got != want {
			err = fmt.Errorf("%d inboxes in the place of %d", got, want)
		}
	}
	c.counter.record(err, time.Since(began))
	time.Sleep(pauseOfCaller)
}

func (c *upgradeCaller) round(number int) {
	id, account := int64(number%upgradeInboxes+1), int64(1)
	c.call(func(ctx context.Context, client *inbox.Client) (int, int, error) {
		answer, err := client.Get(ctx,
			&inboxpb.GetInboxRequest{AccountId: 1, InboxId: id, Viewer: user(1)})
		return int(answer.GetInbox().GetId()), int(id), err
	})
	c.call(func(ctx context.Context, client *inbox.Client) (int, int, error) {
		ids := []int64{id, id%upgradeInboxes + 1}
		answer, err := client.Batch(ctx,
			&inboxpb.BatchGetInboxesRequest{AccountId: 1, InboxIds: ids, Viewer: user(2)})
		return len(answer.GetInboxes()), len(ids), err
	})
	c.call(func(ctx context.Context, client *inbox.Client) (int, int, error) {
		answer, err := client.Find(ctx, &inboxpb.FindInboxesRequest{AccountId: &account, Viewer: user(1),
			Key: &inboxpb.FindInboxesRequest_FacebookPageId{FacebookPageId: "p1"}})
		return len(answer.GetInboxes()), 1, err
	})
	// Round-robin gives each page to another replica, which continues with the token of the first.
	request := &inboxpb.ListInboxesRequest{AccountId: 1, Viewer: user(1), PageSize: upgradePageSize}
	for rest := upgradeInboxes; rest > 0; rest -= upgradePageSize {
		failed := false
		c.call(func(ctx context.Context, client *inbox.Client) (int, int, error) {
			page, err := client.List(ctx, request)
			failed = err != nil
			request.PageToken = page.GetNextPageToken()
			return len(page.GetInboxes()), min(rest, upgradePageSize), err
		})
		if failed {
			return
		}
	}
}

// balancer gives each connection to the next replica that was healthy at the last poll.
type balancer struct {
	replicas []string
	lock     sync.Mutex
	healthy  []string
	next     int
}

// poll asks for the health once, and then regularly until the end.
func (b *balancer) poll(ended <-chan struct{}) error {
	var clients []*inbox.Client
	for _, replica := range b.replicas {
		client, err := inbox.New(inbox.Config{Addresses: []string{replica}})
		if err != nil {
			return err
		}
		clients = append(clients, client)
	}
	once := func() {
		var healthy []string
		for index, client := range clients {
			ctx, cancel := context.WithTimeout(context.Background(), pollOfHealth)
			// An address that was closed a moment ago is dialled at once.
			client.Conn().ResetConnectBackoff()
			answer, err := grpc_health_v1.NewHealthClient(client.Conn()).Check(ctx,
				&grpc_health_v1.HealthCheckRequest{})
			cancel()
			if err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING {
				healthy = append(healthy, b.replicas[index])
			}
		}
		b.lock.Lock()
		defer b.lock.Unlock()
		b.healthy = healthy
	}
	once()
	go func() {
		polls := time.NewTicker(pollOfHealth)
		defer polls.Stop()
		for {
			select {
			case <-polls.C:
				once()
			case <-ended:
				return
			}
		}
	}()
	return nil
}

func (b *balancer) connect(options []grpc.DialOption) (*inbox.Client, func(), error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	if len(b.healthy) == 0 {
		return nil, nil, errors.New("no replica is healthy")
	}
	b.next++
	replica := b.healthy[b.next%len(b.healthy)]
	client, err := inbox.New(inbox.Config{Addresses: []string{replica}, DialOptions: options})
	if err != nil {
		return nil, nil, err
	}
	return client, func() { client.Close() }, nil
}

// runUpgrade calls until standard input ends. Each line of it begins a phase of that name, and the
// counts of the phase before are printed.
func runUpgrade(at *servers) error {
	counters := make([]*counter, len(kindsOfClient))
	ended := make(chan struct{})
	var callers sync.WaitGroup
	for index, kind := range kindsOfClient {
		counters[index] = &counter{}
		options := []grpc.DialOption{grpc.WithStatsHandler(counters[index])}
		if kind.serviceConfig != "" {
			options = append(options,
				grpc.WithDefaultServiceConfig(kind.serviceConfig), grpc.WithDisableRetry())
		}
		client, err := inbox.New(inbox.Config{Addresses: at.Replicas, DialOptions: options})
		if err != nil {
			return err
		}
		defer client.Close()
		connect := func() (*inbox.Client, func(), error) { return client, func() {}, nil }
		if index == balancerKind {
			healthy := &balancer{replicas: at.Replicas}
			if err := healthy.poll(ended); err != nil {
				return err
			}
			connect = func() (*inbox.Client, func(), error) { return healthy.connect(options) }
		}
		for caller := range callersOfKind {
			callers.Go(func() {
				of := upgradeCaller{connect, counters[index]}
				for number := caller; ; number++ {
					select {
					case <-ended:
						return
					default:
						of.round(number)
					}
				}
			})
		}
	}
	for _, counter := range counters {
		counter.waitFor(upgradeToBeReady)
	}
	printJSON(map[string]bool{"ready": true})
	phase := "start"
	lines := bufio.NewScanner(os.Stdin)
	end := func() {
		counts := []kindCounts{}
		for index, kind := range kindsOfClient {
			counts = append(counts, counters[index].take(kind.name))
		}
		printJSON(map[string]any{"phase": phase, "kinds": counts})
	}
	for lines.Scan() {
		end()
		phase = strings.TrimSpace(lines.Text())
	}
	close(ended)
	callers.Wait()
	end()
	return lines.Err()
}

func (c *counter) waitFor(calls int) {
	for {
		c.lock.Lock()
		done := c.all >= calls
		c.lock.Unlock()
		if done {
			return
		}
		time.Sleep(pauseOfCaller)
	}
}
