package order

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/trip"
)

// The life of one trip with several orders, against a model that knows nothing of
// plans in JSON, versions, transactions, jobs or the ledger. Here are its seats; its
// money is in life_money_test.go.
type lifeModel struct {
	w       *world
	t       *rapid.T
	bank    *bank
	id      uuid.UUID
	departs time.Time // as offered
	status  trip.Status
	seats   int
	orders  map[uuid.UUID]*modelOrder
	stops   []*modelStop
	settled time.Time // when all that the trip's orders are charged was taken or owed
}

type modelOrder struct {
	Order
	status   Status
	lost     bool // its trip was called off: it looks for another one, and finds none
	matched  time.Time
	promised time.Time // the pickup
	fate     *fate
	fee      money.Amount // of a late cancel
	settled  time.Time    // when that was taken or owed
	refunded bool
}

type modelStop struct {
	order   *modelOrder
	pickup  bool
	place   trip.Place
	state   string // ahead, reached, made, missed, dropped
	reached time.Time
}

func (s *modelStop) over() bool { return s.state != "ahead" && s.state != "reached" }

// load returns the largest number of seats taken at once.
func (m *lifeModel) load() (most int) {
	load := 0
	for _, s := range m.stops {
		if s.state == "missed" || s.state == "dropped" {
			continue
		}
		if s.pickup {
			load += s.order.Seats
		} else {
			load -= s.order.Seats
		}
		most = max(most, load)
	}
	return most
}

func (m *lifeModel) try(fn func(tx *db.Tx) error) error { return m.w.h.DB.Tx(context.Background(), fn) }

func (m *lifeModel) must(what string, err error) {
	if err != nil {
		m.t.Fatalf("%s: %v", what, err)
	}
}

// expect fails unless err is of the code, "" being none.
func (m *lifeModel) expect(what string, err error, code string) {
	if got := fault.CodeOf(err); err != nil && (got != code) || err == nil && code != "" {
		m.t.Fatalf("%s: %v, want %q", what, err, code)
	}
}

func (m *lifeModel) trip() trip.Trip {
	t, err := m.w.trips.Get(context.Background(), m.id)
	m.must("read the trip", err)
	return t
}

// join puts an order somewhere into the plan, if it is open and has room.
func (m *lifeModel) join() {
	seats := rapid.IntRange(1, 3).Draw(m.t, "seats")
	from, to := float64(rapid.IntRange(0, 9).Draw(m.t, "from")), float64(rapid.IntRange(10, 20).Draw(m.t, "to"))
	up := rapid.IntRange(0, len(m.stops)).Draw(m.t, "pickup")
	down := rapid.IntRange(up, len(m.stops)).Draw(m.t, "dropoff")
	o := &modelOrder{status: Matched, fate: m.drawFate()}
	if m.status != trip.Open || len(m.stops) >= 10 {
		return
	}
	stops := slices.Insert(slices.Clone(m.stops), down, &modelStop{order: o, place: place(to), state: "ahead"})
	stops = slices.Insert(stops, up, &modelStop{order: o, pickup: true, place: place(from), state: "ahead"})
	o.Seats = seats
	with := &lifeModel{stops: stops}
	if with.load() > m.seats {
		return
	}
	rider := m.w.person()
	m.must("order and match", m.try(func(tx *db.Tx) (err error) {
		o.Order, err = m.w.Place(tx, rider, Wish{Route: Route{Origin: place(from), Dest: place(to), Seats: seats}})
		if err != nil {
			return err
		}
		now := m.trip()
		now.Plan = slices.Insert(now.Plan, down, trip.Stop{OrderID: o.ID, Kind: trip.Dropoff, Place: o.Dest, Seats: seats, Latest: now.DepartAt.Add(24 * time.Hour)})
		now.Plan = slices.Insert(now.Plan, up, trip.Stop{OrderID: o.ID, Kind: trip.Pickup, Place: o.Origin, Seats: seats})
		now = now.Reschedule(ruler{})
		if err := m.w.trips.Assign(tx, now, now.Version); err != nil {
			return err
		}
		in, out := now.Plan.Ends(o.ID)
		o.matched, o.promised = m.w.clock.Now(), in.At
		return m.w.Matched(tx, o.ID, m.id, in.At, out.At)
	}))
	m.bank.fates[o.ID.String()] = o.fate
	m.orders[o.ID], m.stops = o, stops
}

