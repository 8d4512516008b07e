// A webhook receiver: it finds the inboxes that an event is for.
//
//	go run ./examples/webhooks 127.0.0.1:50051
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: webhooks ADDRESS")
	}
	client, err := inbox.New(inbox.Config{Addresses: os.Args[1:]})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// An error does not mean that no inbox was found: the event has to be delivered again.
	for _, event := range []*inboxpb.FindInboxesRequest{
		{Key: &inboxpb.FindInboxesRequest_FacebookPageId{FacebookPageId: "555000000000104"}},
		{Key: &inboxpb.FindInboxesRequest_PhoneNumber{PhoneNumber: "+1 (555) 555-0107"}},
		{Key: &inboxpb.FindInboxesRequest_PhoneNumber{PhoneNumber: "+1 555 555 0199"}},
	} {
		if err := receive(context.Background(), client, event); err != nil {
			log.Fatalf("refuse the event: %v", err)
		}
	}
}

// receive processes an event once for each of its inboxes.
func receive(ctx context.Context, client *inbox.Client, event *inboxpb.FindInboxesRequest) error {
	service := &inboxpb.Viewer_Service{Service: &inboxpb.ServiceViewer{}}
	event.Viewer = &inboxpb.Viewer{Principal: service}
	found, err := client.Find(ctx, event)
	if err != nil {
		return err
	}
	inboxes := found.Inboxes
	for _, reference := range found.Remaining { // These did not fit into the response.
		one, err := client.Get(ctx, &inboxpb.GetInboxRequest{
			AccountId: reference.AccountId, InboxId: reference.InboxId, Viewer: event.Viewer,
		})
		switch {
		case inbox.ReasonOf(err) == inbox.ReasonInboxNotFound: // It was deleted meanwhile.
		case err != nil:
			return err
		default:
			inboxes = append(inboxes, one.Inbox)
		}
	}
	if len(inboxes) == 0 {
		fmt.Println("no inbox: accept the event, and record its address")
	}
	for _, each := range inboxes {
		fmt.Printf("account %d, inbox %d: %s\n", each.AccountId, each.Id, describe(each))
	}
	return nil
}

// describe chooses by the kind of channel. Later versions of the contract may have further kinds.
func describe(of *inboxpb.Inbox) string {
	switch channel := of.Channel.(type) {
	case *inboxpb.Inbox_FacebookPage:
		return "page " + channel.FacebookPage.GetPageId()
	case *inboxpb.Inbox_TwilioSms:
		return fmt.Sprintf("%s, %v", channel.TwilioSms.GetPhoneNumber(), channel.TwilioSms.GetMedium())
	default:
		return of.GetChannelType()
	}
}
