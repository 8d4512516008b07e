// Caches that watches keep, compared with lists while the test changes rows and stops a replica.

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

const openTimeout = 30 * time.Second

// runWatch takes the steps that it reads, in their order.
func runWatch(at *servers) error {
	replicas, err := inbox.New(inbox.Config{Addresses: at.Replicas})
	if err != nil {
		return err
	}
	defer replicas.Close()
	// Each with a client of its own would do as well.
	administrator := replicas.OpenCache(&inboxpb.WatchInboxesRequest{AccountId: 1, Viewer: user(1)})
	agent := replicas.OpenCache(&inboxpb.WatchInboxesRequest{AccountId: 1, Viewer: user(2)})
	for _, cache := range []*inbox.Cache{administrator, agent} {
		if err := waitSynced(cache); err != nil {
			return err
		}
	}
	printJSON(map[string]bool{"ready": true})
	steps := bufio.NewScanner(os.Stdin)
	for steps.Scan() {
		switch step := steps.Text(); step {
		case "compare":
			since := time.Now().Add(time.Second)
			printResult("cache/administrator", "replicas", compareCache(replicas, administrator, 1, since))
			printResult("cache/agent", "replicas", compareCache(replicas, agent, 2, since))
		case "forget":
			err := waitForEnd(agent, 20*time.Second, inbox.ReasonAccessDenied)
			if _, other := administrator.List(); other != nil && err == nil {
				err = fmt.Errorf("expected the cache of the administrator to go on, got %w", other)
			}
			printResult("cache/forgets", "replicas", err)
		case "renew":
			err := withCache(at, "renewed", func(cache *inbox.Cache) error {
				time.Sleep(12 * time.Second)
				age, err := cache.Age()
				if err != nil || age >= 17*time.Second {
					return fmt.Errorf("expected an age below 17 s, got %v, %v", age, err)
				}
				return nil
			})
			printResult("cache/renewed", "tls", err)
		case "expire":
			err := withCache(at, "expired", func(cache *inbox.Cache) error {
				return waitForEnd(cache, 30*time.Second, inbox.ReasonCredentialsExpired)
			})
			printResult("cache/expired", "tls", err)
			return nil
		default:
			return fmt.Errorf("there is no step %q", step)
		}
	}
	return steps.Err()
}

func waitSynced(cache *inbox.Cache) error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	return cache.WaitSynced(ctx)
}

// compareCache compares a cache that is newer than a time with a list, for up to 10 s.
func compareCache(client *inbox.Client, cache *inbox.Cache, viewer int64, since time.Time) error {
	for end := time.Now().Add(openTimeout); ; time.Sleep(50 * time.Millisecond) {
		at, err := cache.ReadTime()
		if err != nil {
			return err
		}
		if at.After(since) {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("expected the state of %v, got that of %v", since, at)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := compareOnce(client, cache, viewer)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

func compareOnce(client *inbox.Client, cache *inbox.Cache, viewer int64) error {
	request := &inboxpb.ListInboxesRequest{
		AccountId: 1, Viewer: user(viewer), Freshness: inboxpb.Freshness_FRESHNESS_LATEST,
	}
	var listed []*inboxpb.Inbox
	for each, err := range client.Inboxes(context.Background(), request) {
		if err != nil {
			return err
		}
		listed = append(listed, each)
	}
	cached, err := cache.List()
	if err != nil {
		return err
	}
	isEqual := func(a, b *inboxpb.Inbox) bool { return proto.Equal(a, b) }
	if !slices.EqualFunc(listed, cached, isEqual) {
		return fmt.Errorf("expected the inboxes %v, got %v", names(listed), names(cached))
	}
	for _, each := range listed {
		one, ok, err := cache.Get(each.Id)
		if err != nil || !ok || !proto.Equal(one, each) {
			return fmt.Errorf("expected inbox %d, got %v, %w", each.Id, ok, err)
		}
	}
	return nil
}

// names are short, and have no secrets.
func names(inboxes []*inboxpb.Inbox) []string {
	names := make([]string, len(inboxes))
	for i, each := range inboxes {
		names[i] = fmt.Sprintf("%d %s %s", each.Id, each.Name, each.Etag)
	}
	return names
}

// waitForEnd waits until a cache has forgotten everything for this reason.
func waitForEnd(cache *inbox.Cache, timeout time.Duration, reason inbox.Reason) error {
	for end := time.Now().Add(timeout); cache.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("expected the end of the cache within %v", timeout)
		}
	}
	inboxes, err := cache.List()
	one, ok, _ := cache.Get(1)
	return expect(inbox.ReasonOf(cache.Err()) == reason && inbox.ReasonOf(err) == reason &&
		inboxes == nil && one == nil && !ok, "%s and no inbox, got %v, %v", reason, cache.Err(), err)
}

// withCache opens a cache of a caller with a token that ends.
func withCache(at *servers, caller string, check func(*inbox.Cache) error) error {
	config, err := at.caller(caller)
	if err != nil {
		return err
	}
	client, err := inbox.New(config)
	if err != nil {
		return err
	}
	defer client.Close()
	cache := client.OpenCache(&inboxpb.WatchInboxesRequest{
		AccountId: 1,
		Viewer:    &inboxpb.Viewer{Principal: &inboxpb.Viewer_Service{Service: &inboxpb.ServiceViewer{}}},
		Detail:    inboxpb.InboxDetail_INBOX_DETAIL_BASIC,
	})
	defer cache.Close()
	if err := waitSynced(cache); err != nil {
		return err
	}
	printJSON(map[string]bool{"opened": true})
	return check(cache)
}
