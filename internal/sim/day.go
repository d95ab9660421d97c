package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

const (
	dayPositions = 10 * time.Minute // between two positions of a car: of hundreds at a time
	ridersADay   = 0.7              // people for each order: some ride twice
	lookAgain    = 2 * time.Second  // by the wall, between two looks at what became of the orders
)

// DayRun says how a day is acted out on a server. Zero fields mean the defaults named.
type DayRun struct {
	Day
	Client   Client // of the server; its token is not used
	Tokens   Tokens
	Clock    clock.Clock   // the server's
	Wait     time.Duration // by the wall, for the last orders once the last car is there; 2 min
	Progress io.Writer     // shows how it goes; nil: nobody watches
}

// PlayDay acts a day out: drivers offer trips and drive them, riders order, and some of
// both call off or do not come. All times are the clock's, however fast it goes. Then it
// waits until every order has ended, or Wait is over. It returns an error when the server
// or the tokens cannot be had at the beginning, when the orders cannot be read at the
// end, or when ctx ends; the report then holds what is known of the day.
func PlayDay(ctx context.Context, r DayRun) (DayReport, error) {
	r.Wait = cmp.Or(r.Wait, 2*time.Minute)
	if r.Progress == nil {
		r.Progress = io.Discard
	}
	d := &day{DayRun: r, plan: r.Day.plan(), record: newDayRecord(), passengers: map[uuid.UUID]passenger{}}
	d.begin = d.Clock.Now()
	began := time.Now()
	err := d.gather(ctx)
	if err == nil {
		err = d.act(ctx)
	}
	lasted := d.elapsed()
	if ended := d.end(context.WithoutCancel(ctx), ctx); err == nil {
		err = ended
	}
	return d.report(time.Since(began), lasted), err
}

// day is a DayRun that runs.
type day struct {
	DayRun
	plan            dayPlan
	begin           time.Time // of the day, by Clock
	operator        Client
	drivers, riders crowd
	record          *dayRecord
	orders          []Order // as they are in the end

	mu         sync.Mutex
	passengers map[uuid.UUID]passenger // by their orders
}

// passenger is a rider who has ordered.
type passenger struct {
	Client
	plan orderPlan
}

// elapsed returns how far the day has gone.
func (d *day) elapsed() time.Duration { return d.Clock.Now().Sub(d.begin) }

// gather makes sure that the server answers and gathers the people.
func (d *day) gather(ctx context.Context) error {
	operators := crowd{tokens: d.Tokens, role: "operator", n: 1}
	if err := operators.gather(ctx); err != nil {
		return err
	}
	d.operator = d.Client.As(operators.next()).Within(pollPatience)
	if _, err := d.operator.Orders(ctx, 1, ""); err != nil {
		return fmt.Errorf("sim: the server cannot be used: %w", err)
	}
	d.drivers = crowd{tokens: d.Tokens, role: "driver", n: min(len(d.plan.trips), mostPeople)}
	d.riders = crowd{tokens: d.Tokens, role: "rider", n: min(int(ridersADay*float64(len(d.plan.orders)))+1, mostPeople)}
	for _, c := range []*crowd{&d.drivers, &d.riders} {
		if err := c.gather(ctx); err != nil {
			return err
		}
	}
	return nil
}

// act lets everybody do what the plan says, and returns when the last of them is done.
func (d *day) act(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var watch, people sync.WaitGroup
	defer watch.Wait()
	defer stop()
	d.begin = d.Clock.Now()
	watch.Go(func() { d.watch(watching) })
	watch.Go(func() { show(watching, d.Progress, d.Length, d.elapsed, d.line) })
	trips, orders := d.plan.trips, d.plan.orders
	for len(trips)+len(orders) > 0 && ctx.Err() == nil {
		if len(orders) == 0 || len(trips) > 0 && trips[0].due <= orders[0].due {
			p, driver := trips[0], d.person(&d.drivers)
			trips = trips[1:]
			d.due(ctx, p.due)
			people.Go(func() { d.driver(ctx, driver, p) })
			continue
		}
		p, rider := orders[0], d.person(&d.riders)
		orders = orders[1:]
		d.due(ctx, p.due)
		people.Go(func() { d.rider(ctx, rider, p) })
	}
	people.Wait()
	return ctx.Err()
}

