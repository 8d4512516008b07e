// Package inbox is a client of leadchat-inbox, the service of leadchat's inboxes.
//
// The messages are those of the contract, in the package inboxpb. A [Client] adds addresses,
// credentials, a deadline, retries, typed errors, an iterator of pages, watches, and a [Cache] that
// a watch keeps. It is safe for concurrent use, and one client of a process is enough.
package inbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/local"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"leadchat.internal/inbox-go/inboxpb"
)

// DefaultTimeout is the time of a call whose context has no deadline.
const DefaultTimeout = 5 * time.Second

// Every RPC only reads, so every call may be retried. RESOURCE_EXHAUSTED is not retried, since a
// request that is too large has that code too. A watch has its own way to go on.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [{"service": "leadchat.inbox.v1.InboxService"}],
		"retryPolicy": {
			"maxAttempts": 3,
			"initialBackoff": "1s",
			"maxBackoff": "10s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}, {
		"name": [{"service": "leadchat.inbox.v1.InboxService", "method": "WatchInboxes"}]
	}]
}`

// Pings find connections that are broken. A connection without a call has none.
var pings = keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}

// connecting is gRPC's default, but for the longest delay, which is 10 s instead of 120 s.
func connecting() grpc.ConnectParams {
	params := grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: 20 * time.Second}
	params.Backoff.MaxDelay = maxBackoff
	return params
}

// Config says where the service is, and what proves the caller. Only Addresses is required.
type Config struct {
	// One "host:port", several of them (replicas), or one "unix:/path". Calls go round-robin to all
	// addresses; one host name stands for all addresses that it has in DNS.
	Addresses []string
	// TLS is for all addresses; [LoadTLS] makes it from files. Plaintext is for loopback addresses
	// and Unix sockets only. The certificate of each replica has to be for its own host, unless
	// ServerName is set.
	TLS *tls.Config
	// Token is the caller's token.
	Token TokenSource
	// Timeout is for calls whose context has no deadline. 0 is [DefaultTimeout]; below 0 is none. It
	// is not for watches.
	Timeout time.Duration
	// MaxResponseBytes is the largest response. 0 is gRPC's own limit, 4 MiB.
	MaxResponseBytes int
	// DialOptions come after the options of the client, such as interceptors for metrics. Within
	// an interceptor, an error is that of gRPC.
	DialOptions []grpc.DialOption
}

// Client calls the service. Errors are of the type [*Error]. Options of a call are gRPC's own, and
// [ViewerToken].
type Client struct {
	conn *grpc.ClientConn
	stub inboxpb.InboxServiceClient
	// Ends with Close.
	lifetime context.Context
	end      context.CancelFunc
}

// New makes a client. It connects with the first call.
func New(config Config) (*Client, error) {
	target, options, err := dialAddresses(config.Addresses, config.TLS)
	if err != nil {
		return nil, err
	}
	transport := local.NewCredentials()
	if config.TLS != nil {
		transport = credentials.NewTLS(config.TLS)
	}
	options = append(options,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithChainUnaryInterceptor(complete(config.Timeout)),
		grpc.WithChainStreamInterceptor(typeStreamErrors),
		grpc.WithKeepaliveParams(pings),
		grpc.WithConnectParams(connecting()),
	)
	if config.Token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer{"authorization", config.Token}))
	}
	if config.MaxResponseBytes > 0 {
		limit := grpc.MaxCallRecvMsgSize(config.MaxResponseBytes)
		options = append(options, grpc.WithDefaultCallOptions(limit))
	}
	conn, err := grpc.NewClient(target, append(options, config.DialOptions...)...)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	lifetime, end := context.WithCancel(context.Background())
	return &Client{conn, inboxpb.NewInboxServiceClient(conn), lifetime, end}, nil
}

// dialAddresses returns gRPC's target for the addresses. A list has a resolver of its own, because
// gRPC for Go has none for lists.
func dialAddresses(addresses []string, over *tls.Config) (string, []grpc.DialOption, error) {
	if len(addresses) == 1 && strings.HasPrefix(addresses[0], "unix:") {
		return addresses[0], nil, nil
	}
	if len(addresses) == 0 {
		return "", nil, errors.New("inbox: Config.Addresses is empty")
	}
	var state resolver.State
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return "", nil, fmt.Errorf("inbox: %w; use host:port, a list of it, or unix:/path", err)
		}
		if ip, _ := netip.ParseAddr(host); over == nil && host != "localhost" && !ip.IsLoopback() {
			return "", nil, fmt.Errorf("inbox: %s is no loopback address, so it needs TLS", address)
		}
		if over != nil && over.ServerName != "" {
			host = over.ServerName
		}
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: host})
	}
	if len(addresses) == 1 {
		return "dns:///" + addresses[0], nil, nil
	}
	replicas := manual.NewBuilderWithScheme("replicas")
	replicas.InitialState(state)
	return "replicas:///" + addresses[0], []grpc.DialOption{grpc.WithResolvers(replicas)}, nil
}

// complete gives each call a deadline, and each error its type.
func complete(timeout time.Duration) grpc.UnaryClientInterceptor {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return func(ctx context.Context, method string, request, response any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if _, ok := ctx.Deadline(); !ok && timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		var header, trailer metadata.MD
		options = append(slices.Clip(options), grpc.Header(&header), grpc.Trailer(&trailer))
		err := invoke(ctx, method, request, response, conn, options...)
		if err == nil {
			return nil
		}
		return typed(err, slices.Concat(trailer.Get("x-request-id"), header.Get("x-request-id")))
	}
}

// typed returns the error of a call. The first request id counts.
func typed(err error, ids []string) *Error {
	e, ok := errors.AsType[*Error](err) // A token could not be sent.
	if !ok {
		e = newError(status.Convert(err))
	}
	if len(ids) > 0 {
		e.RequestID = ids[0]
	}
	return e
}

// Get returns one inbox.
func (c *Client) Get(ctx context.Context, request *inboxpb.GetInboxRequest,
	options ...grpc.CallOption) (*inboxpb.GetInboxResponse, error) {
	return c.stub.GetInbox(ctx, request, options...)
}

// List returns one page of the visible inboxes.
func (c *Client) List(ctx context.Context, request *inboxpb.ListInboxesRequest,
	options ...grpc.CallOption) (*inboxpb.ListInboxesResponse, error) {
	return c.stub.ListInboxes(ctx, request, options...)
}

// Batch returns several inboxes of one account.
func (c *Client) Batch(ctx context.Context, request *inboxpb.BatchGetInboxesRequest,
	options ...grpc.CallOption) (*inboxpb.BatchGetInboxesResponse, error) {
	return c.stub.BatchGetInboxes(ctx, request, options...)
}

// Find returns the inboxes that own an external address.
func (c *Client) Find(ctx context.Context, request *inboxpb.FindInboxesRequest,
	options ...grpc.CallOption) (*inboxpb.FindInboxesResponse, error) {
	return c.stub.FindInboxes(ctx, request, options...)
}

// Explain says what this caller may ask, and what the viewer would get.
func (c *Client) Explain(ctx context.Context, request *inboxpb.ExplainAccessRequest,
	options ...grpc.CallOption) (*inboxpb.ExplainAccessResponse, error) {
	return c.stub.ExplainAccess(ctx, request, options...)
}

// Pages returns the pages of a list, from the page of the request to the last. Each page is one
// call with its own deadline, made when the loop comes to it. The first error ends the loop.
func (c *Client) Pages(ctx context.Context, request *inboxpb.ListInboxesRequest,
	options ...grpc.CallOption) iter.Seq2[*inboxpb.ListInboxesResponse, error] {
	return func(yield func(*inboxpb.ListInboxesResponse, error) bool) {
		next := proto.CloneOf(request)
		for {
			page, err := c.List(ctx, next, options...)
			if !yield(page, err) || err != nil || page.NextPageToken == "" {
				return
			}
			next.PageToken = page.NextPageToken
		}
	}
}

// Inboxes returns the inboxes of all [Client.Pages].
func (c *Client) Inboxes(ctx context.Context, request *inboxpb.ListInboxesRequest,
	options ...grpc.CallOption) iter.Seq2[*inboxpb.Inbox, error] {
	return func(yield func(*inboxpb.Inbox, error) bool) {
		for page, err := range c.Pages(ctx, request, options...) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, inbox := range page.Inboxes {
				if !yield(inbox, nil) {
					return
				}
			}
		}
	}
}

// Stub returns the generated client, with the deadlines and errors of this one. Its WatchInboxes
// makes a single call, without a deadline.
func (c *Client) Stub() inboxpb.InboxServiceClient { return c.stub }

// Conn returns the connection, for the services of health and reflection.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// Close ends calls in flight, and closes all connections.
func (c *Client) Close() error {
	c.end()
	return c.conn.Close()
}
