package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// Live says how the people of a city use a running server.
type Live struct {
	Client Client // of the server; its token is not used
	Tokens Tokens
	City   *City
	Clock  clock.Clock
	Log    *slog.Logger

	// All by the clock's time; a fast one makes people quick, and the cars with them.
	Fleet                  int     // trips offered at once at the beginning, so that the first riders find cars
	Trips, Orders, Cancels float64 // events a minute, on average
	Drivers, Riders        int     // how many people take turns; many, since limits count per person
	Drive                  bool    // whether trips are driven
}

// recent is how many of the newest orders may still be cancelled by their riders.
const recent = 20

// Run acts drivers and riders until ctx ends, then returns nil. Trips, orders
// and cancels come as a Poisson process, one after the other. What the server
// refuses is logged and left; a server that is away is tried again, with
// growing pauses, and found again when it is back. Only tokens that cannot be
// had at the beginning are an error.
func Run(ctx context.Context, l Live) error {
	t := &town{Live: l}
	t.drivers = crowd{tokens: l.Tokens, role: "driver", n: l.Drivers}
	t.riders = crowd{tokens: l.Tokens, role: "rider", n: l.Riders}
	for _, c := range []*crowd{&t.drivers, &t.riders} {
		if err := c.gather(ctx); err != nil {
			return err
		}
	}
	defer t.driving.Wait()
	for range l.Fleet {
		t.act(ctx, "offer a trip", t.offer)
	}
	perMinute := l.Trips + l.Orders + l.Cancels
	if perMinute <= 0 {
		<-ctx.Done()
		return nil
	}
	for {
		gap := time.Duration(t.City.rng.ExpFloat64() / perMinute * float64(time.Minute))
		if t.wait(ctx, gap) != nil {
			return nil
		}
		switch at := t.City.rng.Float64() * perMinute; {
		case at < l.Trips:
			t.act(ctx, "offer a trip", t.offer)
		case at < l.Trips+l.Orders:
			t.act(ctx, "order", t.order)
		default:
			t.act(ctx, "cancel", t.cancel)
		}
	}
}

// town is a Live that runs; one goroutine owns it.
type town struct {
	Live
	drivers, riders crowd
	placed          []placed       // the newest orders, oldest first
	driving         sync.WaitGroup // the trips on their way, or about to be
}

// wait waits for d of the clock's time, or less when ctx ends; then it returns ctx's error.
func (t *town) wait(ctx context.Context, d time.Duration) error {
	return pause(ctx, clock.Wall(t.Clock, d))
}

// placed is an order with the client of its rider.
type placed struct {
	id    uuid.UUID
	rider Client
}

// act does one thing and logs what came of it.
func (t *town) act(ctx context.Context, what string, do func(context.Context) error) {
	err := do(ctx)
	t.told(ctx, what, err)
	if err == nil || ctx.Err() != nil || statusOf(err) != http.StatusUnauthorized {
		return
	}
	for _, c := range []*crowd{&t.drivers, &t.riders} { // the tokens are too old by now
		if err := c.gather(ctx); err != nil {
			t.Log.WarnContext(ctx, "simulated people cannot sign in", "error", err)
		}
	}
}

// told logs what went wrong for somebody.
func (t *town) told(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	level := slog.LevelWarn
	if status := statusOf(err); status >= 400 && status < 500 {
		level = slog.LevelDebug // a rule said no, as it may
	}
	t.Log.Log(ctx, level, "simulated person failed", "what", what, "code", CodeOf(err), "error", err)
}

func (t *town) offer(ctx context.Context) error {
	driver := t.Client.As(t.drivers.next())
	trip, err := driver.OfferTrip(ctx, t.City.Trip(t.Clock.Now()))
	if err == nil && t.Drive {
		t.driving.Go(func() { t.drive(ctx, driver, trip) })
	}
	return err
}

// order asks for the price first, as people do.
func (t *town) order(ctx context.Context) error {
	rider := t.Client.As(t.riders.next())
	want := t.City.Order(t.Clock.Now())
	if _, err := rider.Quote(ctx, want.Ask); err != nil {
		return err
	}
	o, err := rider.PlaceOrder(ctx, want)
	if err != nil {
		return err
	}
	if len(t.placed) == recent {
		t.placed = t.placed[1:]
	}
	t.placed = append(t.placed, placed{o.ID, rider})
	return nil
}

func (t *town) cancel(ctx context.Context) error {
	if len(t.placed) == 0 {
		return nil
	}
	i := t.City.rng.IntN(len(t.placed))
	p := t.placed[i]
	t.placed = append(t.placed[:i], t.placed[i+1:]...)
	return p.rider.CancelOrder(ctx, p.id)
}

// crowd is n people of one role who take turns.
type crowd struct {
	tokens Tokens
	role   string
	n      int
	people []string
	turn   int
}

// gather gets everybody's token.
func (c *crowd) gather(ctx context.Context) error {
	people, err := c.tokens(ctx, c.role, max(c.n, 1))
	if err != nil {
		return fmt.Errorf("sim: tokens of %ss: %w", c.role, err)
	}
	if len(people) == 0 {
		return fmt.Errorf("sim: no %ss", c.role)
	}
	c.people = people
	return nil
}

// next returns the token of whose turn it is.
func (c *crowd) next() string {
	c.turn++
	return c.people[c.turn%len(c.people)]
}
