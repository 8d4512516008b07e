// Idioms of watches: how they end, and how they go on.

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

var watchIdioms = []idiom{
	{"watch-ends-with-its-loop", watchEnds},
	{"watch-two-at-once", watchTwo},
	{"watch-of-a-denied-viewer", watchDenied},
	{"watch-honours-known", watchKnown},
	{"watch-goes-on", watchGoesOn},
	{"watch-begins-anew-beyond-5000", watchBeyond},
	{"watch-names-none-if-that-is-too-large", watchTooLarge},
	{"watch-goes-on-at-once-one-time", watchAtOnce},
	{"watch-renews-credentials-once", watchRenews},
	{"watch-waits-for-a-new-certificate", watchCertificate},
	{"watch-has-no-deadline", watchNoDeadline},
	{"watch-ends-at-a-deadline", watchDeadline},
	{"watch-ends-with-its-client", watchClientClosed},
}

func watchRequest(viewer int64) *inboxpb.WatchInboxesRequest {
	return &inboxpb.WatchInboxesRequest{
		AccountId: 1, Viewer: user(viewer), Detail: inboxpb.InboxDetail_INBOX_DETAIL_BASIC,
	}
}

// summary is an event in short: +3, -3, synced, heartbeat.
func summary(event *inboxpb.WatchInboxesResponse) string {
	switch of := event.Event.(type) {
	case *inboxpb.WatchInboxesResponse_Upserted:
		return fmt.Sprintf("+%d", of.Upserted.Id)
	case *inboxpb.WatchInboxesResponse_Removed:
		return fmt.Sprintf("-%d", of.Removed.InboxId)
	case *inboxpb.WatchInboxesResponse_Synced:
		return "synced"
	case *inboxpb.WatchInboxesResponse_Heartbeat:
		return "heartbeat"
	default:
		return "?"
	}
}

// watchUntil returns the events in short, until so many Synced or the error.
func watchUntil(ctx context.Context, client *inbox.Client, request *inboxpb.WatchInboxesRequest,
	synced int) (string, error) {
	ctx, cancel := context.WithCancel(ctx) // A deadline would make DEADLINE_EXCEEDED final.
	defer cancel()
	defer time.AfterFunc(20*time.Second, cancel).Stop()
	var events []string
	for event, err := range client.Watch(ctx, request) {
		if err != nil {
			return strings.Join(events, " "), err
		}
		events = append(events, summary(event))
		if event.GetSynced() != nil {
			if synced--; synced == 0 {
				break
			}
		}
	}
	return strings.Join(events, " "), nil
}

// withoutLeak reports goroutines that a check has left behind.
func withoutLeak(check func() error) error {
	before := runtime.NumGoroutine()
	err := check()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.Join(err, fmt.Errorf(
		"expected %d goroutines, got %d", before, runtime.NumGoroutine()))
}

func watchEnds(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		if _, err := client.Get(ctx, get(1)); err != nil { // The connection has goroutines, too.
			return err
		}
		return withoutLeak(func() error {
			_, err := watchUntil(ctx, client, watchRequest(1), 1)
			canceled, cancel := context.WithCancel(ctx)
			var last error
			begin := time.Now()
			for event, err := range client.Watch(canceled, watchRequest(1)) {
				last = err
				if event.GetSynced() != nil {
					cancel()
				}
			}
			cancel()
			return errors.Join(err,
				expect(errors.Is(last, context.Canceled), "context.Canceled, got %v", last),
				expect(time.Since(begin) < 5*time.Second, "a prompt end, got %v", time.Since(begin)))
		})
	})
}

func watchTwo(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		agent := ""
		var failed error
		for event, err := range client.Watch(ctx, watchRequest(1)) {
			if err != nil {
				return err
			}
			if event.GetSynced() != nil { // Within a watch.
				agent, failed = watchUntil(ctx, client, watchRequest(2), 1)
				break
			}
		}
		return errors.Join(failed, expect(agent == "+1 +3 +7 synced", "3 inboxes, got %s", agent))
	})
}

