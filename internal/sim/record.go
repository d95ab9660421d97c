package sim

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// outcome is what became of one order that was sent.
type outcome struct {
	step   int           // an index into Plan.Steps, or outside
	due    time.Duration // scheduled, after the beginning of the run
	lag    time.Duration // from due until it was sent
	held   bool          // all requests in flight that are allowed were taken
	answer time.Duration // from due until it was answered, all tries included
	code   string        // of the problem it was refused with; empty: accepted

	id       uuid.UUID     // set only when accepted, as is all that follows
	status   string        // as it was seen last
	match    time.Duration // from accept until it was matched; 0: it was not
	confirm  time.Duration // from accept until it was confirmed; 0: it was not
	observed bool          // the server did not say when: match or confirm was seen at a look
	trip     uuid.NullUUID
	pickup   time.Time     // as planned at the end
	ride     time.Duration // from pickup to dropoff
	direct   time.Duration // of the direct way
}

// accepted reports whether the order was answered with 202.
func (o outcome) accepted() bool { return o.code == "" }

// ended reports whether nothing more is expected of the order.
func (o outcome) ended() bool {
	switch o.status {
	case statusConfirmed, statusRiding, statusCompleted, statusNoShow, statusExpired, statusCancelled:
		return true
	}
	return false
}

// sampled is what was seen of the server and of this process at one moment.
type sampled struct {
	at     time.Duration // after the beginning
	queues []QueueState  // nil: they could not be asked
	cpu    float64       // cores that this process used since the sample before
}

// tasks returns how many tasks all queues hold.
func (s sampled) tasks() (pending, active int) {
	for _, q := range s.queues {
		pending += q.Pending
		active += q.Active
	}
	return pending, active
}

// record is what happened while a load test ran. It is safe for concurrent use.
type record struct {
	clock        clock.Clock // the server's
	mu           sync.Mutex
	orders       []outcome
	index        map[uuid.UUID]int // of the accepted ones in orders
	open         map[uuid.UUID]bool
	trips        int
	tripsRefused map[string]int // by the problem's code
	retried      map[string]int // tries that were repeated, by the problem's code
	samples      []sampled
	live         counts
}

// counts are the sums that a progress line shows.
type counts struct{ offered, accepted, refused, confirmed, open, queued int }

func newRecord(c clock.Clock) *record {
	return &record{
		clock: c, index: map[uuid.UUID]int{}, open: map[uuid.UUID]bool{},
		tripsRefused: map[string]int{}, retried: map[string]int{},
	}
}

// offered notes the answer to a trip.
func (r *record) offered(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.tripsRefused[CodeOf(err)]++
		return
	}
	r.trips++
}

// again notes that a try which ended with err is repeated.
func (r *record) again(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retried[CodeOf(err)]++
}

// placed notes the answer to an order that was sent as out says.
func (r *record) placed(out outcome, o Order, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live.offered++
	if err != nil {
		out.code = CodeOf(err)
		r.live.refused++
	} else {
		out.id, out.status = o.ID, o.Status
		r.live.accepted++
		r.index[o.ID], r.open[o.ID] = len(r.orders), true
	}
	r.orders = append(r.orders, out)
}

// saw notes what an order is, at a moment after the beginning; orders that this
// run has not placed are nobody's business. The trip and the times of an order
// that has ended still change, when others join its trip.
func (r *record) saw(o Order, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ours := r.index[o.ID]
	if !ours {
		return
	}
	out := &r.orders[i]
	out.trip, out.direct = o.TripID, time.Duration(o.DurationS)*time.Second
	if out.pickup = o.PickupAt; !o.PickupAt.IsZero() {
		out.ride = o.DropoffAt.Sub(o.PickupAt)
	}
	if out.ended() {
		return
	}
	out.status = o.Status
	seen := max(at-out.due-out.answer, time.Microsecond)
	if out.match == 0 && (o.TripID.Valid || o.Status == statusMatched) {
		out.match = r.spent(out, o.CreatedAt, o.MatchedAt, seen)
	}
	switch o.Status {
	case statusConfirmed, statusRiding, statusCompleted, statusNoShow:
		out.confirm = r.spent(out, o.CreatedAt, o.ConfirmedAt, seen)
		r.live.confirmed++
	}
	if out.ended() {
		delete(r.open, o.ID)
	}
}

// spent returns how long an order took from accept until to, as the server says, by the
// wall's clock; when the server does not say, it returns what was seen and notes that it
// was only observed.
func (r *record) spent(o *outcome, accept, to time.Time, seen time.Duration) time.Duration {
	if to.IsZero() || accept.IsZero() {
		o.observed = true
		return seen
	}
	return max(clock.Wall(r.clock, to.Sub(accept)), time.Microsecond)
}

// sample notes a look at the server's queues and this process.
func (r *record) sample(s sampled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, s)
	if s.queues != nil {
		r.live.queued, _ = s.tasks()
	}
}

// toFollow returns the orders that have not ended, newest first; all accepted ones when ended is set.
func (r *record) toFollow(ended bool) []uuid.UUID {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := slices.Collect(maps.Keys(r.open))
	if ended {
		ids = slices.Collect(maps.Keys(r.index))
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(b[:], a[:]) })
	return ids
}

// now returns the sums so far.
func (r *record) now() counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.live
	c.open = len(r.open)
	return c
}

// byDue sorts orders by the moment they were scheduled at.
func byDue(orders []outcome) {
	slices.SortStableFunc(orders, func(a, b outcome) int { return cmp.Compare(a.due, b.due) })
}
