package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// fakeCity is a fake API on which trips are driven and orders ride: an order takes the
// first trip that nobody else has.
type fakeCity struct {
	*fakeAPI
	trips  []*driven
	orders []*Order
	rated  map[string]int   // by whom, as "rider" or "driver"
	lost   int              // the order, from 1, that no list has; 0: none
	stuck  func(n int) bool // whether the n-th order, from 0, is left as it is for ever
}

func newFakeCity() *fakeCity {
	f := &fakeCity{fakeAPI: newFakeAPI(), rated: map[string]int{}, stuck: func(int) bool { return false }}
	f.mux = http.NewServeMux()
	f.mux.HandleFunc("POST /v1/trips", f.postTrip)
	f.mux.HandleFunc("GET /v1/trips/{id}", f.getTrip)
	f.mux.HandleFunc("POST /v1/trips/{id}/{act...}", f.postAct)
	f.mux.HandleFunc("POST /v1/orders", f.postOrder)
	f.mux.HandleFunc("POST /v1/orders/{id}/cancel", f.postCancel)
	f.mux.HandleFunc("POST /v1/orders/{id}/rating", f.postRating)
	f.mux.HandleFunc("GET /v1/orders", f.getOrders)
	f.mux.HandleFunc("GET /v1/queue/queues", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"name":"match","pending":1,"wait_seconds":0.25},{"name":"sms","pending":1,"wait_seconds":0.5}]}`)
	})
	return f
}

func (f *fakeCity) postTrip(w http.ResponseWriter, req *http.Request) {
	in, ok := input[TripOffer](w, req)
	if !ok {
		return
	}
	d := &driven{trip: Trip{ID: uuid.New(), Status: "open", Seats: in.Seats, Origin: in.Origin, DepartAt: in.DepartAt}}
	f.trips = append(f.trips, d)
	f.answer(w, req, http.StatusCreated, d.trip)
}

func (f *fakeCity) trip(req *http.Request) *driven {
	i := slices.IndexFunc(f.trips, func(d *driven) bool { return d.trip.ID.String() == req.PathValue("id") })
	return f.trips[i]
}

func (f *fakeCity) getTrip(w http.ResponseWriter, req *http.Request) {
	f.answer(w, req, http.StatusOK, f.trip(req).trip)
}

func (f *fakeCity) postAct(w http.ResponseWriter, req *http.Request) {
	d, act := f.trip(req), req.PathValue("act")
	if act == "position" {
		d.positions = append(d.positions, d.trip.Origin.Point)
		f.answer(w, req, http.StatusOK, d.trip)
		return
	}
	if code := d.do(act); code != "" {
		refuse(w, http.StatusConflict, code)
		return
	}
	for _, o := range f.orders {
		if o.TripID.UUID != d.trip.ID || o.ended() {
			continue
		}
		switch {
		case act == "cancel":
			o.Status, o.Reason, o.MatchedAt = statusExpired, "no_trip", time.Time{}
		case strings.HasSuffix(act, "pick-up"):
			o.Status = statusRiding
		case strings.HasSuffix(act, "no-show"):
			o.Status = statusNoShow
		case strings.HasSuffix(act, "drop-off"):
			o.Status, o.DropoffAt, o.Charged = statusCompleted, time.Now(), &Fare{Amount: 800}
		}
	}
	f.answer(w, req, http.StatusOK, d.trip)
}

func (f *fakeCity) postOrder(w http.ResponseWriter, req *http.Request) {
	if _, ok := input[OrderRequest](w, req); !ok {
		return
	}
	now := time.Now()
	o := &Order{ID: uuid.Must(uuid.NewV7()), Status: statusExpired, Reason: "no_trip", Fare: Fare{Amount: 1000}, ArriveBy: now.Add(40 * time.Minute), CreatedAt: now}
	for _, d := range f.trips {
		if d.trip.Status == "open" && len(d.trip.Plan) == 0 && d.trip.DepartAt.After(now) {
			d.trip.Plan = []Stop{
				{Number: 1, Kind: stopPickup, OrderID: o.ID, State: stopAhead, At: d.trip.DepartAt.Add(5 * time.Minute)},
				{Number: 2, Kind: "dropoff", OrderID: o.ID, State: stopAhead, At: d.trip.DepartAt.Add(25 * time.Minute)},
			}
			o.Status, o.Reason, o.MatchedAt, o.TripID = statusConfirmed, "", now, uuid.NullUUID{UUID: d.trip.ID, Valid: true}
			break
		}
	}
	if f.stuck(len(f.orders)) {
		o.Status, o.TripID = statusMatching, uuid.NullUUID{}
	}
	f.orders = append(f.orders, o)
	f.answer(w, req, http.StatusAccepted, o)
}

func (f *fakeCity) postCancel(w http.ResponseWriter, req *http.Request) {
	i := slices.IndexFunc(f.orders, func(o *Order) bool { return o.ID.String() == req.PathValue("id") })
	o := f.orders[i]
	if o.Status != statusConfirmed {
		refuse(w, http.StatusConflict, "order_not_cancellable")
		return
	}
	o.Status, o.Reason = statusCancelled, "cancelled_by_rider"
	for _, d := range f.trips {
		if d.trip.ID == o.TripID.UUID {
			d.trip.Plan = slices.Clone(d.trip.Plan)
			d.trip.Plan[0].State, d.trip.Plan[1].State = "dropped", "dropped"
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

func (f *fakeCity) postRating(w http.ResponseWriter, req *http.Request) {
	i := slices.IndexFunc(f.orders, func(o *Order) bool { return o.ID.String() == req.PathValue("id") })
	in, ok := input[struct{ Stars int }](w, req)
	if !ok {
		return
	}
	if f.orders[i].Status != statusCompleted || in.Stars < 1 || in.Stars > 5 {
		refuse(w, http.StatusConflict, "rating_too_early")
		return
	}
	f.rated[strings.Fields(whose(req))[0]]++
	f.answer(w, req, http.StatusOK, in)
}

func (f *fakeCity) getOrders(w http.ResponseWriter, req *http.Request) {
	page := slices.Clone(f.orders)
	if f.lost > 0 && len(page) >= f.lost {
		page = slices.Delete(page, f.lost-1, f.lost)
	}
	slices.SortFunc(page, func(a, b *Order) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	page = slices.DeleteFunc(page, func(o *Order) bool { c := req.FormValue("cursor"); return c != "" && o.ID.String() >= c })
	cursor := ""
	if len(page) > pageSize {
		page = page[:pageSize]
		cursor = page[pageSize-1].ID.String()
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": page, "next_cursor": cursor})
}

// slowly carries requests with a delay.
type slowly struct {
	http.RoundTripper
	by time.Duration
}

func (s slowly) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := pause(req.Context(), s.by); err != nil {
		return nil, err
	}
	return s.RoundTripper.RoundTrip(req)
}

func (f *fakeCity) run(d Day) DayRun {
	return DayRun{Day: d, Client: NewClient("http://fake", inMemory{f}), Tokens: names, Clock: clock.System{}, Wait: time.Minute}
}

// small is a day whose misfortunes are many enough to count on.
var small = Day{Seed: 3, Orders: 600, Length: 6 * time.Hour, DriverCancels: 0.1, RiderCancels: 0.2, NoShows: 0.1}

// broken returns the rules that do not hold.
func broken(r DayReport) (names []string) {
	for _, rule := range r.Rules() {
		if len(rule.Findings) > 0 {
			names = append(names, rule.Name)
		}
	}
	return names
}

func TestADayIsActedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCity()
		var said strings.Builder
		run := f.run(small)
		run.Progress = &said
		r, err := PlayDay(t.Context(), run)
		if err != nil || len(broken(r)) > 0 || len(r.Warnings) > 0 {
			t.Fatal(err, broken(r), r.Warnings)
		}
		n := r.Planned
		if n.Orders != 600 || r.Accepted != 600 || len(f.orders) != 600 || sum(r.Ended) != 600 || n.Trips != 720+72 || r.Offered != n.Trips || sum(r.Trips) != n.Trips {
			t.Errorf("%+v", r)
		}
		if r.Ended[statusCompleted] < 300 || r.Ended[statusExpired] == 0 || r.Ended[statusNoShow] == 0 || r.Ended[statusNoShow] > n.NoShows ||
			r.Ended["cancelled: cancelled_by_rider"] != r.CallOff["done"] || r.Matched != r.CallOff["done"] || sum(r.CallOff) != n.RiderCancels {
			t.Errorf("orders: %v, called off: %v of %+v", r.Ended, r.CallOff, n)
		}
		if off := r.Trips[tripCancelled] + r.Trips[calledOffLate]; off == 0 || off > n.DriverCancels || off < n.DriverCancels*7/10 || r.Trips[calledOffLate] == 0 || r.Trips[tripCompleted] != n.Trips-off {
			t.Errorf("trips: %v of %+v", r.Trips, n)
		}
		if r.Pooled != r.Ended[statusCompleted] || r.Late == 0 || r.Late == r.Ended[statusCompleted] || int(r.LateBy.Count) != r.Late {
			t.Errorf("%d pooled, %d late by %+v", r.Pooled, r.Late, r.LateBy)
		}
		between(t, "riders rated", f.rated["driver"], r.Ended[statusCompleted]*3/10, r.Ended[statusCompleted]*5/10)
		between(t, "drivers rated", f.rated["rider"], r.Ended[statusCompleted]*5/10, r.Ended[statusCompleted]*7/10)
		if sum(r.Ratings) != sum(f.rated) || r.Ratings["done"] != sum(f.rated) {
			t.Errorf("ratings %v of %v", r.Ratings, f.rated)
		}
		placed, up, down, road := 0, 0, 0, 0
		for i, s := range r.Series {
			if time.Duration(s.At) != time.Duration(i)*slotLength {
				t.Fatalf("slot %d at %s", i, s.At)
			}
			placed, up, down, road = placed+s.Orders, up+s.PickedUp, down+s.Arrived, max(road, s.OnTheRoad)
		}
		if placed != 600 || up != down || down != r.Ended[statusCompleted] || road < 20 {
			t.Errorf("the day's parts have %d orders, %d picked up, %d arrived, %d trips on the road", placed, up, down, road)
		}
		if took := time.Duration(r.Day); took < 6*time.Hour || took > 8*time.Hour {
			t.Errorf("the day took %s", took)
		}
		if w := r.Waits["sms"]; len(r.Waits) != 2 || w.Count < 6*3600 || time.Duration(w.P50).Round(10*time.Millisecond) != 500*time.Millisecond {
			t.Errorf("waits %+v", r.Waits)
		}
		if lines := strings.Split(said.String(), "\n"); len(lines) < 100 || !strings.HasPrefix(lines[719], "01:00, 17 % of the day: ") {
			t.Errorf("%d lines, one of them %q", len(lines), lines[min(719, len(lines)-1)])
		}
		var table, page strings.Builder
		if err := errors.Join(r.Table(&table), r.HTML(&page)); err != nil || !strings.Contains(table.String(), "completed") || strings.Count(page.String(), "<polyline") != 7 {
			t.Errorf("%v\n%s", err, table.String())
		}
	})
}

func TestADayThatGoesWrongBreaksRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *fakeCity)
		want   string
	}{
		"an order is left open": {func(f *fakeCity) { f.stuck = func(n int) bool { return n == 17 } }, "no order is left open"},
		"an order is lost":      {func(f *fakeCity) { f.lost = 17 }, "no order is left open"},
		"orders get no answer": {func(f *fakeCity) {
			f.stop = func(_ http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodPost && req.URL.Path == "/v1/orders" && whose(req) == "rider 7" {
					panic(http.ErrAbortHandler)
				}
				return false
			}
		}, "every order was answered"},
		"a trip cannot be driven": {func(f *fakeCity) {
			f.stop = func(w http.ResponseWriter, req *http.Request) bool {
				no := strings.HasSuffix(req.URL.Path, "/depart") && whose(req) == "driver 7"
				if no {
					refuse(w, http.StatusForbidden, "drivers_only")
				}
				return no
			}
		}, "every trip was driven to its end or called off"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeCity()
			c.change(f)
			run := f.run(Day{Seed: 1, Orders: 60, Length: time.Hour})
			run.Client = NewClient("http://fake", dropping{inMemory{f}})
			r, err := PlayDay(t.Context(), run)
			got := broken(r)
			if c.want != "no order is left open" { // what is stuck is stuck in others' eyes too
				got = slices.DeleteFunc(got, func(rule string) bool { return rule == "no order is left open" })
			}
			if err != nil || !slices.Equal(got, []string{c.want}) {
				t.Errorf("%s: %v, %q", name, err, got)
			}
		})
	}
}

// With a fast clock, a slow server makes people late; the report says whose fault it is.
func TestASlowMachineIsTold(t *testing.T) {
	for _, c := range []struct {
		by   time.Duration
		want int
	}{{100 * time.Millisecond, 0}, {time.Second, 1}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeCity()
			run := f.run(Day{Seed: 1, Orders: 60, Length: time.Hour})
			run.Client = NewClient("http://fake", slowly{inMemory{f}, c.by})
			run.Clock = clock.Fast{Wall: time.Now(), App: time.Now(), Rate: 50}
			run.Wait = time.Second
			r, err := PlayDay(t.Context(), run)
			if err != nil || len(r.Warnings) != c.want || c.want > 0 && !strings.Contains(r.Warnings[0], "the machine fell behind at 50x: orders were answered after 50.0 s") {
				t.Errorf("%s: %v, %q", c.by, err, r.Warnings)
			}
		})
	}
}

func TestADayThatIsInterruptedTellsWhatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		f := newFakeCity()
		r, err := PlayDay(ctx, f.run(small))
		if !errors.Is(err, context.DeadlineExceeded) || r.Accepted != len(f.orders) || r.Accepted == 0 || time.Duration(r.Took) != 2*time.Hour {
			t.Errorf("%v after %s, %d orders", err, r.Took, r.Accepted)
		}
	})
}
