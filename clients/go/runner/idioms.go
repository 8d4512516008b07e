// What cases in JSON cannot see of the client: the idioms of Go. This file has errors, pages,
// deadlines and addresses; credentials and a server of the runner's own have files beside it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// idiom is a check; its error says what was expected, and what was there.
type idiom struct {
	name  string
	check func(*servers) error
}

func runIdioms(at *servers) error {
	for _, each := range slices.Concat(idioms, credentialIdioms, ownServerIdioms, exampleIdioms) {
		printResult(each.name, "-", each.check(at))
	}
	return nil
}

var idioms = []idiom{
	{"errors-as", errorsAs},
	{"errors-other-reason", otherReason},
	{"errors-every-reason-is-known", everyReason},
	{"errors-of-the-library", libraryError},
	{"errors-is-canceled", canceled},
	{"pages-stop-early", stopEarly},
	{"pages-end-with-an-error", pagesError},
	{"oneof-switch", oneofSwitch},
	{"deadline-default", deadlineDefault},
	{"stub-and-connection", stubAndConnection},
	{"replicas-in-turn", replicasInTurn},
	{"addresses-with-mistakes", addressMistakes},
}

// expect returns an error unless the condition holds.
func expect(condition bool, format string, arguments ...any) error {
	if condition {
		return nil
	}
	return fmt.Errorf("expected "+format, arguments...)
}

// with makes a client for one check.
func with(config inbox.Config, check func(context.Context, *inbox.Client) error) error {
	client, err := inbox.New(config)
	if err != nil {
		return err
	}
	defer client.Close()
	return check(context.Background(), client)
}

func get(id int64) *inboxpb.GetInboxRequest {
	return &inboxpb.GetInboxRequest{AccountId: 1, InboxId: id, Viewer: user(1)}
}

func errorsAs(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		_, err := client.Get(ctx, get(99))
		wrapped := fmt.Errorf("send: %w", err)
		var e *inbox.Error
		return errors.Join(
			expect(errors.As(wrapped, &e), "an *inbox.Error, got %T", err),
			expect(e != nil && e.Code == codes.NotFound, "NOT_FOUND, got %v", err),
			expect(e != nil && e.RequestID != "", "a request id, got %v", err),
			expect(inbox.ReasonOf(wrapped) == inbox.ReasonInboxNotFound, "the reason, got %v", err),
			expect(status.Code(wrapped) == codes.NotFound, "gRPC's code, got %v", status.Code(wrapped)),
			expect(len(status.Convert(err).Details()) == 1, "the details of gRPC's status"),
			expect(strings.Contains(err.Error(), "INBOX_NOT_FOUND"), "the reason in %q", err),
			expect(inbox.ReasonOf(nil) == "" && inbox.ReasonOf(fs.ErrNotExist) == "", "no reason"),
		)
	})
}

func otherReason(*servers) error {
	info, err := anypb.New(&errdetails.ErrorInfo{Domain: "inbox.leadchat", Reason: "FROM_THE_FUTURE"})
	if err != nil {
		return err
	}
	bytes, err := proto.Marshal(&statuspb.Status{Details: []*anypb.Any{info}})
	if err != nil {
		return err
	}
	future := inbox.StatusError(codes.Aborted, "later", bytes)
	text, other := future.Reason.Other()
	_, known := inbox.ReasonInboxNotFound.Other()
	_, none := inbox.StatusError(codes.Aborted, "later", []byte("no status")).Reason.Other()
	return errors.Join(
		expect(other && text == "FROM_THE_FUTURE", "another reason, got %q", text),
		expect(!known, "a known reason not to be another"),
		expect(!none, "no reason not to be another"),
		expect(!inbox.Reason("UNSPECIFIED").Known(), "UNSPECIFIED, which is never sent, to be unknown"),
		expect(status.Code(future) == codes.Aborted, "gRPC's code, got %v", status.Code(future)),
	)
}

// reasons are the constants of the client.
var reasons = []inbox.Reason{
	inbox.ReasonInvalidRequest,
	inbox.ReasonInvalidPageToken,
	inbox.ReasonUndecodableRequest,
	inbox.ReasonRequestTooLarge,
	inbox.ReasonAccessDenied,
	inbox.ReasonAccountSuspended,
	inbox.ReasonInboxNotFound,
	inbox.ReasonDeadlineExceeded,
	inbox.ReasonStoreUnavailable,
	inbox.ReasonOverloaded,
	inbox.ReasonShuttingDown,
	inbox.ReasonUnknownMethod,
	inbox.ReasonInternal,
	inbox.ReasonCompressionNotSupported,
	inbox.ReasonLatestOnStandby,
	inbox.ReasonCredentialsMissing,
	inbox.ReasonCredentialsInvalid,
	inbox.ReasonCredentialsExpired,
	inbox.ReasonCallerUnknown,
	inbox.ReasonCallerNotPermitted,
	inbox.ReasonCallerLimitExceeded,
}

func everyReason(*servers) error {
	for _, number := range inboxpb.ErrorReason_value {
		name := inboxpb.ErrorReason_name[number]
		reason := inbox.Reason(strings.TrimPrefix(name, "ERROR_REASON_"))
		sent := number != 0
		if reason.Known() != sent || slices.Contains(reasons, reason) != sent {
			return fmt.Errorf("expected a constant for %s, and none for what is never sent", reason)
		}
	}
	return nil
}

