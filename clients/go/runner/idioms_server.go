// Idioms that need a server of the runner's own: retries, large responses, a call without an end.

package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

var ownServerIdioms = []idiom{
	{"retry-of-unavailable", retryUnavailable},
	{"no-retry-of-resource-exhausted", noRetryExhausted},
	{"largest-response", largestResponse},
	{"timeout-of-a-call", timeoutOfCall},
}

// answers is a service with one method.
type answers struct {
	inboxpb.UnimplementedInboxServiceServer
	calls atomic.Int32
	get   func(ctx context.Context, call int32) (*inboxpb.GetInboxResponse, error)
}

func (a *answers) GetInbox(ctx context.Context,
	_ *inboxpb.GetInboxRequest) (*inboxpb.GetInboxResponse, error) {
	return a.get(ctx, a.calls.Add(1))
}

// serving starts a server for one check.
func serving(service inboxpb.InboxServiceServer, config inbox.Config,
	check func(context.Context, *inbox.Client) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	inboxpb.RegisterInboxServiceServer(server, service)
	go server.Serve(listener)
	defer server.Stop()
	config.Addresses = []string{listener.Addr().String()}
	return with(config, check)
}

func retryUnavailable(*servers) error {
	service := &answers{get: func(_ context.Context, call int32) (*inboxpb.GetInboxResponse, error) {
		if call == 1 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return &inboxpb.GetInboxResponse{}, nil
	}}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		begin := time.Now()
		_, err := client.Get(ctx, get(1))
		took := time.Since(begin)
		return errors.Join(err,
			expect(service.calls.Load() == 2, "2 attempts, got %d", service.calls.Load()),
			expect(took > 700*time.Millisecond, "about a second between them, got %v", took))
	})
}

func noRetryExhausted(*servers) error {
	service := &answers{get: func(context.Context, int32) (*inboxpb.GetInboxResponse, error) {
		overloaded, err := status.New(codes.ResourceExhausted, "full").WithDetails(
			&errdetails.ErrorInfo{Domain: "inbox.leadchat", Reason: "OVERLOADED"},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)})
		return nil, errors.Join(err, overloaded.Err())
	}}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		_, err := client.Get(ctx, get(1))
		e, ok := errors.AsType[*inbox.Error](err)
		return errors.Join(
			expect(service.calls.Load() == 1, "1 attempt, got %d", service.calls.Load()),
			expect(ok && e.Reason == inbox.ReasonOverloaded && e.RetryDelay == 1500*time.Millisecond,
				"OVERLOADED with its delay, got %v", err))
	})
}

func largestResponse(*servers) error {
	service := &answers{get: func(context.Context, int32) (*inboxpb.GetInboxResponse, error) {
		return &inboxpb.GetInboxResponse{Inbox: &inboxpb.Inbox{Name: strings.Repeat("x", 5<<20)}}, nil
	}}
	call := func(largest int) (err error) {
		config := inbox.Config{MaxResponseBytes: largest}
		failed := serving(service, config, func(ctx context.Context, client *inbox.Client) error {
			_, err = client.Get(ctx, get(1))
			return nil
		})
		return errors.Join(failed, err)
	}
	err := call(0)
	return errors.Join(call(6<<20),
		expect(status.Code(err) == codes.ResourceExhausted && inbox.ReasonOf(err) == "",
			"RESOURCE_EXHAUSTED without a reason, got %v", err))
}

func timeoutOfCall(*servers) error {
	service := &answers{get: func(ctx context.Context, _ int32) (*inboxpb.GetInboxResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	config := inbox.Config{Timeout: 200 * time.Millisecond}
	return serving(service, config, func(ctx context.Context, client *inbox.Client) error {
		begin := time.Now()
		_, err := client.Get(ctx, get(1))
		took := time.Since(begin)
		return errors.Join(
			expect(errors.Is(err, context.DeadlineExceeded), "DEADLINE_EXCEEDED, got %v", err),
			expect(took > 150*time.Millisecond && took < 4*time.Second, "about 200 ms, got %v", took))
	})
}