// due waits for a moment of the day and notes how late it came.
func (d *day) due(ctx context.Context, at time.Duration) {
	if wait(ctx, d.Clock, at-d.elapsed()) == nil {
		d.record.late(at, d.elapsed()-at)
	}
}

func (d *day) person(c *crowd) Client { return d.Client.As(c.next()).Telling(d.record.again) }

// driver offers a trip and drives it.
func (d *day) driver(ctx context.Context, driver Client, p tripPlan) {
	now := d.begin.Add(p.due)
	trip, err := driver.OfferTrip(ctx, p.offer(now))
	d.record.offered(ctx, err)
	if err != nil {
		return
	}
	departed := false
	m := motorist{Client: driver, clock: d.Clock, every: dayPositions, stays: d.stays, did: func(act string) {
		departed = departed || act == "depart"
		d.record.did(act)
	}}
	if p.quits > 0 {
		m.quits = now.Add(p.quits)
	}
	trip, err = m.drive(ctx, trip)
	d.record.driven(ctx, trip, departed, err)
	for _, s := range trip.Plan {
		if s.Kind == stopDropoff && s.State == stopMade {
			d.rate(ctx, driver, p.stars, s.OrderID)
			rider := d.passenger(s.OrderID)
			d.rate(ctx, rider.Client, rider.plan.stars, s.OrderID)
		}
	}
}

// rate gives the other side of a ride its stars, if there are any.
func (d *day) rate(ctx context.Context, by Client, stars int, order uuid.UUID) {
	if stars > 0 {
		d.record.rated(ctx, by.Rate(ctx, order, stars))
	}
}

// rider places an order and, where the plan says so, calls it off.
func (d *day) rider(ctx context.Context, rider Client, p orderPlan) {
	now := d.begin.Add(p.due)
	sent := d.Clock.Now()
	o, err := rider.PlaceOrder(ctx, p.request(now))
	d.record.placed(ctx, d.Clock.Now().Sub(sent), o, err)
	if err != nil {
		return
	}
	d.mu.Lock()
	d.passengers[o.ID] = passenger{rider, p}
	d.mu.Unlock()
	if p.cancels > 0 && wait(ctx, d.Clock, now.Add(p.cancels).Sub(d.Clock.Now())) == nil {
		d.record.cancelled(ctx, rider.CancelOrder(ctx, o.ID))
	}
}

// passenger returns who has placed an order.
func (d *day) passenger(order uuid.UUID) passenger {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passengers[order]
}

// stays reports whether an order's rider does not come to the pickup.
func (d *day) stays(order uuid.UUID) bool { return d.passenger(order).plan.stays }

// end reads the orders until all of them have ended or Wait is over; once, when running
// is over.
func (d *day) end(ctx, running context.Context) error {
	if d.operator.token == "" {
		return nil
	}
	for until := time.Now().Add(d.Wait); ; {
		open, err := d.look(ctx)
		if err != nil || open == 0 || time.Now().After(until) {
			return err
		}
		if pause(running, lookAgain) != nil {
			return nil
		}
	}
}

// look reads all orders of the day and returns how many have not ended.
func (d *day) look(ctx context.Context) (open int, err error) {
	d.orders = nil
	for cursor := ""; ; {
		page, err := d.operator.Orders(ctx, pageSize, cursor)
		if err != nil {
			return 0, fmt.Errorf("sim: reading the orders: %w", err)
		}
		for _, o := range page.Items {
			if !d.record.ours(o.ID) {
				continue
			}
			d.orders = append(d.orders, o)
			if !o.ended() {
				open++
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return open, nil
		}
	}
}
