package trip

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
)

// StopState is where a stop stands while its trip is driven.
type StopState string

// The states.
const (
	Ahead   StopState = ""        // is to be made
	Reached StopState = "reached" // the vehicle stands there
	Made    StopState = "made"    // the rider has got in, or out
	Missed  StopState = "missed"  // the rider did not come to the pickup
	Dropped StopState = "dropped" // is not made: the order was called off after the departure, or its rider did not come
)

// String returns the state's name; that of Ahead is not empty.
func (s StopState) String() string {
	if s == Ahead {
		return "ahead"
	}
	return string(s)
}

var stopTransitions = map[StopState][]StopState{
	Ahead:   {Reached, Made, Dropped},
	Reached: {Made, Missed, Dropped},
}

// Can reports whether a stop may go from s to the other state.
func (s StopState) Can(to StopState) bool { return slices.Contains(stopTransitions[s], to) }

// over reports whether nothing more happens at the stop.
func (s Stop) over() bool { return s.State != Ahead && s.State != Reached }

// Act is what a driver says to have done at a stop.
type Act string

// The acts.
const (
	Arrive  Act = "arrive"
	PickUp  Act = "pick-up"
	NoShow  Act = "no-show"
	DropOff Act = "drop-off"
)

// acts says at which stops an act is done and what it makes of them.
var acts = map[Act]struct {
	at StopKind // "" is any
	to StopState
}{
	Arrive:  {"", Reached},
	PickUp:  {Pickup, Made},
	NoShow:  {Pickup, Missed},
	DropOff: {Dropoff, Made},
}

// The faults of acts.
var (
	// ErrNoStop says that the plan has no stop of that number.
	ErrNoStop = fault.New(fault.NotFound, "stop_not_found", "the trip has no such stop")
	// ErrStopNotNext says that a stop before it is not over.
	ErrStopNotNext = fault.New(fault.Conflict, "stop_not_next", "stops are made in the order of the plan; one before this is not over")
	// ErrStopOver says that the stop has ended another way.
	ErrStopOver = fault.New(fault.Conflict, "stop_over", "the stop is over already, in another way")
	// ErrStopKind says that nobody gets in at a drop-off, or out at a pickup.
	ErrStopKind = fault.New(fault.Conflict, "stop_of_other_kind", "that is not done at a stop of this kind")
	// ErrNoShowTooEarly says that the rider may still come.
	ErrNoShowTooEarly = fault.New(fault.Conflict, "no_show_too_early", "the driver must have arrived, and waited for the rider until the time in no_show_from")
)

// fits reports whether the act is done at stops of this kind.
func (s Stop) fits(a Act) bool { return acts[a].at == "" || acts[a].at == s.Kind }

// has reports whether the act was done at the stop before.
func (s Stop) has(a Act) bool {
	return s.fits(a) && (s.State == acts[a].to || a == Arrive && !s.Reached.IsZero())
}

// NoShowFrom returns from when on the driver need not wait for the rider any more, who
// is to be there at the latest time told, but not before the one wished for. It is
// zero where nobody is waited for.
func (s Stop) NoShowFrom(wait time.Duration) time.Time {
	if s.Kind != Pickup || s.State != Reached {
		return time.Time{}
	}
	from := s.Reached
	for _, due := range []time.Time{s.Earliest, s.Due} {
		if due.After(from) {
			from = due
		}
	}
	return from.Add(wait)
}

// do changes the n-th stop, counted from one, by what was done there.
func (p Plan) do(n int, a Act, now time.Time, wait time.Duration) error {
	s := &p[n-1]
	to := acts[a].to
	switch {
	case !s.fits(a):
		return ErrStopKind
	case s.over():
		return ErrStopOver
	case slices.ContainsFunc(p[:n-1], func(s Stop) bool { return !s.over() }):
		return ErrStopNotNext
	case a == NoShow && (s.State != Reached || now.Before(s.NoShowFrom(wait))):
		return ErrNoShowTooEarly
	}
	if s.Reached.IsZero() {
		s.Reached = now
	}
	s.State, s.At = to, now
	if to == Missed {
		p.drop(s.OrderID)
	}
	return nil
}

// drop marks the stops of an order that are ahead as not to be made, and reports
// whether there were any. Who is in the car stays on the plan.
func (p Plan) drop(orderID uuid.UUID) (dropped bool) {
	if slices.ContainsFunc(p, func(s Stop) bool { return s.OrderID == orderID && s.State == Made }) {
		return false
	}
	for i := range p {
		if s := &p[i]; s.OrderID == orderID && s.State.Can(Dropped) {
			s.State, dropped = Dropped, true
		}
	}
	return dropped
}

// Ends returns the stops at which an order's rider gets in and out, zero where the plan
// has none.
func (p Plan) Ends(orderID uuid.UUID) (in, out Stop) {
	for _, s := range p {
		switch {
		case s.OrderID != orderID:
		case s.Kind == Pickup:
			in = s
		default:
			out = s
		}
	}
	return in, out
}

// abandon ends every stop that is ahead: who has got in was dropped off when that was
// expected, who has not was not picked up. It returns the orders concerned.
func (p Plan) abandon() (orders []uuid.UUID) {
	orders = p.Pending()
	for _, id := range orders {
		p.drop(id)
	}
	for i := range p {
		if s := &p[i]; !s.over() {
			s.State = Made
			if s.Reached.IsZero() {
				s.Reached = s.At
			}
		}
	}
	return orders
}

// Pending returns the orders that have a stop ahead.
func (p Plan) Pending() (orders []uuid.UUID) {
	for _, s := range p {
		if !s.over() && !slices.Contains(orders, s.OrderID) {
			orders = append(orders, s.OrderID)
		}
	}
	return orders
}

// left reports whether stops are to be made.
func (p Plan) left() bool { return slices.ContainsFunc(p, func(s Stop) bool { return !s.over() }) }

// begun reports whether somebody has got in, or did not come.
func (p Plan) begun() bool {
	return slices.ContainsFunc(p, func(s Stop) bool { return s.State == Made || s.State == Missed })
}

// lateBy is by how much a time must differ from what a rider was told of it for them
// to be told anew.
const lateBy = 5 * time.Minute

// news compares the times of the stops ahead with what their riders were told, writes
// down what they are told now, and returns the orders concerned. before is the plan
// with the times that held until now.
func (p Plan) news(before Plan) (orders []uuid.UUID) {
	for i := range p {
		s := &p[i]
		if s.over() {
			continue
		}
		if s.Told.IsZero() {
			s.Told, s.Due = before[i].At, before[i].At
		}
		if s.State == Reached || s.At.Sub(s.Told).Abs() <= lateBy {
			continue
		}
		if s.Told = s.At; s.Told.After(s.Due) {
			s.Due = s.Told
		}
		if !slices.Contains(orders, s.OrderID) {
			orders = append(orders, s.OrderID)
		}
	}
	return orders
}

// nearBy is how long before the pickup a rider is told that the vehicle is near: time to
// come down to the street, and so short that hardly anything comes between.
const nearBy = 3 * time.Minute

// nearby returns the pickup that is made next, if the vehicle is near it and its rider does
// not know yet, else nil.
func (p Plan) nearby(now time.Time) *Stop {
	next := slices.IndexFunc(p, func(s Stop) bool { return !s.over() })
	if next < 0 {
		return nil
	}
	if s := &p[next]; s.Kind == Pickup && s.State == Ahead && !s.Near && s.At.Sub(now) <= nearBy {
		return s
	}
	return nil
}
