package bench

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/spotpool/spotpool/internal/match"
)

// Options says how an instance is run.
type Options struct {
	Ground   Ground
	Settings match.Settings // of the dispatcher
	Depart   bool           // vehicles with a destination take no orders once they have left, as trips do
	Log      io.Writer      // of the decisions, as checkmatch reads them; nil: none
	LogPairs bool           // log who rode with whom instead: vehicle,order,decided_min
	Prepared time.Duration  // that it took to make the ground
	Progress io.Writer      // shows a bar, if it is a terminal
}

// Run lets a dispatcher serve the instance on a virtual clock and reports what came
// of it. It returns an error when ctx ends, the log cannot be written, or the
// dispatcher drops an order.
func Run(ctx context.Context, in Instance, o Options) (Report, error) {
	r := newRun(in, o)
	bar := newBar(o.Progress, len(in.Orders))
	defer func() { _ = bar.Finish() }()
	for now, more := r.next(); more; now, more = r.next() {
		if err := cmp.Or(ctx.Err(), r.step(now)); err != nil {
			return Report{}, err
		}
		_ = bar.Set(len(in.Orders) - len(r.left))
	}
	r.world.advance(match.NoLimit, func(*car) {})
	if o.LogPairs && o.Log != nil {
		return r.report(in), r.world.writePairs(o.Log)
	}
	return r.report(in), r.world.log.close()
}

// run is a Run under way.
type run struct {
	Options
	world   *world
	engine  *match.Dispatcher
	strange []*car // those the dispatcher is not told of yet, by when they are known
	left    []*ride
	stopped []*car // since the dispatcher was last told
	moves   agenda // when the dispatcher must be told where a car is
	watch   stopwatch
}

func newRun(in Instance, o Options) *run {
	began := time.Now()
	var log *decisionLog
	if !o.LogPairs {
		log = newDecisionLog(o.Log)
	}
	w := newWorld(o.Ground, in, log)
	r := &run{Options: o, world: w, engine: match.NewDispatcher(o.Ground, o.Settings), strange: slices.Clone(w.cars), left: w.rides}
	slices.SortStableFunc(r.strange, func(a, b *car) int { return cmp.Compare(a.Known, b.Known) })
	r.meet(0)
	r.follow(0)
	r.watch = stopwatch{began: began, prepared: time.Since(began)}
	return r
}

// next returns when something is to be decided, false when all is.
func (r *run) next() (at time.Duration, more bool) {
	at = match.NoLimit
	if len(r.left) > 0 {
		at = r.left[0].Known
	}
	if r.engine.Waiting() > 0 || r.world.open > 0 {
		at = min(at, r.engine.Next())
	}
	return at, at < match.NoLimit
}

// step lets the world go on until now, tells the dispatcher, and carries out what
// it decides.
func (r *run) step(now time.Duration) error {
	r.world.advance(now, func(c *car) { r.stopped = append(r.stopped, c) })
	r.meet(now)
	r.follow(now)
	for len(r.left) > 0 && r.left[0].Known <= now {
		if err := r.order(now); err != nil {
			return err
		}
	}
	if r.engine.Next() > now {
		return nil
	}
	var d match.Decision
	took := r.watch.time(func() { d = r.engine.Tick(now) })
	r.watch.longest = max(r.watch.longest, took)
	if r.Settings.Policy != match.Instant {
		r.watch.share(took, len(d.Placed)+len(d.Lost))
	}
	return r.obey(now, d)
}

// order makes the next order known.
func (r *run) order(now time.Duration) error {
	o := r.left[0]
	ride := match.Ride{
		Order: idOf(len(r.world.rides) - len(r.left)), From: o.From, To: o.To, Seats: o.Seats,
		Earliest: o.Early, Latest: o.Late, DecideBy: o.Until,
	}
	r.left = r.left[1:]
	var d match.Decision
	took := r.watch.time(func() { d = r.engine.Order(ride, now) })
	if r.Settings.Policy == match.Instant {
		r.watch.share(took, 1)
	}
	return r.obey(now, d)
}

// obey carries out a decision.
func (r *run) obey(now time.Duration, d match.Decision) error {
	err := r.world.apply(now, d.Paths)
	for _, p := range d.Placed {
		r.watch.time(func() { r.engine.Told(p.Order, p.Vehicle) })
	}
	for _, p := range d.Paths {
		c := r.world.cars[indexOf(p.ID)]
		r.told(c, c.path.StartAt)
	}
	return err
}

// meet tells the dispatcher of the vehicles that are known by now.
func (r *run) meet(now time.Duration) {
	for len(r.strange) > 0 && r.strange[0].Known <= now {
		r.stopped = append(r.stopped, r.strange[0])
		r.strange = r.strange[1:]
	}
}

// follow tells the dispatcher which cars have stopped, which take no more orders,
// and where those are now that have passed the place where they could turn.
func (r *run) follow(now time.Duration) {
	for _, c := range r.stopped {
		switch {
		case c.ended:
			r.watch.time(func() { r.engine.Drop(c.path.ID) })
		case !c.gone:
			p := r.world.snapshot(c, now)
			r.watch.time(func() { r.engine.Put(p) })
			r.told(c, p.StartAt)
		}
	}
	r.stopped = r.stopped[:0]
	for {
		d, ok := r.moves.take(now)
		switch c := d.car; {
		case !ok:
			return
		case d.at != c.move: // replaced
		case r.departs(c):
			r.watch.time(func() { r.engine.Drop(c.path.ID) })
			c.gone, c.move = true, idle
		default:
			spot, at := r.world.turn(c, now)
			r.watch.time(func() { r.engine.Move(c.path.ID, spot, at) })
			r.told(c, at)
		}
	}
}

// departs reports whether the car takes no orders once it has left.
func (r *run) departs(c *car) bool { return r.Depart && c.Dest != nil }

// told notes that the dispatcher knows where the car is as long as it is not later than until.
func (r *run) told(c *car, until time.Duration) {
	if c.move = idle; c.due == idle {
		return
	}
	if c.move = c.leave + 1; !r.departs(c) {
		c.move = max(c.leave, until) + 1
	}
	r.moves.add(c, c.move)
}
