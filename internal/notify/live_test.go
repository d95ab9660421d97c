package notify

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// startHub runs a hub of a process of its own. It returns the hub once it is
// connected, a subscription to topic, and the function that stops it all.
func startHub(t *testing.T, addr, topic string) (*Hub, <-chan struct{}, func()) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	h := NewHub(rdb, slog.New(slog.DiscardHandler))
	c, end := h.Subscribe(topic)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	wantHint(t, c)
	return h, c, func() {
		end()
		cancel()
		running.Wait()
		_ = rdb.Close()
	}
}

// wantHint waits until c is woken.
func wantHint(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was woken")
	}
}

func wantNoHint(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
		t.Fatal("woken without reason")
	default:
	}
}

func TestHintsReachOtherProcesses(t *testing.T) {
	defer goleak.VerifyNone(t)
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	here, near, stopHere := startHub(t, server.Addr(), "order:1")
	defer stopHere()
	there, far, stopThere := startHub(t, server.Addr(), "order:1")
	defer stopThere()
	other, endOther := there.Subscribe("order:2")
	defer endOther()

	here.Publish(t.Context(), "order:1")
	wantHint(t, near)
	wantHint(t, far)
	wantNoHint(t, other)
	// The second topic comes after the first on the same way, so what the first
	// could have woken a second time has been woken by now.
	here.Publish(t.Context(), "order:2")
	wantHint(t, other)
	wantNoHint(t, near)
}

func TestHintsMeltIntoOne(t *testing.T) {
	h := NewHub(nil, slog.New(slog.DiscardHandler))
	c, end := h.Subscribe("user:1")
	for range 3000 { // more than the way to Redis holds, and nobody empties it
		h.Publish(t.Context(), "user:1")
	}
	wantHint(t, c)
	wantNoHint(t, c)
	end()
	end()
	h.Publish(t.Context(), "user:1")
	wantNoHint(t, c)
	if len(h.subs) != 0 {
		t.Errorf("subscriptions are left: %v", h.subs)
	}
}

func TestHubOutlastsRedis(t *testing.T) {
	defer goleak.VerifyNone(t)
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	here, near, stopHere := startHub(t, server.Addr(), "order:1")
	defer stopHere()
	_, far, stopThere := startHub(t, server.Addr(), "order:1")
	defer stopThere()

	server.Close()
	here.Publish(t.Context(), "order:1")
	wantHint(t, near) // in its own process it needs no Redis

	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	wantHint(t, far) // connected again: it may have missed something
	wantHint(t, near)
	here.Publish(t.Context(), "order:1")
	wantHint(t, near)
	wantHint(t, far)
}