// Nothing listens at the address, so that gRPC itself makes the error.
func libraryError(*servers) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config := inbox.Config{Addresses: []string{listener.Addr().String()}}
	listener.Close()
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		_, err := client.Get(ctx, get(1))
		e, ok := errors.AsType[*inbox.Error](err)
		return errors.Join(
			expect(ok && e.Reason == "" && e.RequestID == "", "an error without a reason, got %v", err),
			expect(ok && e.Code == codes.Unavailable, "UNAVAILABLE after all attempts, got %v", err),
			expect(ok && strings.Contains(e.Message, "refused"), "the cause in the message, got %v", err),
		)
	})
}

func canceled(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, err := client.Get(ctx, get(1))
		return expect(errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded),
			"context.Canceled, got %v", err)
	})
}

// observing adds an interceptor, which sees each call.
func observing(config inbox.Config, see func(context.Context, string)) inbox.Config {
	config.DialOptions = append(config.DialOptions, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, request, response any, conn *grpc.ClientConn,
			invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			see(ctx, method)
			return invoke(ctx, method, request, response, conn, options...)
		}))
	return config
}

func stopEarly(at *servers) error {
	calls := 0
	config := observing(at.plain(), func(context.Context, string) { calls++ })
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		request := &inboxpb.ListInboxesRequest{AccountId: 1, Viewer: user(1), PageSize: 2}
		before := proto.CloneOf(request)
		inboxes := client.Inboxes(ctx, request)
		problems := expect(calls == 0, "no call before the loop, got %d", calls)
		for range 2 { // A loop can be repeated, and begins anew.
			calls = 0
			seen := 0
			for _, err := range inboxes {
				if err != nil {
					return err
				}
				if seen++; seen == 3 {
					break
				}
			}
			problems = errors.Join(problems, expect(calls == 2, "2 calls for 3 inboxes, got %d", calls))
		}
		pages := 0
		for page, err := range client.Pages(ctx, request) {
			if err != nil {
				return err
			}
			pages++
			problems = errors.Join(problems, expect(page.DisclosedAs != 0, "the role of a page"))
		}
		return errors.Join(problems,
			expect(pages == 7, "7 pages of 13 inboxes, got %d", pages),
			expect(proto.Equal(request, before), "the request unchanged, got %v", request))
	})
}

func pagesError(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		request := &inboxpb.ListInboxesRequest{AccountId: 2, Viewer: user(1)}
		rounds := 0
		var last error
		for each, err := range client.Inboxes(ctx, request) {
			rounds++
			last = err
			if each != nil {
				return fmt.Errorf("expected no inbox, got %d", each.Id)
			}
		}
		return expect(rounds == 1 && inbox.ReasonOf(last) == inbox.ReasonAccessDenied,
			"one error, got %d rounds and %v", rounds, last)
	})
}

func oneofSwitch(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		response, err := client.Get(ctx, get(3))
		if err != nil {
			return err
		}
		switch channel := response.Inbox.Channel.(type) {
		case *inboxpb.Inbox_Email:
			return expect(channel.Email.GetEmail() != "", "an address")
		default:
			return fmt.Errorf("expected an email channel, got %T", channel)
		}
	})
}

func deadlineDefault(at *servers) error {
	var left time.Duration
	var has bool
	see := func(ctx context.Context, _ string) {
		var deadline time.Time
		deadline, has = ctx.Deadline()
		left = time.Until(deadline)
	}
	about := func(expected time.Duration) bool {
		return has && left <= expected && left > expected-time.Second
	}
	call := func(config inbox.Config, timeout time.Duration) error {
		return with(observing(config, see), func(ctx context.Context, client *inbox.Client) error {
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			_, err := client.Get(ctx, get(1))
			return err
		})
	}
	three, none := at.plain(), at.plain()
	three.Timeout, none.Timeout = 3*time.Second, -1
	return errors.Join(
		call(at.plain(), 0),
		expect(about(5*time.Second), "5 s by default, got %v", left),
		call(at.plain(), 20*time.Second),
		expect(about(20*time.Second), "the caller's 20 s, got %v", left),
		call(three, 0),
		expect(about(3*time.Second), "3 s, got %v", left),
		call(none, 0),
		expect(!has, "no deadline, got %v", left),
	)
}

func stubAndConnection(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		_, err := client.Stub().GetInbox(ctx, get(99))
		health := healthpb.NewHealthClient(client.Conn())
		_, unwell := health.Check(ctx, &healthpb.HealthCheckRequest{})
		return errors.Join(unwell, expect(inbox.ReasonOf(err) == inbox.ReasonInboxNotFound,
			"a typed error of the stub, got %v", err))
	})
}

func replicasInTurn(at *servers) error {
	config := inbox.Config{Addresses: at.Replicas}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		answers := map[string]int{}
		for range 200 { // Until all connections are there, the first ones answer.
			var from peer.Peer
			if _, err := client.Get(ctx, get(1), grpc.Peer(&from)); err != nil {
				return err
			}
			answers[from.Addr.String()]++
		}
		for _, replica := range at.Replicas {
			if answers[replica] < 50 {
				return fmt.Errorf("expected answers of %s, got %v", replica, answers)
			}
		}
		return nil
	})
}

func addressMistakes(at *servers) error {
	for _, mistake := range [][]string{
		nil, {""}, {"localhost"}, {"tls:" + at.TLS.Address}, {at.Unix.Address, at.Unix.Address},
		{"192.0.2.1:50051"}, {"inbox.example:50051"},
	} {
		if client, err := inbox.New(inbox.Config{Addresses: mistake}); err == nil {
			client.Close()
			return fmt.Errorf("expected an error of New for %q", mistake)
		}
	}
	return nil
}
