package pay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
)

// Statement is what a driver's trips of one day came to. It is written once,
// when the day is over, and stays as it is; what is settled of it by now is Settled.
type Statement struct {
	DriverID  uuid.UUID    `gorm:"primaryKey"`
	Day       clock.Day    `gorm:"primaryKey"` // on which the trips departed
	Trips     int          // that departed
	Rides     int          // orders on them whose fare was held or charged
	Total     money.Amount // of what was charged, and of what was held and not charged yet
	CreatedAt time.Time
}

// TableName implements gorm's Tabler.
func (Statement) TableName() string { return "statements" }

// ErrNoStatement says that a driver has no statement of a day.
var ErrNoStatement = fault.New(fault.NotFound, "statement_not_found", "there is no statement of that day")

// Statement returns a driver's statement of a day, or ErrNoStatement.
func (s *Service) Statement(ctx context.Context, driver uuid.UUID, day clock.Day) (st Statement, err error) {
	err = s.db.Read(ctx).Where("driver_id = ? AND day = ?", driver, day).Take(&st).Error
	if errors.Is(err, db.ErrNotFound) {
		err = ErrNoStatement
	}
	return st, err
}

// Figures returns how many rides a driver's statement of a day counts, what they
// come to, and the driver's share of what is settled by now, or ErrNoStatement.
func (s *Service) Figures(ctx context.Context, driver uuid.UUID, day clock.Day) (rides int, total, share money.Amount, err error) {
	st, err := s.Statement(ctx, driver, day)
	if err != nil {
		return 0, 0, 0, err
	}
	settled, err := s.Settled(ctx, driver, day)
	return st.Rides, st.Total, settled.Share, err
}

// DayOver reads a day of which statements can be made. It returns the Invalid
// fault day_invalid or day_not_over.
func (s *Service) DayOver(text string) (clock.Day, error) {
	day, err := clock.ParseDay(text)
	if err != nil {
		return "", fault.Fieldf("day", "day_invalid", "day must be a date such as 2026-03-01")
	}
	if _, until := day.Span(s.zone); until.After(s.clock.Now()) {
		return "", fault.Fieldf("day", "day_not_over", "there are statements of days that are over")
	}
	return day, nil
}

type statementArgs struct {
	Driver uuid.UUID `json:"driver_id"`
	Day    clock.Day `json:"day"`
}

type dayArgs struct {
	Day clock.Day `json:"day"`
}

// Asked for twice, by the night and by the driver, a statement is worked out once.
var statementKind = jobs.Kind[statementArgs]{
	Name: "pay:statement", Queue: "low", Tries: 6,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 30 * time.Second,
	Unique: func(a statementArgs) string { return a.Driver.String() + ":" + string(a.Day) },
	Tags:   func(a statementArgs) []string { return []string{"driver:" + a.Driver.String()} },
}

var dayReportKind = jobs.Kind[dayArgs]{
	Name: "pay:day_report", Queue: "low", Tries: 3,
	Backoff: jobs.Fixed(time.Minute), Timeout: 30 * time.Second,
}

// MakeStatement returns the job that writes a driver's statement of a day that is
// over. It is skipped when no trip of the driver departed that day and nothing of it
// was settled, such as a rider's late cancel.
func MakeStatement(driver uuid.UUID, day clock.Day) jobs.Job {
	return statementKind.New(statementArgs{driver, day})
}

// DayReport returns the job that logs what all statements of a day come to.
func DayReport(day clock.Day) jobs.Job { return dayReportKind.New(dayArgs{day}) }

// bookLock is how long a driver's books stay locked by a worker that died.
const bookLock = 30 * time.Second

func (s *Service) registerStatements(r *jobs.Registry) {
	// One job at a time for each driver's books.
	jobs.Handle(r, statementKind, s.makeStatement, jobs.WithoutOverlapping(s.locks, bookLock,
		func(a statementArgs) string { return a.Driver.String() }))
	jobs.Handle(r, dayReportKind, s.reportDay)
}

func (s *Service) makeStatement(ctx context.Context, a *jobs.Attempt, args statementArgs) error {
	if _, err := s.Statement(ctx, args.Driver, args.Day); err == nil {
		return jobs.Skip("the statement is there")
	} else if !errors.Is(err, ErrNoStatement) {
		return err
	}
	from, until := args.Day.Span(s.zone)
	trips, orders, err := s.rides.Driven(ctx, args.Driver, from, until)
	if err != nil {
		return err
	}
	settled, err := s.Settled(ctx, args.Driver, args.Day)
	if err != nil {
		return err
	}
	if trips == 0 && settled.Rides == 0 {
		return jobs.Skip("no trip departed that day")
	}
	payments, err := s.Of(ctx, orders...)
	if err != nil {
		return err
	}
	st := Statement{DriverID: args.Driver, Day: args.Day, Trips: trips, CreatedAt: s.clock.Now()}
	for _, p := range payments {
		switch {
		case p.Status == Held:
			st.Rides++
			st.Total += p.Amount
		case p.Status.Charged():
			st.Rides++
			st.Total += p.Charged
		}
	}
	return a.Done(ctx, func(tx *db.Tx) error { return insertStatement(tx, &st) })
}

// insertStatement writes a statement; one that is there already stays as it is.
func insertStatement(tx *db.Tx, st *Statement) error {
	err := tx.Create(st).Error
	if errors.Is(err, db.ErrDuplicate) {
		return nil
	}
	return err
}

func (s *Service) reportDay(ctx context.Context, _ *jobs.Attempt, args dayArgs) error {
	var sum struct {
		Drivers, Trips, Rides int
		Total                 money.Amount
	}
	err := s.db.Read(ctx).Raw(`SELECT COUNT(*) AS drivers, COALESCE(SUM(trips), 0) AS trips,
		COALESCE(SUM(rides), 0) AS rides, COALESCE(SUM(total), 0) AS total FROM statements WHERE day = ?`, args.Day).Scan(&sum).Error
	if err == nil {
		s.log.InfoContext(ctx, "statements of a day", slog.String("day", string(args.Day)), slog.Int("drivers", sum.Drivers),
			slog.Int("trips", sum.Trips), slog.Int("rides", sum.Rides), slog.String("total", sum.Total.String()))
	}
	return err
}
