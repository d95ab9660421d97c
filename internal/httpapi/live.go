package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/trip"
)

// livePulse is how often a live stream looks into the database unbidden and,
// when there is nothing new, shows that it is alive. It bounds the delay while
// Redis is down.
const livePulse = 10 * time.Second

// positionPatience is how long a stream waits for Redis to say where a car is: what
// the database has to say must not wait for long.
const positionPatience = 500 * time.Millisecond

// message is one server-sent event. One without an id leaves the Last-Event-ID as it is.
type message struct {
	event string
	id    string
	data  any
}

func (m message) write(w io.Writer) {
	if m.id != "" {
		fmt.Fprintf(w, "id: %s\n", m.id)
	}
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.event, asJSON(m.data))
}

// stream sends what more returns, now and after each hint on the topic, until
// the client leaves or the server stops. more is given the id of the last
// message sent; the first is the client's Last-Event-ID.
func (s *Server) stream(c *gin.Context, topic string, more func(ctx context.Context, last string) ([]message, error)) {
	ctx := c.Request.Context()
	hints, unsubscribe := s.Hub.Subscribe(topic)
	defer unsubscribe()
	last := c.GetHeader("Last-Event-ID")
	messages, err := more(ctx, last)
	if err != nil {
		s.refuse(c, err)
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	pulse := time.NewTicker(livePulse)
	defer pulse.Stop()
	for {
		for _, m := range messages {
			m.write(c.Writer)
			last = cmp.Or(m.id, last)
		}
		if len(messages) == 0 {
			fmt.Fprint(c.Writer, ": still here\n\n")
		}
		c.Writer.Flush()
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		case <-hints:
		case <-pulse.C:
		}
		if messages, err = more(ctx, last); err != nil {
			s.Log.WarnContext(ctx, "live stream ends", "err", err)
			return
		}
	}
}

// orderEvents streams the changes of an order's status, from the first on or
// from the one after Last-Event-ID, and where its car is.
func (s *Server) orderEvents(c *gin.Context) {
	o, err := s.orderFor(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	car := s.follow()
	s.stream(c, notify.OrderTopic(o.ID), func(ctx context.Context, last string) ([]message, error) {
		seq, err := lastNumber(last)
		if err != nil {
			return nil, err
		}
		events, err := s.Orders.EventsSince(ctx, o.ID, seq)
		if err != nil {
			return nil, err
		}
		var messages []message
		for _, e := range events {
			messages = append(messages, message{"order", strconv.Itoa(e.Seq), eventOf(e)})
		}
		now, err := s.Orders.Get(ctx, o.ID)
		if err == nil && (now.Status == order.Confirmed || now.Status == order.Riding) {
			messages = append(messages, car(ctx, now.TripID.UUID)...)
		}
		return messages, err
	})
}

// tripEvents streams that a trip has changed, and where its vehicle is, to its driver
// and to operators.
func (s *Server) tripEvents(c *gin.Context) {
	id, err := s.driven(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	car := s.follow()
	s.stream(c, notify.TripTopic(id), func(ctx context.Context, last string) ([]message, error) {
		seen, err := lastNumber(last)
		if err != nil {
			return nil, err
		}
		t, err := s.Trips.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		var messages []message
		if t.Version > seen {
			messages = append(messages, message{"trip", strconv.Itoa(t.Version), progressOut{t.ID, t.Status, t.Version}})
		}
		if t.Status == trip.Departed {
			messages = append(messages, car(ctx, id)...)
		}
		return messages, nil
	})
}

// follow returns a function that returns a trip's position, once, while it is known.
func (s *Server) follow() func(ctx context.Context, trip uuid.UUID) []message {
	var shown time.Time
	return func(ctx context.Context, trip uuid.UUID) []message {
		ctx, cancel := context.WithTimeout(ctx, positionPatience)
		defer cancel()
		where, ok, err := s.Whereabouts.Of(ctx, trip)
		if err != nil {
			s.Log.DebugContext(ctx, "a position cannot be read", "err", err)
		}
		if !ok || !where.At.After(shown) {
			return nil
		}
		shown = where.At
		return []message{{event: "position", data: positionOf(trip, where)}}
	}
}

// lastNumber reads a Last-Event-ID that is a number; none is 0.
func lastNumber(last string) (int, error) {
	if last == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(last)
	if err != nil {
		err = errLastEventID
	}
	return n, err
}

var errLastEventID = fault.New(fault.Malformed, "last_event_id_invalid", "Last-Event-ID must be the id of an event of this stream")

func (s *Server) listNotices(c *gin.Context) {
	after, limit, err := pageIn(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	notices, err := s.Notices.Inbox(c.Request.Context(), who(c).UserID, after, limit+1)
	if err != nil {
		s.refuse(c, err)
		return
	}
	sendPage(c, notices, limit, func(n notify.Notice) uuid.UUID { return n.ID }, noticeOf)
}

// noticeEvents streams a user's new notices: those after Last-Event-ID, or
// those that come from now on.
func (s *Server) noticeEvents(c *gin.Context) {
	me := who(c).UserID
	start := uuid.Must(uuid.NewV7()).String() // sorts after all that was written so far
	s.stream(c, notify.UserTopic(me), func(ctx context.Context, last string) ([]message, error) {
		if last == "" {
			last = start
		}
		id, err := uuid.Parse(last)
		if err != nil {
			return nil, errLastEventID
		}
		notices, err := s.Notices.Since(ctx, me, id)
		messages := make([]message, len(notices))
		for i, n := range notices {
			messages[i] = message{"notice", n.ID.String(), noticeOf(n)}
		}
		return messages, err
	})
}
