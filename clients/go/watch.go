// A watch: the inboxes that a viewer may see, and then every change.

package inbox

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"leadchat.internal/inbox-go/inboxpb"
)

const (
	// maxKnown is how many inboxes a request may name.
	maxKnown = 5000
	// silenceTimeout is the time of three heartbeats.
	silenceTimeout = 45 * time.Second
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 10 * time.Second
	// certificateDelay is longer than the server keeps a connection whose certificate it has
	// refused. A call on it would present the old certificate again.
	certificateDelay = 2 * time.Second
	// renewalTimeout is the time from CREDENTIALS_EXPIRED to the next Synced.
	renewalTimeout = 30 * time.Second
)

// Watch returns the events of a watch: the differences to request.Known, then every change. An
// event is one of Upserted, Removed, Synced and Heartbeat. All that is held is what was upserted,
// without what was removed. Synced says that this is what the viewer may see; until the first one,
// it is not complete.
//
// The watch goes on by itself when a call ends. clients/README.md has the rule, in the section
// Watches. If an error ends the watch, the last element has it, an [*Error]: then forget what is
// held.
//
// The watch has no deadline but that of ctx, which ends it. It ends with the loop, too, and with
// [Client.Close]. A loop that takes long misses states, and never the last one.
func (c *Client) Watch(ctx context.Context, request *inboxpb.WatchInboxesRequest,
	options ...grpc.CallOption) iter.Seq2[*inboxpb.WatchInboxesResponse, error] {
	return func(yield func(*inboxpb.WatchInboxesResponse, error) bool) {
		newWatch(c, request, options).run(ctx, yield)
	}
}

// WatchEvent is an event of a watch, or the error that ends it.
type WatchEvent struct {
	Event *inboxpb.WatchInboxesResponse
	Err   error
}

