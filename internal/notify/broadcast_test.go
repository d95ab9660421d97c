package notify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

func TestSpreadReadsAsASentence(t *testing.T) {
	const want = "(notify:broadcast_page; progress notify:broadcast_count; then notify:broadcast_end; " +
		"catch notify:broadcast_end; finally notify:broadcast_count)"
	if got := Spread(uuid.New()).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

var news = Announcement{Text: "The tunnel is closed.", Area: Area{geo.Point{Lat: 31.2, Lng: 121.4}, 1000}}

func (w *world) announced(t *testing.T) Broadcast {
	t.Helper()
	var b Broadcast
	err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) (err error) {
		b, err = w.Announce(tx, news)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) calledOff(ctx context.Context, id uuid.UUID) (b Broadcast, err error) {
	err = w.deps.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		b, err = w.CallOff(tx, id)
		return err
	})
	return b, err
}

// awaitBroadcast waits until nothing of the broadcast runs any more.
func (w *world) awaitBroadcast(t *testing.T, id uuid.UUID, state BroadcastState) (b Broadcast) {
	t.Helper()
	w.queue.Await("the broadcast to be "+string(state), func() bool {
		var err error
		if b, err = w.Broadcast(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return b.FinishedAt != nil && b.State == state
	})
	return b
}

func TestABroadcastReachesEveryoneOnce(t *testing.T) {
	w := newWorld(t)
	a, b, c, d := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	w.upcoming = [][]uuid.UUID{{a, b}, {b, c}, {}, {d, a}} // who has orders on two pages
	live, end := w.deps.Hub.Subscribe(UserTopic(d))
	defer end()
	sent := w.announced(t)
	if sent.State != Sending || sent.Pages != 1 || sent.Told != 0 || sent.FinishedAt != nil {
		t.Errorf("begun as %+v", sent)
	}
	got := w.awaitBroadcast(t, sent.ID, Sent)
	if got.Told != 4 || got.Pages != 4 || got.PagesDone != 4 || got.PagesFailed != 0 || got.Text != news.Text || got.Area != news.Area {
		t.Errorf("sent as %+v", got)
	}
	wantHint(t, live)
	for _, rider := range []uuid.UUID{a, b, c, d} {
		found, err := w.Inbox(t.Context(), rider, uuid.Nil, 10)
		if err != nil || len(found) != 1 || found[0].Text != news.Text || found[0].Event != Announced || found[0].OrderID.Valid {
			t.Errorf("inbox %+v, %v", found, err)
		}
	}
	if flow := w.queue.Flow(sent.ID); flow.State != "done" || flow.Text != Spread(sent.ID).String() {
		t.Errorf("flow %s: %s", flow.State, flow.Text)
	}
	second := w.announced(t) // another one reaches them again
	if got := w.awaitBroadcast(t, second.ID, Sent); got.Told != 4 {
		t.Errorf("another one told %d", got.Told)
	}
	if _, err := w.calledOff(t.Context(), sent.ID); !errors.Is(err, ErrBroadcastOver) {
		t.Errorf("called off afterwards: %v", err)
	}
}

// awaitAsk waits until a page is asked for.
func (w *world) awaitAsk(t *testing.T, page int) {
	t.Helper()
	select {
	case got := <-w.asked:
		if got != page {
			t.Fatalf("asked for page %d, want %d", got, page)
		}
	case <-time.After(jobstest.Deadline):
		t.Fatalf("page %d was never asked for", page)
	}
}

func TestABroadcastIsCounted(t *testing.T) {
	w := newWorld(t)
	w.asked, w.goOn = make(chan int), make(chan error)
	w.upcoming = [][]uuid.UUID{{uuid.New(), uuid.New()}, {uuid.New()}}
	b := w.announced(t)
	w.awaitAsk(t, 0)
	w.goOn <- nil
	w.awaitAsk(t, 1)
	w.queue.Await("the first page to be counted", func() bool {
		now, err := w.Broadcast(t.Context(), b.ID)
		return err == nil && now.Told == 2 && now.Pages == 2 && now.PagesDone == 1 && now.State == Sending && now.FinishedAt == nil
	})
	w.goOn <- nil
	if got := w.awaitBroadcast(t, b.ID, Sent); got.Told != 3 {
		t.Errorf("told %d", got.Told)
	}
}

func TestABroadcastIsCalledOff(t *testing.T) {
	w := newWorld(t)
	w.asked, w.goOn = make(chan int), make(chan error)
	first, second := uuid.New(), uuid.New()
	w.upcoming = [][]uuid.UUID{{first}, {second}, {uuid.New()}}
	b := w.announced(t)
	w.awaitAsk(t, 0)
	w.goOn <- nil
	w.awaitAsk(t, 1) // the second page is being looked up
	for range 2 {
		if off, err := w.calledOff(t.Context(), b.ID); err != nil || off.State != CalledOff {
			t.Errorf("called off %+v, %v", off, err)
		}
	}
	w.goOn <- nil
	got := w.awaitBroadcast(t, b.ID, CalledOff)
	if got.Told != 1 || got.Pages != 2 || len(w.inbox(t, first)) != 1 || len(w.inbox(t, second)) != 0 {
		t.Errorf("called off as %+v", got)
	}
	if flow := w.queue.AwaitFlow(b.ID, "cancelled"); flow.Cause != "cancelled" {
		t.Errorf("flow %+v", flow)
	}
	if _, err := w.calledOff(t.Context(), uuid.New()); !errors.Is(err, ErrNoBroadcast) {
		t.Errorf("another one: %v", err)
	}
}

func TestABroadcastFails(t *testing.T) {
	w := newWorld(t)
	w.asked, w.goOn = make(chan int), make(chan error)
	w.upcoming = [][]uuid.UUID{{uuid.New()}, {uuid.New()}}
	b := w.announced(t)
	w.awaitAsk(t, 0)
	w.goOn <- nil
	w.awaitAsk(t, 1)
	w.goOn <- jobs.Fail(errors.New("no such area"))
	got := w.awaitBroadcast(t, b.ID, Failed)
	if got.Told != 1 || got.Pages != 2 || got.PagesDone != 1 || got.PagesFailed != 1 {
		t.Errorf("failed as %+v", got)
	}
}

func TestAnnounceRules(t *testing.T) {
	w := newWorld(t)
	w.upcoming = [][]uuid.UUID{{}}
	for name, c := range map[string]struct {
		change func(*Announcement)
		code   string
	}{
		"as usual":       {func(*Announcement) {}, ""},
		"nothing":        {func(a *Announcement) { a.Text = " \n" }, "text_empty"},
		"long":           {func(a *Announcement) { a.Text = strings.Repeat("长", 300) }, ""},
		"too long":       {func(a *Announcement) { a.Text = strings.Repeat("x", 301) }, "text_too_long"},
		"off the globe":  {func(a *Announcement) { a.Area.Lat = 91 }, "point_off_the_globe"},
		"a point":        {func(a *Announcement) { a.Area.Radius = 99 }, "radius_out_of_range"},
		"small":          {func(a *Announcement) { a.Area.Radius = 100 }, ""},
		"large":          {func(a *Announcement) { a.Area.Radius = 50_000 }, ""},
		"half a country": {func(a *Announcement) { a.Area.Radius = 50_001 }, "radius_out_of_range"},
	} {
		an := news
		c.change(&an)
		err := w.deps.DB.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := w.Announce(tx, an)
			return err
		})
		if c.code == "" && err != nil || c.code != "" && (fault.CodeOf(err) != c.code || fault.KindOf(err) != fault.Invalid) {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
	if _, err := w.Broadcast(t.Context(), uuid.New()); !errors.Is(err, ErrNoBroadcast) {
		t.Errorf("no such broadcast: %v", err)
	}
}

func TestAreaHolds(t *testing.T) {
	area := Area{geo.Point{Lat: 31, Lng: 121}, 1200}
	for p, want := range map[geo.Point]bool{
		{Lat: 31, Lng: 121}: true, {Lat: 31.0107, Lng: 121}: true, {Lat: 31.011, Lng: 121}: false, {Lat: 31.0095, Lng: 121.0095}: false,
	} {
		if area.Holds(p) != want {
			t.Errorf("%v: %v", p, !want)
		}
	}
}
