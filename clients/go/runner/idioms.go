// What cases in JSON cannot see of the client: the idioms of Go. This file has errors, pages,
// deadlines and addresses; credentials and a server of the runner's own have files beside it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	"google.golang.org/protobuf/types/known/durationpb"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// idiom is a check; its error says what was expected, and what was there.
type idiom struct {
	name  string
	check func(*servers) error
}

func runIdioms(at *servers) error {
	for _, each := range slices.Concat(idioms, credentialIdioms, ownServerIdioms, watchIdioms,
		channelIdioms, cacheIdioms, exampleIdioms) {
		printResult(each.name, "-", each.check(at))
	}
	return nil
}

var idioms = []idiom{
	{"errors-as", errorsAs},
	{"errors-other-reason", otherReason},
	{"errors-first-details", firstDetails},
	{"errors-every-reason-is-known", everyReason},
	{"errors-of-the-library", libraryError},
	{"errors-is-canceled", canceled},
	{"pages-stop-early", stopEarly},
	{"pages-end-with-an-error", pagesError},
	{"oneof-switch", oneofSwitch},
	{"deadline-default", deadlineDefault},
	{"stub-and-connection", stubAndConnection},
	{"replicas-round-robin", replicasRoundRobin},
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
			expect(e != nil && err.Error() == fmt.Sprintf(
				"inbox: NotFound INBOX_NOT_FOUND: %s (request id %s)", e.Message, e.RequestID),
				"code, reason, message and request id, got %q", err),
			expect(inbox.ReasonOf(nil) == "" && inbox.ReasonOf(fs.ErrNotExist) == "", "no reason"),
		)
	})
}

// statusOf returns the error of a status with these details.
func statusOf(details ...proto.Message) (*inbox.Error, error) {
	of := &statuspb.Status{}
	for _, detail := range details {
		packed, err := anypb.New(detail)
		if err != nil {
			return nil, err
		}
		of.Details = append(of.Details, packed)
	}
	bytes, err := proto.Marshal(of)
	return inbox.ErrorFromStatus(codes.Aborted, "later", bytes), err
}

func info(domain, reason, key string) *errdetails.ErrorInfo {
	return &errdetails.ErrorInfo{
		Domain: domain, Reason: reason, Metadata: map[string]string{key: "is there"},
	}
}

func otherReason(*servers) error {
	future, err := statusOf(info("inbox.leadchat", "FROM_THE_FUTURE", "key"))
	if err != nil {
		return err
	}
	reason, other := future.Reason.Other()
	_, known := inbox.ReasonInboxNotFound.Other()
	_, none := inbox.ErrorFromStatus(codes.Aborted, "later", []byte("no status")).Reason.Other()
	return errors.Join(
		expect(other && reason == "FROM_THE_FUTURE", "another reason, got %q", reason),
		expect(!known, "a known reason not to be another"),
		expect(!none, "no reason not to be another"),
		expect(!inbox.Reason("UNSPECIFIED").Known(), "UNSPECIFIED, which is never sent, to be unknown"),
		expect(status.Code(future) == codes.Aborted, "gRPC's code, got %v", status.Code(future)),
	)
}

// A proxy may add details before those of the service, and after them.
func firstDetails(*servers) error {
	violation := func(field string) *errdetails.BadRequest {
		return &errdetails.BadRequest{
			FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field}},
		}
	}
	delay := func(seconds int64) *errdetails.RetryInfo {
		return &errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: seconds}}
	}
	several, err := statusOf(info("proxy.example", "QUOTA", "proxy"), violation("viewer"), delay(1),
		info("inbox.leadchat", "OVERLOADED", "first"), info("inbox.leadchat", "INTERNAL", "second"),
		violation("detail"), delay(2))
	if err != nil {
		return err
	}
	empty, err := statusOf(
		info("inbox.leadchat", "", "first"), info("inbox.leadchat", "INTERNAL", "second"))
	if err != nil {
		return err
	}
	return errors.Join(
		expect(several.Reason == inbox.ReasonOverloaded, "OVERLOADED, got %q", several.Reason),
		expect(len(several.Metadata) == 1 && several.Metadata["first"] != "",
			"the metadata of the reason alone, got %v", several.Metadata),
		expect(len(several.Fields) == 2, "two fields, got %v", several.Fields),
		expect(several.RetryDelay == time.Second, "1 s, got %v", several.RetryDelay),
		expect(empty.Reason == "", "no reason, got %q", empty.Reason),
	)
}

// Nothing listens on port 1, so that gRPC itself makes the error.
func libraryError(*servers) error {
	config := inbox.Config{Addresses: []string{"127.0.0.1:1"}}
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

func replicasRoundRobin(at *servers) error {
	config := inbox.Config{Addresses: at.Replicas}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		answers := map[string]int{}
		few := func(replica string) bool { return answers[replica] < 50 }
		// Until all connections are there, the first ones answer.
		for begin := time.Now(); slices.ContainsFunc(at.Replicas, few); {
			if time.Since(begin) > 10*time.Second {
				return fmt.Errorf("expected answers of all replicas, got %v", answers)
			}
			var from peer.Peer
			if _, err := client.Get(ctx, get(1), grpc.Peer(&from)); err != nil {
				return err
			}
			answers[from.Addr.String()]++
		}
		return nil
	})
}

func addressMistakes(at *servers) error {
	for _, mistake := range [][]string{
		nil, {""}, {"localhost"}, {"tls:" + at.TLS.Address}, {at.Unix.Address, at.Unix.Address},
	} {
		if client, err := inbox.New(inbox.Config{Addresses: mistake}); err == nil {
			client.Close()
			return fmt.Errorf("expected an error of New for %q", mistake)
		}
	}
	for _, remote := range []string{"192.0.2.1:50051", "inbox.example:50051", "[2001:db8::1]:50051"} {
		text := "inbox: " + remote + " is no loopback address, so it needs TLS"
		_, err := inbox.New(inbox.Config{Addresses: []string{"127.0.0.1:50051", remote}})
		if err == nil || err.Error() != text {
			return fmt.Errorf("expected %q, got %v", text, err)
		}
	}
	for _, local := range []string{"127.0.0.2:50051", "[::1]:50051", "localhost:50051"} {
		client, err := inbox.New(inbox.Config{Addresses: []string{local}})
		if err != nil {
			return err
		}
		client.Close()
	}
	return nil
}
