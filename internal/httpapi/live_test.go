package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
)

// event is one server-sent event; a comment has only a text.
type event struct{ id, name, data, comment string }

// listening is an open stream.
type listening struct {
	t      testing.TB
	events chan event // closed when the stream ends
	cancel context.CancelFunc
}

// listen opens a stream and returns once it is open.
func (w *world) listen(srv *httptest.Server, u user, path, last string) *listening {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		w.t.Fatalf("a stream with status %d of the type %q", res.StatusCode, got)
	}
	checkAnswer(w.t, httptest.NewRequest("GET", path, nil), res.StatusCode, res.Header, nil)
	l := &listening{w.t, make(chan event, 100), cancel}
	go func() {
		defer func() { _ = res.Body.Close() }()
		defer close(l.events)
		var e event
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() == "" {
				l.events <- e
				e = event{}
				continue
			}
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				e.comment = value
			}
		}
	}()
	w.t.Cleanup(cancel)
	return l
}

// next returns the next event that is no comment; ok is false when the stream has ended.
func (l *listening) next() (e event, ok bool) {
	l.t.Helper()
	deadline := time.After(jobstest.Deadline)
	for {
		select {
		case e, ok := <-l.events:
			if !ok || e.comment == "" {
				return e, ok
			}
		case <-deadline:
			l.t.Fatal("no event came")
		}
	}
}

// statuses reads events until the status, and returns all with their ids.
func (l *listening) statuses(until order.Status) (got []order.Status, ids []string) {
	l.t.Helper()
	for {
		e, ok := l.next()
		if !ok || e.name != "order" {
			l.t.Fatalf("the stream has %+v (%v) after %v", e, ok, got)
		}
		var out eventOut
		if err := json.Unmarshal([]byte(e.data), &out); err != nil {
			l.t.Fatal(err)
		}
		got, ids = append(got, out.Status), append(ids, e.id)
		if out.Status == until {
			return got, ids
		}
	}
}

// serve runs the API on a port, as cmd does.
func (w *world) serve() *httptest.Server {
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = w.api.HTTPServer()
	srv.Start()
	w.t.Cleanup(func() {
		w.api.Stop()
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

func TestOrderIsFollowedLive(t *testing.T) {
	w := newWorld(t)
	srv := w.serve()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	o := w.order(rider)
	path := "/v1/orders/" + o.ID.String() + "/events"

	live := w.listen(srv, rider, path, "")
	if got, _ := live.statuses(order.Matching); len(got) != 1 {
		t.Errorf("first %v", got)
	}
	began := time.Now()
	w.offer(driver)
	w.run()
	got, ids := live.statuses(order.Confirmed)
	if want := []order.Status{order.Matched, order.Confirmed}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("then %v, want %v", got, want)
	}
	if took := time.Since(began); took > livePulse-time.Second {
		t.Errorf("took %s: the hints did not come", took)
	}
	live.cancel()

	w.do(rider, "POST", "/v1/orders/"+o.ID.String()+"/cancel", nil).is(http.StatusOK)
	resumed, _ := w.listen(srv, rider, path, ids[0]).statuses(order.Cancelled)
	if len(resumed) != 2 || resumed[0] != order.Confirmed {
		t.Errorf("after %s came %v", order.Matched, resumed)
	}
	all, _ := w.listen(srv, w.user(account.Operator), path, "").statuses(order.Cancelled)
	if len(all) != 4 || all[0] != order.Matching {
		t.Errorf("from the first on came %v", all)
	}
}

func TestNoticesComeLive(t *testing.T) {
	w := newWorld(t)
	srv := w.serve()
	w.run()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	const path = "/v1/notifications/events"
	w.offer(driver)
	w.confirmed(rider, w.order(rider))
	if got := w.inbox(driver); len(got) != 1 {
		t.Fatalf("the driver was told %v", got)
	}

	live := w.listen(srv, driver, path, "") // begins after the first notice
	second := w.confirmed(rider, w.order(rider))
	read := func(l *listening) (e event, n noticeOut) {
		t.Helper()
		e, ok := l.next()
		if !ok || e.name != "notice" || json.Unmarshal([]byte(e.data), &n) != nil || n.ID.String() != e.id {
			t.Fatalf("the stream has %+v (%v)", e, ok)
		}
		return e, n
	}
	_, n := read(live)
	if n.Event != notify.Matched || n.OrderID == nil || *n.OrderID != second.ID {
		t.Errorf("live came %+v", n)
	}

	inbox := into[pageOut[noticeOut]](w.do(driver, "GET", "/v1/notifications", nil).is(http.StatusOK)).Items
	if len(inbox) != 2 || inbox[0].ID != n.ID {
		t.Fatalf("the inbox has %+v", inbox)
	}
	if _, missed := read(w.listen(srv, driver, path, inbox[1].ID.String())); missed.ID != n.ID {
		t.Errorf("after the first notice came %+v", missed)
	}
}

// TestStreamsEndWithTheServer holds that a graceful shutdown does not wait for
// those who listen.
func TestStreamsEndWithTheServer(t *testing.T) {
	w := newWorld(t)
	srv := w.serve()
	rider := w.user(account.Rider)
	orders := w.listen(srv, rider, "/v1/orders/"+w.order(rider).ID.String()+"/events", "")
	orders.statuses(order.Matching)
	notices := w.listen(srv, rider, "/v1/notifications/events", "")
	ctx, cancel := context.WithTimeout(t.Context(), jobstest.Deadline)
	defer cancel()
	if err := srv.Config.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	for _, l := range []*listening{orders, notices} {
		if e, ok := l.next(); ok {
			t.Errorf("the stream goes on with %+v", e)
		}
	}
}