// some returns one of the orders, or none.
func (m *lifeModel) some() *modelOrder {
	var all []*modelOrder
	for _, s := range m.stops {
		if s.pickup {
			all = append(all, s.order)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(m.t, "order")]
}

// cancel has a rider, or an operator, call an order off.
func (m *lifeModel) cancel() {
	by := rapid.SampledFrom([]string{"the rider", "the rider", "an operator"}).Draw(m.t, "who cancels")
	o := m.some()
	if o == nil {
		return
	}
	rider := o.RiderID
	if by == "an operator" {
		rider = uuid.Nil
	}
	err := m.try(func(tx *db.Tx) error {
		_, err := m.w.Cancel(tx, o.ID, rider)
		return err
	})
	switch {
	case o.status == Cancelled:
		m.expect("cancel again", err, "")
		return
	case o.lost && err != nil && fault.CodeOf(err) == ErrNotCancellable.Code: // nothing was found in time
		return
	case !o.lost && o.status != Matched && o.status != Confirmed:
		m.expect("cancel", err, "order_not_cancellable")
		return
	}
	m.expect("cancel", err, "")
	if rider != uuid.Nil {
		o.fee = m.cancelFee(o)
	}
	o.status = Cancelled
	m.leave(o)
}

// leave takes an order off the plan, or once that is driven, strikes out its stops.
func (m *lifeModel) leave(o *modelOrder) {
	if m.status == trip.Departed {
		for _, s := range m.stops {
			if s.order == o && !s.over() {
				s.state = "dropped"
			}
		}
	} else {
		m.stops = slices.DeleteFunc(m.stops, func(s *modelStop) bool { return s.order == o })
	}
}

// cancelTrip has the driver call off.
func (m *lifeModel) cancelTrip() {
	begun := slices.ContainsFunc(m.stops, func(s *modelStop) bool { return s.state == "made" || s.state == "missed" })
	code := ""
	if m.status == trip.Completed || m.status == trip.Departed && begun {
		code = "trip_not_cancellable"
	}
	m.expect("cancel the trip", m.try(func(tx *db.Tx) error {
		_, err := m.w.CancelTrip(tx, m.id, uuid.Nil)
		return err
	}), code)
	if code != "" || m.status == trip.Cancelled {
		return
	}
	m.status = trip.Cancelled
	for _, o := range m.orders {
		o.lost = o.status == Matched || o.status == Confirmed
	}
}

func (m *lifeModel) setSeats() {
	n := rapid.IntRange(1, trip.MaxSeats).Draw(m.t, "new seats")
	code := ""
	switch {
	case m.status != trip.Open:
		code = "trip_not_open"
	case n < m.load():
		code = "seats_taken"
	}
	m.expect("set seats", m.try(func(tx *db.Tx) error {
		_, err := m.w.trips.SetSeats(tx, m.id, uuid.Nil, 0, n)
		return err
	}), code)
	if code == "" {
		m.seats = n
	}
}

func (m *lifeModel) setOut() {
	code := ""
	if m.status == trip.Cancelled {
		code = "trip_not_open"
	}
	m.expect("set out", m.try(func(tx *db.Tx) error {
		_, err := m.w.SetOut(tx, m.id, uuid.Nil)
		return err
	}), code)
	if m.status == trip.Open {
		m.status = trip.Departed
	}
}

func (m *lifeModel) complete() {
	code := ""
	switch {
	case m.status == trip.Completed:
	case m.status != trip.Departed:
		code = "trip_not_under_way"
	case slices.ContainsFunc(m.stops, func(s *modelStop) bool { return !s.over() }):
		code = "stops_left"
	}
	m.expect("complete", m.try(func(tx *db.Tx) error {
		_, err := m.w.Complete(tx, m.id, uuid.Nil)
		return err
	}), code)
	if code == "" {
		m.status = trip.Completed
	}
}

// next is the number of the first stop that is not over, or one behind the last.
func (m *lifeModel) next() int {
	if i := slices.IndexFunc(m.stops, func(s *modelStop) bool { return !s.over() }); i >= 0 {
		return i + 1
	}
	return len(m.stops) + 1
}

// act does something at a stop, mostly at the one whose turn it is.
func (m *lifeModel) act() {
	if m.status == trip.Cancelled { // orders leave its plan as their jobs come to it
		return
	}
	n := m.next()
	does := []trip.Act{trip.Arrive, trip.PickUp, trip.NoShow, trip.DropOff}
	switch {
	case rapid.IntRange(0, 5).Draw(m.t, "whatever") == 5:
		n = rapid.IntRange(0, len(m.stops)+1).Draw(m.t, "stop")
	case n > len(m.stops):
	case !m.stops[n-1].pickup:
		does = []trip.Act{trip.DropOff, trip.DropOff, trip.Arrive}
	case m.stops[n-1].state == "reached":
		does = []trip.Act{trip.PickUp, trip.NoShow, trip.NoShow}
	default:
		does = []trip.Act{trip.PickUp, trip.PickUp, trip.Arrive}
	}
	a := rapid.SampledFrom(does).Draw(m.t, "act")
	again, code := m.judge(n, a)
	err := m.try(func(tx *db.Tx) error {
		_, err := m.w.Act(tx, m.id, uuid.Nil, n, a)
		return err
	})
	m.expect(string(a), err, code)
	if err == nil && !again {
		m.apply(n, a)
	}
}

// judge says whether an act was done before, and the code it is refused with.
func (m *lifeModel) judge(n int, a trip.Act) (again bool, code string) {
	if n < 1 || n > len(m.stops) {
		return false, "stop_not_found"
	}
	s := m.stops[n-1]
	wrong := (a == trip.PickUp || a == trip.NoShow) && !s.pickup || a == trip.DropOff && s.pickup
	switch {
	case !wrong && (a == trip.Arrive && !s.reached.IsZero() || a != trip.Arrive && a != trip.NoShow && s.state == "made" || a == trip.NoShow && s.state == "missed"):
		return true, ""
	case m.status != trip.Departed:
		return false, "trip_not_under_way"
	case wrong:
		return false, "stop_of_other_kind"
	case s.over():
		return false, "stop_over"
	case n != m.next():
		return false, "stop_not_next"
	case a == trip.NoShow && (s.state != "reached" || m.w.clock.Now().Before(m.trip().Plan[n-1].NoShowFrom(trip.DefaultNoShowWait))):
		return false, "no_show_too_early"
	case (a == trip.PickUp || a == trip.NoShow) && s.order.status != Confirmed:
		return false, "order_not_confirmed"
	}
	return false, ""
}

// apply does to the model what was accepted.
func (m *lifeModel) apply(n int, a trip.Act) {
	s := m.stops[n-1]
	if s.reached.IsZero() {
		s.reached = m.w.clock.Now()
	}
	switch a {
	case trip.Arrive:
		s.state = "reached"
	case trip.PickUp:
		s.state, s.order.status = "made", Riding
	case trip.NoShow:
		s.state, s.order.status = "missed", NoShow
		for _, other := range m.stops {
			if other.order == s.order && other != s {
				other.state = "dropped"
			}
		}
	case trip.DropOff:
		s.state, s.order.status = "made", Completed
		if m.next() > len(m.stops) {
			m.status = trip.Completed
		}
	}
}

// shared works out who was in the car with an order on some way, from the places made.
func (m *lifeModel) shared(o *modelOrder) bool {
	aboard := map[*modelOrder]bool{}
	var made []*modelStop
	for _, s := range m.stops {
		if s.state == "made" {
			made = append(made, s)
		}
	}
	for i, s := range made {
		if s.pickup {
			aboard[s.order] = true
		} else {
			delete(aboard, s.order)
		}
		if i+1 < len(made) && made[i+1].place.Point != s.place.Point && aboard[o] && len(aboard) > 1 {
			return true
		}
	}
	return false
}

// check compares trip and orders with the model.
func (m *lifeModel) check() {
	now := m.trip()
	if now.Status != m.status || now.Seats != m.seats || m.status != trip.Cancelled && now.SeatsLeft != m.seats-m.load() || now.SeatsLeft < 0 {
		m.t.Fatalf("the trip is %s with %d of %d seats left; want %s, %d of %d", now.Status, now.SeatsLeft, now.Seats, m.status, m.seats-m.load(), m.seats)
	}
	if len(now.Plan) != len(m.stops) && m.status != trip.Cancelled {
		m.t.Fatalf("%d stops, want %d", len(now.Plan), len(m.stops))
	}
	for i, s := range m.stops {
		if m.status == trip.Cancelled {
			break
		}
		if got := now.Plan[i]; got.OrderID != s.order.ID || (got.Kind == trip.Pickup) != s.pickup || got.State.String() != s.state {
			m.t.Fatalf("stop %d is %+v, want %+v", i+1, got, s)
		}
	}
	for id, o := range m.orders {
		got, err := m.w.Service.Get(context.Background(), id)
		m.must("read an order", err)
		if got.Status != o.status && !(o.lost && o.status != Cancelled && got.Status != Riding && got.Status != NoShow) {
			m.t.Fatalf("an order is %s, want %s", got.Status, o.status)
		}
		if now.Status == trip.Completed && now.Plan.Shared(id) != m.shared(o) {
			m.t.Fatalf("an order shared %v, want %v: %+v", now.Plan.Shared(id), m.shared(o), now.Plan)
		}
	}
}
