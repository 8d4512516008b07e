// Calls to a list of replicas, one of which stops in the middle.

package main

import (
	"context"
	"sync"
	"time"

	inbox "leadchat.internal/inbox-go"
	"leadchat.internal/inbox-go/inboxpb"
)

const (
	loops          = 4
	callsToBeReady = 20
	goOnFor        = 4 * time.Second
	pause          = time.Millisecond // The other programs of the machine run meanwhile.
	mostProblems   = 5
)

func runReplicas(at *servers) error {
	client, err := inbox.New(inbox.Config{Addresses: at.Replicas})
	if err != nil {
		return err
	}
	defer client.Close()

	var (
		lock     sync.Mutex
		calls    int
		failed   int
		problems = []string{}
		end      time.Time
	)
	// record counts a call, and reports whether another one is to be made.
	record := func(err error) bool {
		lock.Lock()
		defer lock.Unlock()
		calls++
		if err != nil {
			failed++
			if len(problems) < mostProblems {
				problems = append(problems, err.Error())
			}
		}
		if calls == callsToBeReady {
			printJSON(map[string]bool{"ready": true})
			end = time.Now().Add(goOnFor)
		}
		return end.IsZero() || time.Now().Before(end)
	}
	request := &inboxpb.GetInboxRequest{AccountId: 1, InboxId: 1, Viewer: user(1)}
	var group sync.WaitGroup
	for range loops {
		group.Go(func() {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				_, err := client.Get(ctx, request)
				cancel()
				if !record(err) {
					return
				}
				time.Sleep(pause)
			}
		})
	}
	group.Wait()
	printJSON(struct {
		Calls    int      `json:"calls"`
		Failed   int      `json:"failed"`
		Problems []string `json:"problems"`
	}{calls, failed, problems})
	return nil
}

// user returns a user as the viewer.
func user(id int64) *inboxpb.Viewer {
	return &inboxpb.Viewer{Principal: &inboxpb.Viewer_UserId{UserId: id}}
}
