package trip

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/pay"
)

// What is done each night with the day before.

type dayArgs struct {
	Day clock.Day `json:"day"`
}

var closeDayKind = jobs.Kind[dayArgs]{
	Name: "trip:close_day", Queue: "low", Tries: 5, Timeout: 2 * time.Minute,
	Backoff: jobs.Exponential(time.Second, time.Minute),
}

// closeAt is the time of the day at which the one before is closed, in the installation's zone.
const closeAt = 2 * time.Hour

// Nightly says when the day before is closed: at two o'clock, or, when nothing ran
// then, as soon as something does. An hour's change of the clocks moves it until
// the next start.
func (s *Service) Nightly() jobs.Periodic {
	_, east := s.clock.Now().In(s.cfg.Zone).Zone()
	return jobs.Periodic{
		Every: 24 * time.Hour, Offset: closeAt - time.Duration(east)*time.Second,
		Job: func(slot time.Time) jobs.Job {
			return closeDayKind.New(dayArgs{clock.DayOf(slot, s.cfg.Zone).Before()})
		},
	}
}

// CloseDay is how a day ends: each driver whose trips departed that day, or who earned
// something of it, gets a statement and is told of it, then the day is summed up. What
// fails for one driver keeps nothing from the others.
func CloseDay(day clock.Day, drivers []uuid.UUID) jobs.Flow {
	each := make([]jobs.Flow, len(drivers))
	for i, driver := range drivers {
		each[i] = jobs.Chain(pay.MakeStatement(driver, day), notify.StatementReady(driver, day))
	}
	return jobs.Chain(jobs.BatchOf(each).AllowFailures(), pay.DayReport(day))
}

// dayID names a day as the subject of a flow.
func dayID(day clock.Day) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("spotpool:day:"+day))
}

func (s *Service) closeDay(ctx context.Context, a *jobs.Attempt, args dayArgs) error {
	drivers, err := s.drivers(ctx, args.Day)
	if err != nil {
		return err
	}
	if len(drivers) == 0 {
		return jobs.Skip("nobody drove that day")
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		_, err := s.queue.Start(tx, jobs.Subject{Kind: "day", ID: dayID(args.Day)}, CloseDay(args.Day, drivers))
		return err
	})
}

// driven are the statuses of trips that depart, or have, at their time.
var driven = []Status{Open, Departed, Completed}

// drivers returns who has trips that departed on a day that is over, or settlements of
// it: a trip that was called off may have earned a late cancel's cost. They are in the
// order of their ids.
func (s *Service) drivers(ctx context.Context, day clock.Day) (ids []uuid.UUID, err error) {
	from, until := day.Span(s.cfg.Zone)
	err = s.db.Read(ctx).Raw("SELECT DISTINCT driver_id FROM trips WHERE status IN ? AND depart_at >= ? AND depart_at < ?",
		driven, from, until).Scan(&ids).Error
	if err != nil {
		return nil, err
	}
	earned, err := pay.Earners(s.db.Read(ctx), day)
	ids = append(ids, earned...)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids), err
}

// Driven returns how many trips of a driver departed within a span of time that is
// over, and the orders that are on their plans.
func (s *Service) Driven(ctx context.Context, driver uuid.UUID, from, until time.Time) (trips int, orders []uuid.UUID, err error) {
	var plans []struct{ Plan Plan }
	err = s.db.Read(ctx).Raw("SELECT plan FROM trips WHERE driver_id = ? AND status IN ? AND depart_at >= ? AND depart_at < ?",
		driver, driven, from, until).Scan(&plans).Error
	for _, row := range plans {
		orders = append(orders, row.Plan.Orders()...)
	}
	return len(plans), orders, err
}
