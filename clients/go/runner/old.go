// What a client of an older contract sees of a newer server.

package main

import (
	"context"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

// oldLine has the set member of the oneof by its name, since this code is built with older
// contracts that lack some of them.
type oldLine struct {
	ID          int64   `json:"id"`
	ChannelType *string `json:"channel_type"`
	ChannelKind int32   `json:"channel_kind"`
	Channel     *string `json:"channel"`
	Name        string  `json:"name"`
}

func runOld(at *servers) error {
	client, err := inbox.New(at.plain())
	if err != nil {
		return err
	}
	defer client.Close()
	request := &inboxpb.ListInboxesRequest{AccountId: 1, Viewer: user(1)}
	for each, err := range client.Inboxes(context.Background(), request) {
		if err != nil {
			return err
		}
		line := oldLine{each.Id, each.ChannelType, int32(each.ChannelKind), nil, each.Name}
		message := each.ProtoReflect()
		oneof := message.Descriptor().Oneofs().ByName("channel")
		if member := message.WhichOneof(oneof); member != nil {
			name := string(member.Name())
			line.Channel = &name
		}
		printJSON(line)
	}
	return nil
}
