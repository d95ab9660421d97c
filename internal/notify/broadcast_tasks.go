package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

type pageArgs struct {
	Broadcast uuid.UUID `json:"broadcast_id"`
	After     uuid.UUID `json:"after_order_id"` // where the page before it ended
}

type countArgs struct {
	Broadcast uuid.UUID `json:"broadcast_id"`
	Last      bool      `json:"last"`
}

type endArgs struct {
	Broadcast uuid.UUID      `json:"broadcast_id"`
	State     BroadcastState `json:"state"`
}

func broadcastTag(id uuid.UUID) []string { return []string{"broadcast:" + id.String()} }

var pageKind = jobs.Kind[pageArgs]{
	Name: "notify:broadcast_page", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 30 * time.Second,
	Tags: func(a pageArgs) []string { return broadcastTag(a.Broadcast) },
}

var countKind = jobs.Kind[countArgs]{
	Name: "notify:broadcast_count", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	Tags: func(a countArgs) []string { return broadcastTag(a.Broadcast) },
}

var endKind = jobs.Kind[endArgs]{
	Name: "notify:broadcast_end", Queue: "notify", Tries: 20,
	Backoff: jobs.Exponential(time.Second, 5*time.Minute), Timeout: 10 * time.Second,
	Tags: func(a endArgs) []string { return broadcastTag(a.Broadcast) },
}

// pageSize is how many orders a page looks at.
const pageSize = 100

// Spread is how a broadcast is carried out: a page of riders is told and adds the
// next page to the batch that it is in, until there are no more riders.
func Spread(id uuid.UUID) jobs.Flow {
	return jobs.Chain(
		jobs.Batch(page(id, uuid.Nil)).
			Progress(countKind.New(countArgs{id, false})).
			Then(endKind.New(endArgs{id, Sent})).
			Catch(endKind.New(endArgs{id, Failed})).
			Finally(countKind.New(countArgs{id, true})),
	)
}

func page(broadcast, after uuid.UUID) jobs.Job { return pageKind.New(pageArgs{broadcast, after}) }

func (s *Service) registerBroadcasts(r *jobs.Registry) {
	jobs.Handle(r, pageKind, s.tellPage)
	jobs.Handle(r, countKind, s.countBroadcast)
	jobs.Handle(r, endKind, s.endBroadcast)
}

// tellPage tells one page of riders. The notice's key keeps a rider who has orders
// on two pages from being told twice.
func (s *Service) tellPage(ctx context.Context, a *jobs.Attempt, args pageArgs) error {
	b, err := s.Broadcast(ctx, args.Broadcast)
	if err != nil {
		return err
	}
	riders, last, err := s.deps.Rides.Upcoming(ctx, b.Area, args.After, pageSize)
	if err != nil {
		return err
	}
	if off, err := a.Cancelled(ctx); off || err != nil {
		return orSkip(err, "the broadcast was called off")
	}
	letters := make([]letter, len(riders))
	for i, rider := range riders {
		letters[i] = letter{user: rider, event: Announced, to: ToRider, about: b.ID, text: b.Text}
	}
	notices, err := s.notices(ctx, letters)
	if err != nil {
		return err
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		if _, err := s.put(ctx, tx, notices); err != nil || last == uuid.Nil {
			return err
		}
		_, err := a.Add(tx, page(b.ID, last))
		return err
	})
}

// orSkip returns err, or that the job is skipped where there is none.
func orSkip(err error, why string) error {
	if err != nil {
		return err
	}
	return jobs.Skip(why)
}

// countBroadcast writes down how far the broadcast is, counted anew each time. A
// count that comes late does not undo a newer one.
func (s *Service) countBroadcast(ctx context.Context, a *jobs.Attempt, args countArgs) error {
	batch, err := a.Batch(ctx)
	if err != nil {
		return err
	}
	var finished *time.Time
	if args.Last {
		now := s.deps.Clock.Now()
		finished = &now
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := tx.Change(`UPDATE broadcasts SET told = (SELECT COUNT(*) FROM notices WHERE about_id = ? AND event = ? AND NOT hidden),
			pages = ?, pages_done = ?, pages_failed = ?, finished_at = COALESCE(finished_at, ?)
			WHERE id = ? AND pages_done + pages_failed <= ?`, args.Broadcast, Announced,
			batch.Total, batch.Done(), batch.Failed, finished, args.Broadcast, batch.Done()+batch.Failed)
		return err
	})
}

// endBroadcast closes a broadcast that nobody has called off.
func (s *Service) endBroadcast(ctx context.Context, a *jobs.Attempt, args endArgs) error {
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := tx.Change("UPDATE broadcasts SET state = ? WHERE id = ? AND state = ?", args.State, args.Broadcast, Sending)
		return err
	})
}
