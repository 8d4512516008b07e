// Idioms of watches through a channel.

package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

var channelIdioms = []idiom{
	{"channel-has-events-and-the-error", channelEvents},
	{"channel-ends-with-its-context", channelCanceled},
	{"channel-ends-with-its-client", channelClientClosed},
}

func channelEvents(*servers) error {
	service := &watches{}
	service.watch = func(_ int, send func(*inboxpb.WatchInboxesResponse)) error {
		send(upserted(1, "a", ""))
		send(synced())
		return failure(codes.PermissionDenied, inbox.ReasonAccessDenied)
	}
	return serving(service, inbox.Config{}, func(ctx context.Context, client *inbox.Client) error {
		events, err := received(client.WatchChannel(ctx, watchRequest(1)))
		return errors.Join(
			expect(inbox.ReasonOf(err) == inbox.ReasonAccessDenied, "ACCESS_DENIED, got %v", err),
			expect(events == "+1 synced error", "the error at last, got %s", events))
	})
}

// received returns what comes until the channel is closed, in short, and the last error.
func received(channel <-chan inbox.WatchEvent) (string, error) {
	var events []string
	var last error
	for {
		select {
		case each, isOpen := <-channel:
			if !isOpen {
				return strings.Join(events, " "), last
			}
			if last = each.Err; last != nil {
				events = append(events, "error")
			} else {
				events = append(events, summary(each.Event))
			}
		case <-time.After(10 * time.Second):
			return strings.Join(append(events, "nothing"), " "), last
		}
	}
}

// Nobody receives, or somebody waits for the next event.
func channelCanceled(at *servers) error {
	return with(at.plain(), func(ctx context.Context, client *inbox.Client) error {
		if _, err := client.Get(ctx, get(1)); err != nil { // The connection has goroutines, too.
			return err
		}
		return withoutLeak(func() error {
			ctx, cancel := context.WithCancel(ctx)
			client.WatchChannel(ctx, watchRequest(1))
			waiting := client.WatchChannel(ctx, watchRequest(2))
			for range 4 {
				<-waiting
			}
			time.AfterFunc(300*time.Millisecond, cancel)
			events, err := received(waiting)
			return errors.Join(err, expect(events == "", "the end alone, got %s", events))
		})
	})
}

func channelClientClosed(at *servers) error {
	return withoutLeak(func() error {
		client, err := inbox.New(at.plain())
		if err != nil {
			return err
		}
		client.WatchChannel(context.Background(), watchRequest(1))
		waiting := client.WatchChannel(context.Background(), watchRequest(2))
		for range 4 {
			<-waiting
		}
		time.AfterFunc(300*time.Millisecond, func() { client.Close() })
		events, err := received(waiting)
		return errors.Join(err, expect(events == "", "the end alone, got %s", events))
	})
}
