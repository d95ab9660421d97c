package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
)

// question is a request with the status of its answer.
type question struct {
	who          user
	method, path string
	body         any
	status       int
}

// TestEveryOperationAnswersAsDescribed asks for each operation of the
// description once, with requests that it allows. That the answers are as
// described is held by send.
func TestEveryOperationAnswersAsDescribed(t *testing.T) {
	w := newWorld(t)
	operator, _ := w.failures()
	driver, rider := w.user(account.Driver), w.user(account.Rider)
	ridden := w.offer(driver)
	refunded := w.confirmed(rider, w.order(rider))
	w.settled(ridden, refunded)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	phone := w.phone()
	code := w.askCode(phone)
	key := header{"Idempotency-Key": uuid.NewString()}
	now := time.Now()
	full := with(with(orderBody(), "depart_after", stamp(now)), "arrive_before", stamp(now.Add(time.Hour)))

	done := map[string]bool{
		"orderEvents": true, "noticeEvents": true, "tripEvents": true, // these never end; see TestOrderIsFollowedLive
		"changeTrip": true, // needs a header; see TestSeatsAreChanged
	}
	for _, r := range append(slices.Concat(w.queueRequests(operator), w.broadcastRequests(operator), w.statementRequests(), w.driveRequests(), w.paymentRequests(rider)), []question{
		{nobody, "POST", "/v1/auth/codes", object{"phone": w.phone()}, http.StatusAccepted},
		{nobody, "POST", "/v1/auth/tokens", with(signInBody(phone, code), "role", "driver"), http.StatusOK},
		{operator, "POST", "/v1/auth/cookie", nil, http.StatusNoContent},
		{operator, "DELETE", "/v1/auth/cookie", nil, http.StatusNoContent},
		{driver, "POST", "/v1/trips", with(tripBody(), "max_detour_minutes", 0), http.StatusCreated},
		{driver, "GET", "/v1/trips?mine=1&limit=1", nil, http.StatusOK},
		{driver, "GET", "/v1/trips/" + tr.ID.String(), nil, http.StatusOK},
		{driver, "GET", "/v1/trips/" + tr.ID.String() + "/notices", nil, http.StatusOK},
		{rider, "GET", "/v1/trips/" + tr.ID.String(), nil, http.StatusOK},
		{rider, "POST", "/v1/quotes", orderBody(), http.StatusOK},
		{rider, "POST", "/v1/orders", full, http.StatusAccepted},
		{rider, "GET", "/v1/orders?limit=1&status=confirmed&cursor=" + uuid.Max.String(), nil, http.StatusOK},
		{rider, "GET", "/v1/orders/" + o.ID.String(), nil, http.StatusOK},
		{rider, "POST", "/v1/orders/" + o.ID.String() + "/cancel", object{}, http.StatusOK},
		{operator, "POST", "/v1/orders/" + refunded.ID.String() + "/refund", object{}, http.StatusAccepted},
		{rider, "GET", "/v1/notifications", nil, http.StatusOK},
		{rider, "PUT", preferences, object{"sms": false}, http.StatusOK},
		{rider, "GET", preferences, nil, http.StatusOK},
		{driver, "POST", "/v1/trips/" + tr.ID.String() + "/cancel", object{}, http.StatusOK},
		{nobody, "GET", "/openapi.yaml", nil, http.StatusOK},
		{nobody, "GET", "/healthz", nil, http.StatusOK},
		{nobody, "GET", "/readyz", nil, http.StatusOK},
		{nobody, "GET", "/v1/clock", nil, http.StatusOK},
		{nobody, "GET", "/metrics", nil, http.StatusOK},
	}...) {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			signed := r.signature()
			done[checkRequest(t, r.who.request(r.method, r.path, r.body, key, signed))] = true
			a := w.do(r.who, r.method, r.path, r.body, signed)
			a.t = t
			a.is(r.status)
		})
	}
	for path, item := range described().doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !done[op.OperationID] {
				t.Errorf("%s %s was not asked for", method, path)
			}
		}
	}
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	now := clock.NewFake(time.Now())
	w := newWorld(t, func(d *Deps) { d.Clock, d.Rate = now, Rate{User: 2, Address: 0.1} })
	rider, other := w.user(account.Rider), w.user(account.Rider)

	list := func(u user) answer { return w.do(u, "GET", "/v1/orders", nil) }
	for i := range 4 { // a burst is twice what a second allows
		a := list(rider).is(http.StatusOK)
		if got, want := a.Header().Get("RateLimit"), `"default";r=`+strconv.Itoa(3-i)+`;t=`; !strings.HasPrefix(got, want) {
			t.Errorf("RateLimit %s, want %s…", got, want)
		}
		if got := a.Header().Get("RateLimit-Policy"); got != `"default";q=4;w=2` {
			t.Errorf("RateLimit-Policy %s", got)
		}
	}
	before := w.counts(t)
	if got := list(rider).refused(http.StatusTooManyRequests, "too_many_requests").Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %s", got)
	}
	w.do(rider, "POST", "/v1/orders", orderBody()).refused(http.StatusTooManyRequests, "too_many_requests")
	if after := w.counts(t); after["orders"] != before["orders"] {
		t.Error("a refused order was written")
	}
	list(other).is(http.StatusOK)
	now.Advance(time.Second)
	list(rider).is(http.StatusOK)

	ask := func() answer { return w.do(nobody, "POST", "/v1/auth/codes", object{"phone": w.phone()}) }
	ask().is(http.StatusAccepted)
	if got := ask().refused(http.StatusTooManyRequests, "too_many_requests").Header().Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After %s at one in ten seconds", got)
	}
	w.do(nobody, "POST", "/v1/auth/tokens", object{}).refused(http.StatusTooManyRequests, "too_many_requests")
	now.Advance(10 * time.Second)
	ask().is(http.StatusAccepted)
}

