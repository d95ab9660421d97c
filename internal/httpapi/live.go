package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
)

// livePulse is how often a live stream looks into the database unbidden and,
// when there is nothing new, shows that it is alive. It bounds the delay while
// Redis is down.
const livePulse = 10 * time.Second

// message is one server-sent event.
type message struct {
	id   string
	data any
}

// stream sends what more returns, now and after each hint on the topic, until
// the client leaves or the server stops. more is given the id of the last
// message sent; the first is the client's Last-Event-ID.
func (s *Server) stream(c *gin.Context, event, topic string, more func(ctx context.Context, last string) ([]message, error)) {
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
			fmt.Fprintf(c.Writer, "id: %s\nevent: %s\ndata: %s\n\n", m.id, event, asJSON(m.data))
			last = m.id
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
// from the one after Last-Event-ID.
func (s *Server) orderEvents(c *gin.Context) {
	o, err := s.orderFor(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.stream(c, "order", notify.OrderTopic(o.ID), func(ctx context.Context, last string) ([]message, error) {
		seq, err := strconv.Atoi(last)
		if err != nil && last != "" {
			return nil, errLastEventID
		}
		events, err := s.Orders.EventsSince(ctx, o.ID, seq)
		messages := make([]message, len(events))
		for i, e := range events {
			messages[i] = message{strconv.Itoa(e.Seq), eventOf(e)}
		}
		return messages, err
	})
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
	s.stream(c, "notice", notify.UserTopic(me), func(ctx context.Context, last string) ([]message, error) {
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
			messages[i] = message{n.ID.String(), noticeOf(n)}
		}
		return messages, err
	})
}
