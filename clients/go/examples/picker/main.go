// An inbox picker: it shows the inboxes that a user may choose from.
//
//	go run ./examples/picker 127.0.0.1:50051
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

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: picker ADDRESS")
	}
	client, err := inbox.New(inbox.Config{Addresses: os.Args[1:]})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// Ada, an administrator of account 1, has typed a "t".
	if err := show(client, 1, 1, "t"); err != nil {
		log.Fatal(err)
	}
	// Ada does not belong to account 2.
	err = show(client, 2, 1, "")
	switch inbox.ReasonOf(err) {
	case inbox.ReasonAccessDenied, inbox.ReasonAccountSuspended:
		fmt.Println("account 2: nothing to choose from")
	default:
		if err != nil {
			log.Fatalf("account 2: %v", err)
		}
	}
}

// show prints one page of the inboxes of a user. Each error but cancellation means that the last list of the
// user stays on display; it is no empty list.
func show(client *inbox.Client, account, user int64, typed string) error {
	// Cancelled when the user types on.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	request := &inboxpb.ListInboxesRequest{
		AccountId:  account,
		Viewer:     &inboxpb.Viewer{Principal: &inboxpb.Viewer_UserId{UserId: user}},
		Detail:     inboxpb.InboxDetail_INBOX_DETAIL_BASIC,
		PageSize:   2, // As many as the picker shows.
		NamePrefix: typed,
	}
	page, err := client.List(ctx, request)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, each := range page.Inboxes {
		kind := each.ChannelKind.String()
		if each.ChannelKind == inboxpb.ChannelKind_CHANNEL_KIND_UNSPECIFIED {
			kind = each.GetChannelType() // A channel that the service does not know.
		}
		fmt.Printf("%d  %s  (%s)\n", each.Id, each.Name, kind)
	}
	if page.NextPageToken != "" {
		fmt.Println("and more")
	}
	return nil
}