func watchDenied(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		request := watchRequest(1)
		request.AccountId = 2
		events, err := watchUntil(ctx, client, request, 1)
		e, ok := errors.AsType[*inbox.Error](err)
		stream, opened := client.Stub().WatchInboxes(ctx, request)
		if opened != nil {
			return opened
		}
		_, ofStub := stream.Recv()
		return errors.Join(
			expect(ok && e.Reason == inbox.ReasonAccessDenied && e.RequestID != "" && events == "",
				"ACCESS_DENIED and a request id, got %s, %v", events, err),
			expect(inbox.ReasonOf(ofStub) == inbox.ReasonAccessDenied,
				"a typed error of the stub, got %v", ofStub))
	})
}

func watchKnown(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		request := watchRequest(2)
		for event, err := range client.Watch(ctx, request) {
			if err != nil {
				return err
			}
			if of := event.GetUpserted(); of != nil {
				known := &inboxpb.KnownInbox{InboxId: of.Id, Etag: of.Etag}
				request.Known = append(request.Known, known)
			}
			if event.GetSynced() != nil {
				break
			}
		}
		request.Known[0].Etag = "another"
		request.Known = append(request.Known, &inboxpb.KnownInbox{InboxId: 2})
		count := len(request.Known)
		events, err := watchUntil(ctx, client, request, 1)
		return errors.Join(err,
			expect(events == "-2 +1 synced", "one removal and one inbox, got %s", events),
			expect(len(request.Known) == count, "the request unchanged"))
	})
}

// Each call ends in another way. gRPC itself would wait for a second.
func watchGoesOn(*servers) error {
	ends := []error{
		failure(codes.Unavailable, inbox.ReasonStoreUnavailable),
		failure(codes.Unavailable, inbox.ReasonReconnect),
		failure(codes.Unavailable, inbox.ReasonShuttingDown),
		failure(codes.ResourceExhausted, inbox.ReasonTooManyWatches),
		failure(codes.Unavailable, ""),
		failure(codes.Internal, ""),
		failure(codes.Unknown, ""),
		failure(codes.Canceled, ""),
		failure(codes.DeadlineExceeded, inbox.ReasonDeadlineExceeded),
		nil,
		failure(codes.Internal, inbox.ReasonInternal),
	}
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		if call == 1 {
			send(upserted(1, "a", ""))
			send(upserted(2, "b", ""))
		}
		if call < len(ends) {
			send(synced())
		}
		return ends[call-1]
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		events, err := watchUntil(ctx, client, watchRequest(1), len(ends))
		expected := "+1 +2" + strings.Repeat(" synced", len(ends)-1)
		problems := errors.Join(
			expect(inbox.ReasonOf(err) == inbox.ReasonInternal, "INTERNAL of the service, got %v", err),
			expect(events == expected, "%s, got %s", expected, events),
			expect(len(service.calls) == len(ends), "%d calls, got %d", len(ends), len(service.calls)))
		for i, request := range service.calls {
			if i == 0 {
				continue
			}
			waited := service.at[i].Sub(service.at[i-1])
			problems = errors.Join(problems,
				expect(len(request.Known) == 2, "2 known inboxes, got %v", request.Known),
				expect(waited < 800*time.Millisecond, "another call soon, got %v", waited))
		}
		return problems
	})
}

func watchBeyond(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		for id := range int64(5001) {
			switch {
			case call == 1:
				send(upserted(id+1, "a", ""))
			case id == 7: // It is gone.
			case id == 8:
				send(upserted(id+1, "b", ""))
			default:
				send(upserted(id+1, "a", ""))
			}
		}
		send(synced())
		if call == 1 {
			return failure(codes.Unavailable, inbox.ReasonReconnect)
		}
		return errOpen
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		events, err := watchUntil(ctx, client, watchRequest(1), 2)
		_, second, _ := strings.Cut(events, "synced ")
		return errors.Join(err,
			expect(second == "+9 -8 synced", "one change and one removal, got %.100s", second),
			expect(len(service.calls[1].Known) == 0, "no known inboxes"))
	})
}

