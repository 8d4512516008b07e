// Idioms of caches.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

var cacheIdioms = []idiom{
	{"cache-is-not-ready", cacheNotReady},
	{"cache-is-a-list", cacheIsList},
	{"cache-orders-as-lists", cacheOrder},
	{"cache-closes", cacheCloses},
	{"cache-forgets", cacheForgets},
	{"cache-outlives-an-outage", cacheOutage},
}

// Nothing listens on port 1.
func cacheNotReady(*servers) error {
	config := inbox.Config{Addresses: []string{"127.0.0.1:1"}}
	return with(config, func(ctx context.Context, client *inbox.Client) error {
		cache := client.OpenCache(watchRequest(1))
		defer cache.Close()
		_, _, one := cache.Get(1)
		_, all := cache.List()
		_, age := cache.Age()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		waited := cache.WaitSynced(ctx)
		for _, err := range []error{one, all, age, waited} {
			if !errors.Is(err, inbox.ErrNotReady) {
				return fmt.Errorf("expected ErrNotReady, got %w", err)
			}
		}
		e, ok := errors.AsType[*inbox.Error](waited)
		return errors.Join(
			expect(errors.Is(waited, context.DeadlineExceeded), "the error of ctx, got %v", waited),
			expect(ok && e.Code == codes.Unavailable, "the last error of a call, got %v", waited),
			expect(cache.Err() == nil, "the cache to go on, got %v", cache.Err()))
	})
}

func cacheIsList(at *servers) error {
	return with(at.plain(), func(_ context.Context, client *inbox.Client) error {
		request := &inboxpb.WatchInboxesRequest{AccountId: 1, Viewer: user(1)}
		cache := client.OpenCache(request)
		defer cache.Close()
		if err := waitSynced(cache); err != nil {
			return err
		}
		age, err := cache.Age()
		_, ok, missing := cache.Get(99)
		return errors.Join(compareOnce(client, cache, 1), err, missing,
			expect(!ok, "no inbox 99"),
			expect(age < 20*time.Second, "an age below 20 s, got %v", age))
	})
}

func cacheOrder(*servers) error {
	// By code points of the lower case, then by id.
	ordered := []string{"", "a", "A", "aς", "aΣ", "aσa", "b", "i", "İ", "ß", "ŸZ", "ﬁ", "𝒜"}
	service := &watches{}
	service.watch = func(_ int, send func(*inboxpb.WatchInboxesResponse)) error {
		for i := range ordered {
			id := (i*5)%len(ordered) + 1
			send(upserted(int64(id), "a", ordered[id-1]))
		}
		send(synced())
		return errOpen
	}
	return serving(service, inbox.Config{}, func(_ context.Context, client *inbox.Client) error {
		cache := client.OpenCache(watchRequest(1))
		defer cache.Close()
		if err := waitSynced(cache); err != nil {
			return err
		}
		inboxes, err := cache.List()
		var got []string
		for _, each := range inboxes {
			got = append(got, each.Name)
		}
		return errors.Join(err, expect(strings.Join(got, " ") == strings.Join(ordered, " "),
			"%q, got %q", ordered, got))
	})
}

func cacheCloses(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		if _, err := client.Get(ctx, get(1)); err != nil {
			return err
		}
		return withoutLeak(func() error {
			cache := client.OpenCache(watchRequest(1))
			other := client.OpenCache(watchRequest(2)) // Closed before it is ready.
			other.Close()
			err := waitSynced(cache)
			cache.Close()
			cache.Close()
			inboxes, closed := cache.List()
			return errors.Join(err,
				expect(errors.Is(closed, inbox.ErrClosed) && inboxes == nil, "ErrClosed, got %v", closed),
				expect(errors.Is(waitSynced(other), inbox.ErrClosed), "ErrClosed of a wait"))
		})
	})
}

func cacheForgets(*servers) error {
	leave := make(chan struct{})
	service := &watches{}
	service.watch = func(_ int, send func(*inboxpb.WatchInboxesResponse)) error {
		send(upserted(1, "a", "one"))
		send(synced())
		<-leave
		return failure(codes.PermissionDenied, inbox.ReasonAccessDenied)
	}
	return serving(service, inbox.Config{}, func(_ context.Context, client *inbox.Client) error {
		cache := client.OpenCache(watchRequest(1))
		defer cache.Close()
		err := waitSynced(cache)
		one, ok, held := cache.Get(1)
		close(leave)
		return errors.Join(err, held,
			expect(ok && one.GetName() == "one", "an inbox, got %v", one),
			waitForEnd(cache, 10*time.Second, inbox.ReasonAccessDenied))
	})
}

func cacheOutage(*servers) error {
	service := &watches{}
	service.watch = func(call int, send func(*inboxpb.WatchInboxesResponse)) error {
		switch call {
		case 1:
			send(upserted(1, "a", "one"))
			send(synced())
		case 5:
			send(upserted(2, "a", "two"))
			send(synced())
			return errOpen
		}
		return failure(codes.Unavailable, inbox.ReasonStoreUnavailable)
	}
	return serving(service, inbox.Config{}, func(_ context.Context, client *inbox.Client) error {
		cache := client.OpenCache(watchRequest(1))
		defer cache.Close()
		if err := waitSynced(cache); err != nil {
			return err
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			inboxes, err := cache.List()
			if err != nil || len(inboxes) == 0 {
				return fmt.Errorf("expected what was held, got %v, %w", names(inboxes), err)
			}
			if len(inboxes) == 2 {
				return nil
			}
			if time.Now().After(end) {
				return fmt.Errorf("expected 2 inboxes, got %v", names(inboxes))
			}
		}
	})
}