// However fast time runs, a process takes no more requests a second of the wall's.
func TestRequestsAreLimitedByTheWallsClock(t *testing.T) {
	now := clock.System{}.Now()
	w := newWorld(t, func(d *Deps) { d.Clock, d.Rate = clock.Fast{Wall: now, App: now, Rate: 3600}, Rate{User: 0.1} })
	rider := w.user(account.Rider)
	w.do(rider, "GET", "/v1/orders", nil).is(http.StatusOK)
	a := w.do(rider, "GET", "/v1/orders", nil).refused(http.StatusTooManyRequests, "too_many_requests")
	if wait, err := strconv.Atoi(a.Header().Get("Retry-After")); err != nil || wait < 1 || wait > 10 {
		t.Errorf("Retry-After %d, %v", wait, err)
	}
}

func TestTheClockIsTold(t *testing.T) {
	start := time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		clock clock.Clock
		speed float64
	}{{clock.NewFake(start), 1}, {clock.Fast{Wall: time.Now(), App: start, Rate: 60}, 60}} {
		w := newWorld(t, func(d *Deps) { d.Clock = c.clock })
		got := into[clockOut](w.do(nobody, "GET", "/v1/clock", nil).is(http.StatusOK))
		now, err := time.Parse(time.RFC3339Nano, got.Now)
		if err != nil || now.Before(start) || now.After(c.clock.Now()) || got.Speed != c.speed {
			t.Errorf("told %+v, %v; want from %s to %s", got, err, start, c.clock.Now())
		}
	}
}

func TestLimiterForgetsInTheEnd(t *testing.T) {
	l := newLimiter(Rate{}, clock.System{})
	for range maxBuckets + 10 {
		l.bucket(uuid.NewString(), 1)
	}
	if n := len(l.buckets); n != 10 {
		t.Errorf("%d buckets", n)
	}
}

func TestReadinessTellsWhatIsDown(t *testing.T) {
	w := newWorld(t)
	if got := into[map[string]string](w.do(nobody, "GET", "/readyz", nil).is(http.StatusOK)); got["database"] != "ok" || got["redis"] != "ok" {
		t.Errorf("all is up: %v", got)
	}
	if err := w.api.Redis.Close(); err != nil {
		t.Fatal(err)
	}
	if got := into[map[string]string](w.do(nobody, "GET", "/readyz", nil).is(http.StatusOK)); got["database"] != "ok" || !strings.HasPrefix(got["redis"], "down") {
		t.Errorf("Redis is down: %v", got)
	}
	rider := w.user(account.Rider)
	w.order(rider) // accepted all the same
	if err := w.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if got := into[map[string]string](w.do(nobody, "GET", "/readyz", nil).is(http.StatusServiceUnavailable)); got["database"] != "down" {
		t.Errorf("the database is down: %v", got)
	}
	a := w.do(rider, "GET", "/v1/orders", nil).refused(http.StatusInternalServerError, "internal")
	if containsText(a, "sql") || containsText(a, "closed") {
		t.Errorf("the problem tells of the inside: %s", a.Body)
	}
}

func TestAnswersHaveTheirHeaders(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ sent, want string }{
		{"trace-7.a_B", "trace-7.a_B"}, {"", ""}, {"two words", ""}, {strings.Repeat("x", 65), ""},
	} {
		got := w.do(nobody, "GET", "/v1/orders", nil, header{"X-Request-ID": c.sent})
		id := got.Header().Get("X-Request-ID")
		if c.want != "" && id != c.want || c.want == "" && uuid.Validate(id) != nil {
			t.Errorf("the request %q is called %q", c.sent, id)
		}
		if p := into[problemOut](got); p.RequestID != id {
			t.Errorf("the problem of %q is called %q", id, p.RequestID)
		}
	}
	a := w.do(nobody, "GET", "/", nil).is(http.StatusOK)
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
		if got := a.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !containsText(a, "pages") || !containsText(w.do(nobody, "GET", "/assets/app.js", nil).is(http.StatusOK), "export") {
		t.Error("the pages are not served")
	}
	if got := w.do(nobody, "DELETE", "/v1/orders", nil).Header().Get("Allow"); !strings.Contains(got, "GET") || !strings.Contains(got, "POST") {
		t.Errorf("Allow %q", got)
	}
}

func TestMetricsCountByRoute(t *testing.T) {
	w := newWorld(t)
	operator := w.user(account.Operator)
	for range 3 {
		w.do(operator, "GET", "/v1/orders/"+uuid.NewString(), nil).is(http.StatusNotFound)
	}
	w.do(nobody, "GET", "/somewhere", nil)
	a := w.do(nobody, "GET", "/metrics", nil).is(http.StatusOK)
	for _, line := range []string{
		`spotpool_http_requests_total{method="GET",route="/v1/orders/:id",status="404"} 3`,
		`spotpool_http_requests_total{method="GET",route="none",status="404"} 1`,
		`spotpool_http_request_seconds_count{method="GET",route="/v1/orders/:id"} 3`,
	} {
		if !containsText(a, line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	w := newWorld(t)
	w.api.engine.GET("/panic", func(*gin.Context) { panic("a secret") })
	if a := w.do(nobody, "GET", "/panic", nil).refused(http.StatusInternalServerError, "internal"); containsText(a, "secret") {
		t.Errorf("the problem tells of the inside: %s", a.Body)
	}
}