// The first call names two inboxes, and the second none.
func watchTooLarge(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		if call == 2 {
			send(upserted(1, "a", ""))
			send(synced())
		}
		return failure(codes.ResourceExhausted, inbox.ReasonRequestTooLarge)
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		request := watchRequest(1)
		request.Known = []*inboxpb.KnownInbox{{InboxId: 1, Etag: "a"}, {InboxId: 2, Etag: "a"}}
		events, err := watchUntil(ctx, client, request, 9)
		return errors.Join(
			expect(inbox.ReasonOf(err) == inbox.ReasonRequestTooLarge, "the error, got %v", err),
			expect(events == "-2 synced", "one removal, got %s", events),
			expect(len(service.calls) == 2, "2 calls, got %d", len(service.calls)),
			expect(len(service.calls[1].Known) == 0, "no known inboxes"))
	})
}

func watchAtOnce(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		switch call {
		case 1:
			return departure(inbox.ReasonReconnect)
		case 2:
			return departure(inbox.ReasonShuttingDown)
		}
		send(synced())
		return errOpen
	}
	waited, err := untilSynced(service)
	if err != nil {
		return err
	}
	return errors.Join(
		expect(waited[0] < 950*time.Millisecond, "another call at once, got %v", waited),
		expect(waited[1] > 950*time.Millisecond, "a delay at the second end, got %v", waited))
}

// untilSynced watches until the first Synced. It returns the times between the calls.
func untilSynced(service *watches) (waited []time.Duration, err error) {
	err = serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		_, err := watchUntil(ctx, client, watchRequest(1), 1)
		return err
	})
	for i := 1; i < len(service.at); i++ {
		waited = append(waited, service.at[i].Sub(service.at[i-1]))
	}
	return waited, err
}

func watchRenews(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		if call == 2 {
			send(synced())
		}
		return expired("authorization")
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		// Refused, and accepted with new credentials; then refused twice.
		events, err := watchUntil(ctx, client, watchRequest(1), 9)
		calls := len(service.calls)
		return errors.Join(
			expect(inbox.ReasonOf(err) == inbox.ReasonCredentialsExpired, "the error, got %v", err),
			expect(calls == 3 && events == "synced", "3 calls, got %d and %s", calls, events))
	})
}

// The connections of other replicas may have the old certificate, too.
func watchCertificate(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		if call < 3 {
			return expired("certificate")
		}
		send(synced())
		return errOpen
	}
	waited, err := untilSynced(service)
	for _, each := range waited {
		err = errors.Join(err, expect(each > 1900*time.Millisecond, "2 s, got %v", each))
	}
	return errors.Join(err, expect(len(waited) == 2, "3 calls, got %v", waited))
}

func watchNoDeadline(*servers) error {
	service := &watches{}
	service.watch = func(_ int, send func(*inboxpb.WatchInboxesResponse)) error {
		send(synced())
		time.Sleep(500 * time.Millisecond)
		send(synced())
		return errOpen
	}
	config := inbox.Config{Timeout: 100 * time.Millisecond}
	return serving(service, config, func(ctx context.Context, client *inbox.Client) error {
		_, err := watchUntil(ctx, client, watchRequest(1), 2)
		return errors.Join(err, expect(len(service.calls) == 1, "1 call, got %d", len(service.calls)))
	})
}

func watchDeadline(*servers) error {
	service := &watches{}
	service.watch = func(_ int, send func(*inboxpb.WatchInboxesResponse)) error {
		send(synced())
		return failure(codes.DeadlineExceeded, inbox.ReasonDeadlineExceeded)
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_, err := watchUntil(ctx, client, watchRequest(1), 2)
		return errors.Join(
			expect(errors.Is(err, context.DeadlineExceeded), "DEADLINE_EXCEEDED, got %v", err),
			expect(len(service.calls) == 1, "1 call, got %d", len(service.calls)))
	})
}

func watchClientClosed(at *servers) error {
	client, err := inbox.New(at.plain())
	if err != nil {
		return err
	}
	var last error
	for event, err := range client.Watch(context.Background(), watchRequest(1)) {
		last = err
		if event.GetSynced() != nil {
			client.Close()
		}
	}
	e, ok := errors.AsType[*inbox.Error](last)
	return expect(ok && e.Code == codes.Canceled, "CANCELED, got %v", last)
}
