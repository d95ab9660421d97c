package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/geo"
)

// Options says how recorded rides are replayed. Zero fields mean the defaults named.
type Options struct {
	Client Client // of the server; its token is not used
	Tokens Tokens // one driver a trip, one rider an order, one operator
	Clock  clock.Clock
	Log    *slog.Logger

	Rides    []Ride        // earliest start first
	Over     time.Duration // the recorded time is compressed to this; 0: as fast as the server takes it
	Lead     time.Duration // a trip departs this long after the riders of its hour have ordered; 15 min
	Detour   time.Duration // that a driver accepts; 15 min
	Slack    time.Duration // an order arrives at most Lead + direct way + Slack after it was made; 20 min
	Workers  int           // requests at once; 16
	Poll     time.Duration // the pause between two looks at what became of the orders; 1 s
	Wait     time.Duration // for the last orders, after everything was sent; 15 min
	Progress io.Writer     // shows a bar, if it is a terminal
}

func (o Options) withDefaults() Options {
	o.Lead = cmp.Or(o.Lead, 15*time.Minute)
	o.Detour = cmp.Or(o.Detour, 15*time.Minute)
	o.Slack = cmp.Or(o.Slack, 20*time.Minute)
	o.Workers = cmp.Or(o.Workers, 16)
	o.Poll = cmp.Or(o.Poll, time.Second)
	o.Wait = cmp.Or(o.Wait, 15*time.Minute)
	return o
}

// Replay drives recorded rides through the API of a running server: drivers'
// rides become trips and riders' rides become orders, each by a person of its
// own. A trip is offered a fifth of Over before the orders that were recorded
// at the same moment. Then it follows every accepted order until it is
// confirmed, expired or cancelled, or Wait is over. It returns an error when
// the server or the tokens cannot be had at the beginning, when the operator is
// turned away, or when ctx ends; the report then holds what happened until then.
func Replay(ctx context.Context, o Options) (Report, error) {
	r := &replay{Options: o.withDefaults(), tally: newTally()}
	if err := r.prepare(ctx); err != nil {
		return r.tally.result(0), err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.begin = r.Clock.Now()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		r.send(ctx)
	}()
	err := r.follow(ctx, sent)
	stop()
	<-sent
	_ = r.bar.Finish()
	return r.tally.result(r.Clock.Now().Sub(r.begin)), err
}

// replay is a Replay that runs.
type replay struct {
	Options
	steps    []step
	begin    time.Time
	operator Client
	tally    *tally
	bar      *progressbar.ProgressBar
}

// step is one ride to send.
type step struct {
	ride  Ride
	due   time.Duration // after the beginning
	token string
}

// prepare makes sure that the server answers, lays out the steps and gives
// each the token of a person.
func (r *replay) prepare(ctx context.Context) error {
	operators, err := r.people(ctx, "operator", 1)
	if err != nil {
		return err
	}
	r.operator = r.Client.As(operators[0]).Within(pollPatience)
	if _, err := r.operator.Orders(ctx, 1, ""); err != nil {
		return fmt.Errorf("sim: the server cannot be used: %w", err)
	}
	r.steps = schedule(r.Rides, r.Over)
	n := 0
	for _, s := range r.steps {
		if s.ride.Driver {
			n++
		}
	}
	drivers, err := r.people(ctx, "driver", n)
	if err != nil {
		return err
	}
	riders, err := r.people(ctx, "rider", len(r.steps)-n)
	if err != nil {
		return err
	}
	for i := range r.steps {
		from := &riders
		if r.steps[i].ride.Driver {
			from = &drivers
		}
		r.steps[i].token, *from = (*from)[0], (*from)[1:]
	}
	r.bar = newBar(r.Progress, len(r.steps)+len(r.steps)-n)
	return nil
}

// people returns the tokens of exactly n people.
func (r *replay) people(ctx context.Context, role string, n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	tokens, err := r.Tokens(ctx, role, n)
	if err != nil {
		return nil, fmt.Errorf("sim: tokens of %ss: %w", role, err)
	}
	if len(tokens) != n {
		return nil, fmt.Errorf("sim: %d tokens of %ss, wanted %d", len(tokens), role, n)
	}
	return tokens, nil
}

// ahead is how much earlier a trip is offered than the orders of its moment are made.
func ahead(over time.Duration) time.Duration { return over / 5 }

// schedule says when each ride is sent, so that all of it takes over; what is
// due together goes trips first.
func schedule(rides []Ride, over time.Duration) []step {
	if len(rides) == 0 {
		return nil
	}
	steps := make([]step, len(rides))
	scale := float64(over-ahead(over)) / float64(max(rides[len(rides)-1].Start, 1))
	for i, ride := range rides {
		due := time.Duration(float64(ride.Start) * scale)
		if !ride.Driver {
			due += ahead(over)
		}
		steps[i] = step{ride: ride, due: due}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		if a.due == b.due && a.ride.Driver != b.ride.Driver {
			if a.ride.Driver {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.due, b.due)
	})
	return steps
}

// send sends every step when it is due, by Workers at once, and returns when
// all have been answered or ctx ends.
func (r *replay) send(ctx context.Context) {
	due := make(chan step)
	var workers sync.WaitGroup
	for range r.Workers {
		workers.Go(func() {
			for s := range due {
				r.take(ctx, s)
				_ = r.bar.Add(1)
			}
		})
	}
	for _, s := range r.steps {
		if pause(ctx, r.begin.Add(s.due).Sub(r.Clock.Now())) != nil {
			break
		}
		due <- s
	}
	close(due)
	workers.Wait()
}

// take sends one ride and notes the answer.
func (r *replay) take(ctx context.Context, s step) {
	person := r.Client.As(s.token)
	if s.ride.Driver {
		_, err := person.OfferTrip(ctx, r.trip(s.ride))
		if ctx.Err() == nil {
			r.tally.offered(err)
		}
		return
	}
	o, err := person.PlaceOrder(ctx, r.order(s.ride))
	if ctx.Err() != nil {
		return
	}
	if !r.tally.placed(o, err) {
		_ = r.bar.Add(1) // nothing to follow
	}
}

func (r *replay) trip(ride Ride) TripOffer {
	return TripOffer{
		Origin:           Place{Point: ride.Origin},
		Destination:      Place{Point: ride.Dest},
		DepartAt:         r.Clock.Now().Add(ahead(r.Over) + r.Lead),
		Seats:            ride.Seats,
		MaxDetourMinutes: int(r.Detour / time.Minute),
	}
}

func (r *replay) order(ride Ride) OrderRequest {
	direct := geo.Between(geo.DefaultTravel, ride.Origin, ride.Dest).Duration
	return OrderRequest{
		Ask: Ask{
			Origin:      Place{Point: ride.Origin},
			Destination: Place{Point: ride.Dest},
			Seats:       ride.Seats,
		},
		ArriveBefore: r.Clock.Now().Add(r.Lead + direct + r.Slack),
	}
}

// newBar returns a bar of max steps on w, an invisible one where w is no terminal.
func newBar(w io.Writer, max int) *progressbar.ProgressBar {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return progressbar.DefaultSilent(int64(max))
	}
	return progressbar.NewOptions(max,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription("sent and followed"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}
