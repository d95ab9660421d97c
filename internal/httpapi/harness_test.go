package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/trip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "a secret for tests only"
	hookSecret = "what the payment gateway signs with"
)

// maxOrders is how many orders a rider of a world may hold.
const maxOrders = 3

// noShowWait is how long drivers of a world wait for their riders.
const noShowWait = 20 * time.Millisecond

// world is the whole program behind the API, on servers of the test's own.
type world struct {
	*jobstest.Harness
	t       testing.TB
	api     *Server
	gateway *gateway
	texts   chan string // the SMS that were sent, as "phone text"
	refused sync.Map    // the errors for numbers that get none
	phones  atomic.Int64
}

// newWorld builds the parts as cmd does. No worker runs until run is called.
// change may replace what the API is given.
func newWorld(t testing.TB, change ...func(*Deps)) *world {
	t.Helper()
	w := &world{Harness: jobstest.New(t), t: t, texts: make(chan string, 100), gateway: &gateway{}}
	now, quiet, box := clock.System{}, slog.New(slog.DiscardHandler), jobstest.Box(t)
	travel := geo.DefaultTravel
	hub := notify.NewHub(w.System.Redis(), quiet)
	accounts, err := account.New(w.DB, w.Client, box, now, []byte(testSecret), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	trips := trip.NewService(w.DB, w.Client, now, trip.Config{
		Travel: travel, DefaultDetour: trip.DefaultDetour, NoShowWait: noShowWait,
		Roomier: match.WakeWaiting, Completed: order.SettleTrip,
	})
	signed, err := pay.NewSigned("http://127.0.0.1:1", hookSecret, now)
	if err != nil {
		t.Fatal(err)
	}
	stripe, err := pay.NewStripe(pay.StripeConfig{URL: "http://127.0.0.1:1", Key: "sk_test_1", WebhookSecret: hookSecret}, now)
	if err != nil {
		t.Fatal(err)
	}
	payments := pay.New(pay.Deps{
		DB: w.DB, Queue: w.Client, Gateway: w.gateway, Hooks: map[string]pay.Hook{pay.SignedHook: signed, pay.StripeHook: stripe}, Rides: trips, Locks: jobs.NewLocker(w.System.Redis()), Clock: now, Zone: time.UTC, Log: quiet, FeePercent: 20,
	})
	orders := order.New(order.Deps{
		DB: w.DB, Queue: w.Client, Trips: trips, Payments: payments, Riders: accounts, Live: hub, Clock: now,
		Config: order.Config{Travel: travel, UsualWait: 15 * time.Minute, MatchFor: 5 * time.Minute, MaxActive: maxOrders,
			DisputeWindow: time.Hour},
	})
	ratings := rating.New(w.DB, w.Client, orders, now)
	matcher := match.NewService(match.Deps{
		Board: match.NewBoard(trips, travel, now, quiet), Trips: trips, Orders: orders, Queue: w.Client, Clock: now, Log: quiet,
	})
	notices := notify.New(notify.Deps{
		DB: w.DB, Jobs: w.Client, Limiter: jobs.NewLimiter(w.System.Redis(), now), Rides: orders, Statements: payments, People: accounts,
		SMS: []notify.Provider{{Name: "test", Texter: texter{w}}}, Hub: hub, Box: box, Clock: now, Zone: time.UTC,
	})
	deps := Deps{
		DB: w.DB, Redis: w.System.Redis(), Jobs: w.Client, Admin: w.System.Admin(), Queues: allQueues, Monitor: w.System.Monitor(MonitorRoot),
		Pages:    fstest.MapFS{"index.html": {Data: []byte("<title>pages</title>")}, "app.js": {Data: []byte("export {}")}},
		Accounts: accounts, Trips: trips, Whereabouts: trip.NewPositions(w.System.Redis()), Orders: orders, Payments: payments, Ratings: ratings, Notices: notices, Hub: hub,
		Box: box, Clock: now, Registry: prometheus.NewRegistry(), Log: quiet,
	}
	for _, f := range change {
		f(&deps)
	}
	w.api = New(deps)
	t.Cleanup(w.api.Stop)
	for _, register := range []func(*jobs.Registry){
		matcher.Register, payments.Register, orders.Register, ratings.Register, notices.Register, trips.Register,
	} {
		register(w.Registry)
	}
	return w
}

// run runs a worker for all queues until the test ends.
func (w *world) run() { w.Work(allQueues...) }

// texter hands over each SMS, unless its number is refused.
type texter struct{ w *world }

func (c texter) Text(_ context.Context, m notify.SMS) error {
	if err, ok := c.w.refused.Load(m.Phone); ok {
		return err.(error)
	}
	c.w.texts <- m.Phone + " " + m.Text
	return nil
}

// gateway holds whatever it is asked to, unless told to decline.
type gateway struct {
	pay.Sandbox
	declines atomic.Bool
}

func (g *gateway) Hold(ctx context.Context, r pay.Reservation) (string, error) {
	if g.declines.Load() {
		return "", pay.ErrDeclined
	}
	return g.Sandbox.Hold(ctx, r)
}

// user is someone who calls the API; the zero user has not signed in.
type user struct {
	account.User
	token string
}

var nobody user

// user makes a user of the role.
func (w *world) user(role account.Role) user {
	w.t.Helper()
	u, err := w.api.Accounts.Ensure(context.Background(), w.phone(), role)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.api.Accounts.Mint(u)
	if err != nil {
		w.t.Fatal(err)
	}
	return user{u, token.Text}
}

// phone returns a number that nobody has yet.
func (w *world) phone() string { return fmt.Sprintf("+86138%08d", w.phones.Add(1)) }

// header is a request's header besides its token.
type header map[string]string

// request returns a request of u. body is sent as it is when a string, else as JSON.
func (u user) request(method, path string, body any, headers ...header) *http.Request {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		in = bytes.NewReader(asJSON(b))
	}
	req := httptest.NewRequest(method, path, in)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if u.token != "" {
		req.Header.Set("Authorization", "Bearer "+u.token)
	}
	for _, h := range headers {
		for name, value := range h {
			req.Header.Set(name, value)
		}
	}
	return req
}

