// A cache of the inboxes that a viewer may see, kept by a watch.

package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"google.golang.org/grpc"

	"leadchat.internal/inbox-go/inboxpb"
)

// The errors of reads, beside that of a watch that has ended.
var (
	// ErrNotReady is the error of reads before a [Cache] is complete for the first time.
	ErrNotReady = errors.New("inbox: the cache is not synced yet")
	// ErrClosed is the error of reads of a [Cache] that was closed.
	ErrClosed = errors.New("inbox: the cache is closed")
)

// Cache holds the inboxes of an account that a viewer may see, as the last event of its watch left
// them. It is safe for concurrent use. The messages are shared, so do not change them.
//
// During an outage the cache keeps what it holds, and [Cache.Age] grows. So it may hold what the
// viewer may not see any more: compare the age with a limit of your own. When the watch ends for
// good, for example because the viewer has left the account, the cache forgets everything. All
// reads fail with the error of the watch then.
type Cache struct {
	cancel context.CancelFunc
	// Closed when the watch has ended.
	ended chan struct{}
	// Closed at the first Synced, and when the watch has ended.
	ready chan struct{}

	lock     sync.RWMutex
	held     map[int64]entry
	isReady  bool
	isClosed bool
	readTime time.Time
	// The end of the watch, or nil.
	err error
	// The last error after which the watch went on.
	failure error
}

type entry struct {
	inbox *inboxpb.Inbox
	// The name in lower case, as the service orders by it.
	folded string
}

// OpenCache begins to watch in the background, and returns at once. Known inboxes of the request
// are left out. Close the cache when it is no longer needed; [Client.Close] ends it, too.
func (c *Client) OpenCache(request *inboxpb.WatchInboxesRequest,
	options ...grpc.CallOption) *Cache {
	ctx, cancel := context.WithCancel(context.Background())
	cache := &Cache{
		cancel: cancel,
		ended:  make(chan struct{}),
		ready:  make(chan struct{}),
		held:   map[int64]entry{},
	}
	w := newWatch(c, request, options)
	w.request.Known = nil
	clear(w.held)
	w.report = cache.note
	go func() {
		defer cancel()
		w.run(ctx, cache.apply)
	}()
	return cache
}

// Get returns an inbox, and whether there is one that the viewer may see. The error is
// [ErrNotReady] at first, and [Cache.Err] after the end.
func (c *Cache) Get(id int64) (*inboxpb.Inbox, bool, error) {
	c.lock.RLock()
	defer c.lock.RUnlock()
	if err := c.problem(); err != nil {
		return nil, false, err
	}
	of, ok := c.held[id]
	return of.inbox, ok, nil
}

// List returns all inboxes, in the order of ListInboxes.
func (c *Cache) List() ([]*inboxpb.Inbox, error) {
	c.lock.RLock()
	defer c.lock.RUnlock()
	if err := c.problem(); err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(c.held))
	for _, each := range c.held {
		entries = append(entries, each)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.folded, b.folded), cmp.Compare(a.inbox.Id, b.inbox.Id))
	})
	inboxes := make([]*inboxpb.Inbox, len(entries))
	for i, each := range entries {
		inboxes[i] = each.inbox
	}
	return inboxes, nil
}

// ReadTime returns the time of the last Synced or Heartbeat, by the clock of the service: the cache
// is not older. The error is that of [Cache.Get], also after the end.
func (c *Cache) ReadTime() (time.Time, error) {
	c.lock.RLock()
	defer c.lock.RUnlock()
	return c.readTime, c.problem()
}

// Age returns the time since [Cache.ReadTime], by the clock of this machine. While the watch works,
// it is below about 15 s and the time between two reads of the account by the service. The error is
// that of [Cache.Get], also after the end.
func (c *Cache) Age() (time.Duration, error) {
	at, err := c.ReadTime()
	if err != nil {
		return 0, err
	}
	return max(0, time.Since(at)), nil
}

// WaitSynced waits until the cache is complete for the first time. The error is that of the watch
// if it has ended. Otherwise it is [ErrNotReady], with the error of ctx and the last one of a call.
func (c *Cache) WaitSynced(ctx context.Context) error {
	select {
	case <-c.ready:
	case <-ctx.Done():
	}
	c.lock.RLock()
	defer c.lock.RUnlock()
	err := c.problem()
	if !errors.Is(err, ErrNotReady) {
		return err
	}
	if c.failure == nil {
		return fmt.Errorf("%w: %w", err, ctx.Err())
	}
	return fmt.Errorf("%w: %w; the last error: %w", err, ctx.Err(), c.failure)
}

// Err returns why the cache has ended: the error of its watch, or [ErrClosed]. It is nil before.
func (c *Cache) Err() error {
	c.lock.RLock()
	defer c.lock.RUnlock()
	return c.err
}

// Close ends the watch, and forgets everything. It returns when the watch has ended.
func (c *Cache) Close() {
	c.lock.Lock()
	c.isClosed = true
	c.lock.Unlock()
	c.cancel()
	<-c.ended
}

// problem returns the reason why nothing can be read.
func (c *Cache) problem() error {
	if c.err == nil && !c.isReady {
		return ErrNotReady
	}
	return c.err
}

func (c *Cache) note(failure error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.failure = failure
}

// apply takes an event, or the end.
func (c *Cache) apply(event *inboxpb.WatchInboxesResponse, err error) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	if err != nil {
		c.end(err)
		return false
	}
	switch of := event.Event.(type) {
	case *inboxpb.WatchInboxesResponse_Upserted:
		lower := cases.Lower(language.Und, cases.HandleFinalSigma(true))
		c.held[of.Upserted.Id] = entry{of.Upserted, lower.String(of.Upserted.Name)}
	case *inboxpb.WatchInboxesResponse_Removed:
		delete(c.held, of.Removed.InboxId)
	case *inboxpb.WatchInboxesResponse_Synced:
		c.readTime = of.Synced.ReadTime.AsTime()
		if !c.isReady {
			c.isReady = true
			close(c.ready)
		}
	case *inboxpb.WatchInboxesResponse_Heartbeat:
		c.readTime = of.Heartbeat.ReadTime.AsTime()
	}
	return true
}

// end forgets everything.
func (c *Cache) end(err error) {
	c.err, c.held, c.readTime = err, nil, time.Time{}
	if c.isClosed {
		c.err = ErrClosed
	}
	if !c.isReady {
		close(c.ready)
	}
	close(c.ended)
}
