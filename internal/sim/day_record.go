package sim

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
)

// slotLength is the part of a day that a report shows by itself.
const slotLength = 30 * time.Minute

// dayRecord is what happened on a day. It is safe for concurrent use.
type dayRecord struct {
	mu       sync.Mutex
	ids      map[uuid.UUID]bool // of the orders that were accepted
	placing  map[string]int     // what came of orders, by the problem's code; "" is accepted
	offering map[string]int     // likewise of trips
	driving  map[string]int     // how trips ended that were offered: their status, or a problem's code
	calling  map[string]int     // what came of riders' calling off
	rating   map[string]int     // what came of ratings
	retried  map[string]int     // tries that were repeated, by the problem's code
	road     int                // trips that have departed and not ended
	aboard   int                // orders whose riders are in a car
	lag      *hdrhistogram.Histogram
	accept   *hdrhistogram.Histogram
	waits    map[string]*hdrhistogram.Histogram // by queue
	waiting  time.Duration                      // in the queues, at the last look
	slots    []Slot
}

// Slot is what happened in a part of the day. Times are the application's.
type Slot struct {
	At        Seconds `json:"at"`
	Trips     int     `json:"trips"`  // offered
	Orders    int     `json:"orders"` // placed
	PickedUp  int     `json:"picked_up"`
	Arrived   int     `json:"arrived"`
	OnTheRoad int     `json:"on_the_road"` // trips, at most
	Lag       Seconds `json:"lag"`         // of the generator, at most
	Wait      Seconds `json:"wait"`        // in the queues, at most
}

func newDayRecord() *dayRecord {
	histogram := newDayHistogram
	return &dayRecord{
		ids: map[uuid.UUID]bool{}, placing: map[string]int{}, offering: map[string]int{}, driving: map[string]int{},
		calling: map[string]int{}, rating: map[string]int{}, retried: map[string]int{}, slots: []Slot{{}},
		lag: histogram(), accept: histogram(), waits: map[string]*hdrhistogram.Histogram{},
	}
}

// newDayHistogram counts milliseconds, up to a day.
func newDayHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, wholeDay.Milliseconds(), 3)
}

// note records a duration, negative ones as none.
func note(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Milliseconds(), 0), h.HighestTrackableValue()))
}

// locked changes the record, and the slot of the day that is passing.
func (r *dayRecord) locked(change func(now *Slot)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.slots[len(r.slots)-1])
}

// pass begins new slots as the day goes on.
func (r *dayRecord) pass(at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for next := slotLength * time.Duration(len(r.slots)); next <= at; next += slotLength {
		r.slots = append(r.slots, Slot{At: Seconds(next), OnTheRoad: r.road})
	}
}

// late notes how late something was done that was due at a moment of the day.
func (r *dayRecord) late(at, by time.Duration) {
	r.pass(at)
	r.locked(func(s *Slot) {
		note(r.lag, by)
		s.Lag = max(s.Lag, Seconds(by))
	})
}

// offered notes the answer to a trip.
func (r *dayRecord) offered(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.locked(func(s *Slot) {
		r.offering[codeOrNone(err)]++
		if err == nil {
			s.Trips++
		}
	})
}

// did notes an act of a driver.
func (r *dayRecord) did(act string) {
	_, what, atStop := strings.Cut(strings.TrimPrefix(act, "stops/"), "/")
	r.locked(func(s *Slot) {
		switch {
		case act == "depart":
			r.road++
			s.OnTheRoad = max(s.OnTheRoad, r.road)
		case atStop && what == "pick-up":
			r.aboard++
			s.PickedUp++
		case atStop && what == "drop-off":
			r.aboard--
			s.Arrived++
		}
	})
}

// driven notes how a trip that was offered ended.
func (r *dayRecord) driven(ctx context.Context, t Trip, departed bool, err error) {
	r.locked(func(*Slot) {
		if departed {
			r.road--
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.driving[CodeOf(err)]++
		case t.Status == tripCancelled && departed:
			r.driving[calledOffLate]++
		default:
			r.driving[t.Status]++
		}
	})
}

// calledOffLate is how a trip ended that was called off after its departure.
const calledOffLate = "cancelled on the way"

// placed notes the answer to an order, which took so long.
func (r *dayRecord) placed(ctx context.Context, took time.Duration, o Order, err error) {
	if ctx.Err() != nil {
		return
	}
	r.locked(func(s *Slot) {
		r.placing[codeOrNone(err)]++
		note(r.accept, took)
		if err == nil {
			r.ids[o.ID] = true
			s.Orders++
		}
	})
}

// cancelled notes the answer to a rider who called off.
func (r *dayRecord) cancelled(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.locked(func(*Slot) { r.calling[codeOrNone(err)]++ })
	}
}

// rated notes the answer to a rating.
func (r *dayRecord) rated(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.locked(func(*Slot) { r.rating[codeOrNone(err)]++ })
	}
}

// again notes that a try which ended with err is repeated.
func (r *dayRecord) again(err error) { r.locked(func(*Slot) { r.retried[CodeOf(err)]++ }) }

// queued notes how long the task has waited that has waited longest in each queue.
func (r *dayRecord) queued(wait map[string]time.Duration) {
	r.locked(func(s *Slot) {
		r.waiting = 0
		for queue, d := range wait {
			if r.waits[queue] == nil {
				r.waits[queue] = newDayHistogram()
			}
			note(r.waits[queue], d)
			r.waiting, s.Wait = max(r.waiting, d), max(s.Wait, Seconds(d))
		}
	})
}

func (r *dayRecord) ours(order uuid.UUID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[order]
}

// codeOrNone is CodeOf for an error that may be none.
func codeOrNone(err error) string {
	if err == nil {
		return ""
	}
	return CodeOf(err)
}