// WatchChannel begins a [Client.Watch], and returns a channel of its elements, for select. The
// channel is closed after the last one. The end of ctx and [Client.Close] close it without an
// error, also if nobody receives: cancel ctx when the events are no longer needed.
func (c *Client) WatchChannel(ctx context.Context, request *inboxpb.WatchInboxesRequest,
	options ...grpc.CallOption) <-chan WatchEvent {
	events := make(chan WatchEvent)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.lifetime, cancel)
	w := newWatch(c, request, options)
	go func() {
		defer close(events)
		defer cancel()
		defer stop()
		w.run(ctx, func(event *inboxpb.WatchInboxesResponse, err error) bool {
			if ctx.Err() != nil || c.lifetime.Err() != nil {
				return false
			}
			select {
			case events <- WatchEvent{event, err}:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return events
}

// watch is the state of a watch between its calls.
type watch struct {
	client  *Client
	request *inboxpb.WatchInboxesRequest
	options []grpc.CallOption
	// The etags of the inboxes that the loop has.
	held map[int64]string
	// Inboxes that are held and have not come again, of a call that has named none.
	unseen map[int64]bool
	// Whether a request with the known inboxes was too large.
	isTooLarge bool
	// Since the last Synced: the failures, and whether there was a call at once after the end of
	// another.
	failures  int
	wasAtOnce bool
	// The first CREDENTIALS_EXPIRED since the last Synced, and when the watch ends with it.
	expired    *Error
	renewalEnd time.Time
	// Whether DEADLINE_EXCEEDED may be that of the loop's context.
	hasDeadline bool
	// report gets each error after which the watch goes on.
	report func(error)
}

func newWatch(client *Client, request *inboxpb.WatchInboxesRequest,
	options []grpc.CallOption) *watch {
	held := map[int64]string{}
	for _, known := range request.Known {
		held[known.InboxId] = known.Etag
	}
	return &watch{
		client: client, request: proto.CloneOf(request), options: options, held: held,
		report: func(error) {},
	}
}

// run makes calls until one ends for good.
func (w *watch) run(ctx context.Context, yield func(*inboxpb.WatchInboxesResponse, error) bool) {
	_, w.hasDeadline = ctx.Deadline()
	for {
		err := w.follow(ctx, func(event *inboxpb.WatchInboxesResponse) bool {
			return yield(event, nil)
		})
		if err == nil { // The loop has ended.
			return
		}
		delay, goesOn := w.delay(err)
		if ctx.Err() == nil && goesOn {
			w.report(err)
			select {
			case <-ctx.Done():
			case <-w.client.lifetime.Done():
			case <-time.After(min(delay, w.left())):
			}
		}
		if ctx.Err() != nil {
			err, goesOn = newError(status.FromContextError(ctx.Err())), false
		} else if goesOn && w.left() <= 0 {
			err, goesOn = w.expired, false
		}
		if !goesOn {
			yield(nil, err)
			return
		}
		w.request.Known = w.known()
	}
}

// follow makes one call, and passes its events on. The error is that of the call, or nil if the
// loop has ended.
func (w *watch) follow(ctx context.Context, yield func(*inboxpb.WatchInboxesResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(w.patience(), cancel)
	defer silence.Stop()
	if len(w.request.Known) > maxKnown {
		w.request.Known = nil
	}
	w.unseen = nil
	if len(w.request.Known) == 0 {
		w.unseen = make(map[int64]bool, len(w.held))
		for id := range w.held {
			w.unseen[id] = true
		}
	}
	stream, err := w.client.stub.WatchInboxes(ctx, w.request, w.options...)
	if err != nil {
		return err
	}
	for {
		silence.Reset(w.patience())
		event, err := stream.Recv()
		silence.Stop() // The loop may take its time.
		if err != nil {
			return err
		}
		for _, event := range w.apply(event) {
			if !yield(event) {
				return nil
			}
		}
	}
}

// left returns the time until the watch ends because its credentials have expired.
func (w *watch) left() time.Duration {
	if w.expired == nil {
		return math.MaxInt64
	}
	return time.Until(w.renewalEnd)
}

// patience returns the time to wait for an event. It suffices for an event that has come already.
func (w *watch) patience() time.Duration {
	return min(silenceTimeout, max(w.left(), minBackoff))
}

// apply notes what an event changes, and returns the events for the loop.
func (w *watch) apply(event *inboxpb.WatchInboxesResponse) []*inboxpb.WatchInboxesResponse {
	var events []*inboxpb.WatchInboxesResponse
	switch of := event.Event.(type) {
	case *inboxpb.WatchInboxesResponse_Upserted:
		id, etag := of.Upserted.GetId(), of.Upserted.GetEtag()
		before, isHeld := w.held[id]
		w.held[id] = etag
		delete(w.unseen, id)
		if isHeld && before == etag && etag != "" {
			return nil
		}
	case *inboxpb.WatchInboxesResponse_Removed:
		delete(w.held, of.Removed.GetInboxId())
		delete(w.unseen, of.Removed.GetInboxId())
	case *inboxpb.WatchInboxesResponse_Synced:
		for _, id := range slices.Sorted(maps.Keys(w.unseen)) {
			delete(w.held, id)
			removed := &inboxpb.InboxRemoved{InboxId: id}
			events = append(events, &inboxpb.WatchInboxesResponse{
				Event:          &inboxpb.WatchInboxesResponse_Removed{Removed: removed},
				DisclosedAs:    event.DisclosedAs,
				CallerWithheld: event.CallerWithheld,
			})
		}
		w.unseen = nil
		w.failures, w.wasAtOnce, w.expired = 0, false, nil
	}
	return append(events, event)
}

// known returns what is held, or nothing if that is too much for a request.
func (w *watch) known() []*inboxpb.KnownInbox {
	if w.isTooLarge || len(w.held) > maxKnown {
		return nil
	}
	known := make([]*inboxpb.KnownInbox, 0, len(w.held))
	for id, etag := range w.held {
		known = append(known, &inboxpb.KnownInbox{InboxId: id, Etag: etag})
	}
	return known
}

// delay returns the time until the next call, and whether there is one.
func (w *watch) delay(err error) (time.Duration, bool) {
	e := &Error{Code: codes.Unavailable} // Of a stream without a status.
	if !errors.Is(err, io.EOF) {
		var isTyped bool
		if e, isTyped = errors.AsType[*Error](err); !isTyped {
			return 0, false
		}
	}
	if w.client.conn.GetState() == connectivity.Shutdown {
		return 0, false
	}
	switch {
	case e.Reason == ReasonReconnect || e.Reason == ReasonShuttingDown:
		if !w.wasAtOnce {
			w.wasAtOnce = true
			return 0, true // On the next replica.
		}
	case e.Reason == ReasonRequestTooLarge:
		if len(w.request.Known) == 0 {
			return 0, false
		}
		w.isTooLarge = true
	case e.Reason == ReasonCredentialsExpired:
		isCertificate := e.Metadata["credential"] == "certificate"
		if w.expired == nil {
			w.expired, w.renewalEnd = e, time.Now().Add(renewalTimeout)
		} else if !isCertificate {
			return 0, false
		}
		if isCertificate { // Each replica may have a connection with the old one.
			return certificateDelay, true
		}
	case e.Code == codes.Unavailable || e.Code == codes.ResourceExhausted:
	case e.Code == codes.DeadlineExceeded && !w.hasDeadline:
		// The watch did not begin within the time that the server has for a call.
	case e.Reason == "" &&
		(e.Code == codes.Internal || e.Code == codes.Unknown || e.Code == codes.Canceled):
		// The connection has broken.
	default:
		return 0, false
	}
	backoff := min(minBackoff<<min(w.failures, 10), maxBackoff)
	w.failures++
	return e.RetryDelay + backoff/2 + rand.N(backoff/2), true
}

// typeStreamErrors gives each error of a stream its type. Streams have no deadline but that of
// their context.
func typeStreamErrors(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn,
	method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, typed(err, nil)
	}
	return typedStream{stream}, nil
}

type typedStream struct{ grpc.ClientStream }

// RecvMsg returns errors of the type [*Error], and io.EOF.
func (s typedStream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	ids := s.Trailer().Get("x-request-id")
	if header, unread := s.Header(); unread == nil {
		ids = append(slices.Clip(ids), header.Get("x-request-id")...)
	}
	return typed(err, ids)
}
