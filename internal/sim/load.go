package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
)

// most people of a role that act; beyond, they take turns.
const mostPeople = 20_000

// Load says how a plan is sent to a server. Zero fields mean the defaults named.
type Load struct {
	Client Client // of the server; its token is not used
	Tokens Tokens
	Clock  clock.Clock // the server's; the plan, the waiting and what is measured are by the wall's
	Log    *slog.Logger
	Plan   Plan

	InFlight int                  // requests that may be under way at once; 512
	Poll     time.Duration        // the pause between two looks at what became of the orders; 1 s
	Wait     time.Duration        // for the last orders, after everything was sent; 30 s
	SLO      time.Duration        // that a step must keep at p99 to count as carried; 1 s
	CPU      func() time.Duration // what this process has used so far; nil: not known
	Cores    int                  // that it may use; 0: not known
	Began    func() error         // called when the stock of trips is on offer, before the first order; may be nil
	Progress io.Writer            // shows how it goes; nil: nobody watches
}

func (l Load) withDefaults() Load {
	l.InFlight = cmp.Or(l.InFlight, 512)
	l.Poll = cmp.Or(l.Poll, time.Second)
	l.Wait = cmp.Or(l.Wait, 30*time.Second)
	l.SLO = cmp.Or(l.SLO, time.Second)
	if l.Progress == nil {
		l.Progress = io.Discard
	}
	return l
}

// Drive sends a plan through the API of a running server as an open loop: each
// request goes out when it is due, whether or not those before were answered,
// and its latency counts from the moment it was due. Then it follows every
// accepted order until it is confirmed, expired or cancelled, or Wait is over.
// It returns an error when the server or the tokens cannot be had at the
// beginning, when the operator is turned away, or when ctx ends; the report then
// holds what happened until then.
func Drive(ctx context.Context, l Load) (Report, error) {
	r := &run{Load: l.withDefaults(), record: newRecord(l.Clock), pages: bookmarks{}}
	r.begin = r.Clock.Now()
	err := r.prepare(ctx)
	if err == nil && r.Began != nil {
		err = r.Began()
	}
	if err == nil {
		err = r.drive(ctx)
	}
	return r.report(), err
}

// run is a Load that runs.
type run struct {
	Load
	begin           time.Time
	operator        Client
	drivers, riders crowd
	record          *record
	pages           bookmarks // of the follower
	took            time.Duration
}

// elapsed returns the time since the beginning, by the wall's clock.
func (r *run) elapsed() time.Duration { return clock.Wall(r.Clock, r.Clock.Now().Sub(r.begin)) }

// prepare makes sure that the server answers, gathers the people, and puts the
// stock of trips on offer.
func (r *run) prepare(ctx context.Context) error {
	operators := crowd{tokens: r.Tokens, role: "operator", n: 1}
	if err := operators.gather(ctx); err != nil {
		return err
	}
	r.operator = r.Client.As(operators.next()).Within(pollPatience)
	if _, err := r.operator.Orders(ctx, 1, ""); err != nil {
		return fmt.Errorf("sim: the server cannot be used: %w", err)
	}
	r.drivers = crowd{tokens: r.Tokens, role: "driver", n: min(r.Plan.trips(), mostPeople)}
	r.riders = crowd{tokens: r.Tokens, role: "rider", n: min(r.Plan.Orders(), mostPeople)}
	for _, c := range []*crowd{&r.drivers, &r.riders} {
		if err := c.gather(ctx); err != nil {
			return err
		}
	}
	return r.stock(ctx)
}

// drive sends, follows and watches, then reads once more how the accepted
// orders ride, since those that joined a trip later have moved its times.
func (r *run) drive(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	r.begin = r.Clock.Now()
	sent := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { defer close(sent); r.send(running) })
	wg.Go(func() { r.watch(running) })
	wg.Go(func() { r.show(running) })
	err := r.follow(running, sent)
	r.took = r.elapsed()
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	return r.look(ctx, r.record.toFollow(true))
}
