// A cache of the inboxes that a user may see. A watch keeps it.
//
//	go run ./examples/cache 127.0.0.1:50051
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// maxAge is how old an answer from the cache may be. A heartbeat comes every 15 s.
const maxAge = 30 * time.Second

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: cache ADDRESS...")
	}
	client, err := inbox.New(inbox.Config{Addresses: os.Args[1:]})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// Ben is an agent of account 1. Each user needs a cache of its own.
	if err := show(client, 1, 2); err != nil {
		log.Fatal(err)
	}
	// Ben does not belong to account 2.
	err = show(client, 2, 2)
	switch inbox.ReasonOf(err) {
	case inbox.ReasonAccessDenied, inbox.ReasonAccountSuspended:
		fmt.Println("account 2: nothing is held")
	default:
		log.Fatalf("account 2: expected ACCESS_DENIED, got %v", err)
	}
}

func show(client *inbox.Client, account, user int64) error {
	cache := client.OpenCache(&inboxpb.WatchInboxesRequest{
		AccountId: account,
		Viewer:    &inboxpb.Viewer{Principal: &inboxpb.Viewer_UserId{UserId: user}},
		Detail:    inboxpb.InboxDetail_INBOX_DETAIL_BASIC,
	})
	defer cache.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := cache.WaitSynced(ctx); err != nil {
		return err
	}
	inboxes, err := cache.List()
	if err != nil {
		return err
	}
	for _, each := range inboxes {
		fmt.Printf("%d  %s\n", each.Id, each.Name)
	}
	for _, id := range []int64{3, 4} {
		may, err := maySee(cache, id)
		if err != nil {
			return err
		}
		fmt.Printf("inbox %d: may see it: %t\n", id, may)
	}
	return nil
}

// maySee asks the cache, which is not to be older than maxAge.
func maySee(cache *inbox.Cache, id int64) (bool, error) {
	age, err := cache.Age()
	if err != nil {
		return false, err // The cache is not complete, or has forgotten everything.
	}
	if age > maxAge {
		return false, errors.New("the service is away: ask it, or answer that it is away")
	}
	_, ok, err := cache.Get(id)
	return ok, err
}