// answer is what the API said.
type answer struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// do calls the API and holds its answer against the description.
func (w *world) do(u user, method, path string, body any, headers ...header) answer {
	w.t.Helper()
	return w.send(u.request(method, path, body, headers...))
}

func (w *world) send(req *http.Request) answer {
	w.t.Helper()
	a := answer{httptest.NewRecorder(), w.t}
	w.api.ServeHTTP(a, req)
	checkAnswer(w.t, req, a.Code, a.Header(), a.Body.Bytes())
	return a
}

// is fails the test when the answer has another status.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	return a
}

// refused fails the test unless the answer is the problem named.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	if p := into[problemOut](a.is(status)); p.Code != code || p.Status != status || p.RequestID == "" || p.Detail == "" {
		a.t.Fatalf("problem %+v, want the code %s", p, code)
	}
	if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
		a.t.Fatalf("a problem of the type %q", got)
	}
	return a
}

// into reads an answer's body.
func into[T any](a answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
		a.t.Fatalf("%v: %s", err, a.Body)
	}
	return v
}

// object is JSON on its way in.
type object = map[string]any

// The places of most tests: a trip from west to east, an order on its way.
var (
	west  = object{"lat": 31.23, "lng": 121.40, "name": "West"}
	east  = object{"lat": 31.23, "lng": 121.55, "name": "East"}
	here  = object{"lat": 31.23, "lng": 121.44, "name": "Here"}
	there = object{"lat": 31.23, "lng": 121.52, "name": "There"}
)

func tripBody() object {
	return object{"origin": west, "destination": east, "seats": 3, "depart_at": stamp(time.Now().Add(2 * time.Minute))}
}

func orderBody() object { return object{"origin": here, "destination": there, "seats": 1} }

// with returns the object with one field more, or another value of it.
func with(o object, field string, value any) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	out[field] = value
	return out
}

func without(o object, field string) object {
	out := with(o, field, nil)
	delete(out, field)
	return out
}

// offer has the driver offer a trip.
func (w *world) offer(driver user) tripOut {
	w.t.Helper()
	return into[tripOut](w.do(driver, "POST", "/v1/trips", tripBody()).is(http.StatusCreated))
}

// order has the rider order a seat.
func (w *world) order(rider user) orderOut {
	w.t.Helper()
	return into[orderOut](w.do(rider, "POST", "/v1/orders", orderBody()).is(http.StatusAccepted))
}

// see reads an order as u sees it.
func (w *world) see(u user, o orderOut) orderOut {
	w.t.Helper()
	return into[orderOut](w.do(u, "GET", "/v1/orders/"+o.ID.String(), nil).is(http.StatusOK))
}

// awaitOrder waits until the order fits and returns it.
func (w *world) awaitOrder(u user, o orderOut, what string, fits func(orderOut) bool) orderOut {
	w.t.Helper()
	w.Await("order "+what, func() bool {
		o = w.see(u, o)
		return fits(o)
	})
	return o
}

// confirmed waits until the order is confirmed and its flow has ended.
func (w *world) confirmed(u user, o orderOut) orderOut {
	w.t.Helper()
	o = w.awaitOrder(u, o, "confirmed", func(o orderOut) bool { return o.Status == order.Confirmed && o.Flow.State == "done" })
	w.Await("everyone to be told", func() bool { return w.undone("notify:spread") == 0 })
	return o
}

// undone returns how many jobs of a kind have not ended.
func (w *world) undone(kind string) (n int) {
	w.t.Helper()
	if err := w.DB.Read(w.t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE state = 'ready' AND kind = ?", kind).Scan(&n).Error; err != nil {
		w.t.Fatal(err)
	}
	return n
}

// seeTrip reads a trip as u sees it.
func (w *world) seeTrip(u user, t tripOut) tripOut {
	w.t.Helper()
	return into[tripOut](w.do(u, "GET", "/v1/trips/"+t.ID.String(), nil).is(http.StatusOK))
}

// containsText reports whether an answer's body has the text in it.
func containsText(a answer, text string) bool { return strings.Contains(a.Body.String(), text) }
