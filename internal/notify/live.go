package notify

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// liveChannel is the Redis channel that all processes share.
const liveChannel = "spotpool:live"

// UserTopic is woken when a person has a new notice.
func UserTopic(id uuid.UUID) string { return "user:" + id.String() }

// OrderTopic is woken when an order has changed.
func OrderTopic(id uuid.UUID) string { return "order:" + id.String() }

// TripTopic is woken when a trip has changed or its vehicle has moved.
func TripTopic(id uuid.UUID) string { return "trip:" + id.String() }

// Hub wakes whoever waits for news of a topic, in this process at once and in
// the others through Redis. What it carries are hints: several may melt into
// one, and while Redis is down they stay within their process. Whoever is woken
// reads the database, and looks there now and then unbidden too.
type Hub struct {
	redis redis.UniversalClient
	log   *slog.Logger
	self  string      // tells this process's own messages from the others'
	out   chan string // topics on their way to Redis

	mu   sync.Mutex
	subs map[string]map[chan struct{}]struct{}
}

// NewHub returns a hub. It reaches other processes while Run runs.
func NewHub(rdb redis.UniversalClient, log *slog.Logger) *Hub {
	return &Hub{
		redis: rdb, log: log, self: uuid.NewString(),
		out:  make(chan string, 1024),
		subs: map[string]map[chan struct{}]struct{}{},
	}
}

// Publish wakes the subscribers of topic. It never blocks.
func (h *Hub) Publish(ctx context.Context, topic string) {
	h.wake(topic)
	select {
	case h.out <- topic:
	default: // Redis is slow or down
		h.log.DebugContext(ctx, "live hint stays in this process", "topic", topic)
	}
}

// Subscribe returns a channel that receives after topic was published, and a
// function that ends the subscription. The channel is never closed.
func (h *Hub) Subscribe(topic string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[topic] == nil {
		h.subs[topic] = map[chan struct{}]struct{}{}
	}
	h.subs[topic][c] = struct{}{}
	return c, func() { h.unsubscribe(topic, c) }
}

func (h *Hub) unsubscribe(topic string, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs[topic], c)
	if len(h.subs[topic]) == 0 {
		delete(h.subs, topic)
	}
}

func (h *Hub) wake(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subs[topic] {
		nudge(c)
	}
}

func (h *Hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cs := range h.subs {
		for c := range cs {
			nudge(c)
		}
	}
}

// nudge leaves one hint in c, unless one lies there already.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run exchanges hints with the other processes until ctx is over, then returns
// nil. It outlasts a Redis that is down.
func (h *Hub) Run(ctx context.Context) error {
	ps := h.redis.Subscribe(ctx, liveChannel)
	defer func() { _ = ps.Close() }()
	var sender sync.WaitGroup
	sender.Go(func() { h.send(ctx) })
	defer sender.Wait()
	in := ps.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-in:
			h.receive(m)
		}
	}
}

// send passes hints on to Redis, one at a time; those that fail are dropped.
func (h *Hub) send(ctx context.Context) {
	down := false
	for {
		select {
		case <-ctx.Done():
			return
		case topic := <-h.out:
			err := h.redis.Publish(ctx, liveChannel, h.self+" "+topic).Err()
			if err != nil && !down && ctx.Err() == nil {
				h.log.WarnContext(ctx, "live hints do not leave this process", "err", err)
			}
			down = err != nil
		}
	}
}

func (h *Hub) receive(m any) {
	switch m := m.(type) {
	case *redis.Subscription: // connected, perhaps again: hints may have been missed
		h.wakeAll()
	case *redis.Message:
		if from, topic, ok := strings.Cut(m.Payload, " "); ok && from != h.self {
			h.wake(topic)
		}
	}
}
