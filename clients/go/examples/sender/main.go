// A message sender: it checks that a user may send from an inbox, and gets the secrets to do so.
//
//	go run ./examples/sender 127.0.0.1:50051
//
// A server with --local-role administrator discloses secrets to it; the default discloses none.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: sender ADDRESS")
	}
	client, err := inbox.New(inbox.Config{Addresses: os.Args[1:]})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// Ben is a member of inbox 7, and not of inbox 4. Cleo administers account 2.
	for _, message := range []struct{ account, inbox, user int64 }{{1, 7, 2}, {1, 4, 2}, {2, 24, 3}} {
		result, err := send(context.Background(), client, message.account, message.inbox, message.user)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("account %d, inbox %d, user %d: %s\n",
			message.account, message.inbox, message.user, result)
	}
}

// send asks as the user, whose rights count, and then as a service, which gets the secrets.
func send(ctx context.Context, client *inbox.Client, account, id, user int64) (string, error) {
	request := &inboxpb.GetInboxRequest{
		AccountId: account,
		InboxId:   id,
		Viewer:    &inboxpb.Viewer{Principal: &inboxpb.Viewer_UserId{UserId: user}},
	}
	_, err := client.Get(ctx, request)
	switch inbox.ReasonOf(err) {
	case inbox.ReasonInboxNotFound, inbox.ReasonAccessDenied:
		return "the user may not send from it", nil
	}
	if err != nil {
		return "", err
	}

	service := &inboxpb.Viewer_Service{Service: &inboxpb.ServiceViewer{}}
	request.Viewer = &inboxpb.Viewer{Principal: service}
	response, err := client.Get(ctx, request)
	if err != nil {
		return "", err
	}
	switch channel := response.Inbox.Channel.(type) {
	case *inboxpb.Inbox_TwilioSms:
		const field = "twilio_sms.auth_token"
		return state(response, field, inboxpb.SecretGroup_SECRET_GROUP_TWILIO,
			channel.TwilioSms.AuthToken != nil), nil
	case *inboxpb.Inbox_Email:
		const field = "email.smtp.password"
		smtp := channel.Email.GetSmtp() // A password of "" is a stored value.
		return state(response, field, inboxpb.SecretGroup_SECRET_GROUP_SMTP,
			smtp != nil && smtp.Password != nil), nil
	default:
		return "this example cannot send from " + response.Inbox.GetChannelType(), nil
	}
}

// state says whether a secret is there, and otherwise why not. It never returns the secret.
func state(of *inboxpb.GetInboxResponse, field string, group inboxpb.SecretGroup, set bool) string {
	if set {
		return field + " is there: send"
	}
	if of.DisclosedAs == inboxpb.Role_ROLE_AGENT {
		return field + " is withheld from this service"
	}
	if slices.Contains(of.CallerWithheld, group) {
		return field + " is withheld from this caller"
	}
	for _, degradation := range of.Inbox.Degradations {
		// The path of the field, a prefix of it, or a longer path within it.
		if strings.HasPrefix(degradation.Field, field) || strings.HasPrefix(field, degradation.Field) {
			return fmt.Sprintf("%s is broken: %v", field, degradation.Reason)
		}
	}
	return field + " is not set"
}
