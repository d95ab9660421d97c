package sim

import (
	"context"
	"sync"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

// stocking is how many trips are offered at once before the run begins.
const stocking = 16

// stock offers the trips that are there before the first order.
func (r *run) stock(ctx context.Context) error {
	slots := make(chan struct{}, stocking)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range r.Plan.stock {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		driver, offer := r.person(&r.drivers), r.Plan.offer(r.Clock.Now())
		wg.Go(func() {
			defer func() { <-slots }()
			r.offer(ctx, driver, offer)
		})
	}
	return nil
}

// send sends every arrival when it is due and returns when all have been
// answered or ctx ends. It waits for no answer, but for a slot among those that
// may be in flight; what it is late by then is lag.
func (r *run) send(ctx context.Context) {
	slots := make(chan struct{}, r.InFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, a := range r.Plan.arrivals {
		request := r.request(ctx, a, r.begin.Add(clock.App(r.Clock, a.due)))
		if pause(ctx, a.due-r.elapsed()) != nil {
			return
		}
		held := false
		select {
		case slots <- struct{}{}:
		default:
			held = true
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		wg.Go(func() {
			defer func() { <-slots }()
			request(held)
		})
	}
}

// request prepares what an arrival sends. Everything random is drawn here, in
// the order of the plan, and for the moment it is due: late or not, the same
// plan sends the same.
func (r *run) request(ctx context.Context, a arrival, due time.Time) func(held bool) {
	if a.offer != nil {
		driver, offer := r.person(&r.drivers), a.offer(due)
		return func(bool) { r.offer(ctx, driver, offer) }
	}
	rider, order := r.person(&r.riders), a.order(due)
	return func(held bool) {
		out := outcome{step: a.step, due: a.due, lag: max(0, r.elapsed()-a.due), held: held}
		o, err := rider.PlaceOrder(ctx, order)
		if ctx.Err() == nil {
			out.answer = r.elapsed() - a.due
			r.record.placed(out, o, err)
		}
	}
}

func (r *run) offer(ctx context.Context, driver Client, o TripOffer) {
	if _, err := driver.OfferTrip(ctx, o); ctx.Err() == nil {
		r.record.offered(err)
	}
}

// person returns the client of whose turn it is.
func (r *run) person(c *crowd) Client { return r.Client.As(c.next()).Telling(r.record.again) }
