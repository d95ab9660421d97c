// Package tempo keeps the clock that the processes of one database share, when the
// application's time runs faster than the wall's. What it runs by is one row of the
// database, so that all processes agree, and go on from where the last ones were.
//
// The application's time never goes back, and is never behind the wall's. It stands
// still while no process runs: a simulation that was left overnight is not weeks later
// in the morning. A database whose time never ran faster has no row, and its clock is
// the system's.
package tempo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
)

const (
	// beat is how often a process says that it runs, and looks whether the clock is the same.
	beat = 2 * time.Second
	// idle is how long time goes on after the last word of a process. What a process
	// wrote after that word is not later than this, unless only its beats were lost.
	idle = 15 * time.Second
)

// ErrOtherSpeed says that a database's time does not run at the speed asked for.
var ErrOtherSpeed = errors.New("time runs at another speed")

// Ask says at which speed time is wanted.
type Ask struct {
	Speed  float64 // at least 1; 0: as it runs already, by the wall's in a new database
	Change bool    // whether another speed is brought about, or refused with ErrOtherSpeed
}

// row is the clock as the database has it. There is one, with the id 1, or none.
type row struct {
	ID     int
	Speed  float64
	WallAt time.Time
	AppAt  time.Time
	SeenAt time.Time // by the wall's clock: when a process last said that it runs
}

func (row) TableName() string { return "tempo" }

// read returns the row, nil when there is none.
func read(q *gorm.DB) (*row, error) {
	var rows []row
	if err := q.Where("id = 1").Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

func (r *row) fast() clock.Fast {
	return clock.Fast{Wall: r.WallAt.UTC(), App: r.AppAt.UTC(), Rate: r.Speed}
}

// clock returns the clock that the row says, the system's without one.
func (r *row) clock() clock.Clock {
	if r == nil {
		return clock.System{}
	}
	return r.fast()
}

// Tempo is the clock of a database as a process found it at its start.
type Tempo struct {
	clock.Clock // clock.System or clock.Fast
	db          *db.DB
}

// Open returns a database's clock.
func Open(ctx context.Context, d *db.DB, ask Ask) (*Tempo, error) {
	return open(ctx, d, ask, clock.System{})
}

func open(ctx context.Context, d *db.DB, ask Ask, wall clock.Clock) (*Tempo, error) {
	r, err := read(d.Read(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the clock: %w", err)
	}
	if r == nil && (ask.Speed == 0 || ask.Speed == 1) {
		return &Tempo{clock.System{}, d}, nil
	}
	var c clock.Clock
	for range 2 { // two may write the first row at once; the second then finds it
		err = d.Tx(ctx, func(tx *db.Tx) (err error) {
			c, err = ask.settle(tx, wall.Now())
			return err
		})
		if !errors.Is(err, db.ErrDuplicate) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("clock: %w", err)
	}
	return &Tempo{c, d}, nil
}

// settle finds, begins or changes the clock at now of the wall's.
func (ask Ask) settle(tx *db.Tx, now time.Time) (clock.Clock, error) {
	was, err := read(tx.Clauses(db.ForUpdate))
	if err != nil {
		return nil, err
	}
	next, err := ask.next(was, now)
	switch {
	case err != nil:
	case was == nil && next != nil:
		err = tx.Create(next).Error
	case next == nil:
		_, err = tx.Change("DELETE FROM tempo WHERE id = 1")
	default:
		_, err = tx.Change("UPDATE tempo SET speed = ?, wall_at = ?, app_at = ?, seen_at = ? WHERE id = 1",
			next.Speed, next.WallAt, next.AppAt, next.SeenAt)
	}
	return next.clock(), err
}

// next returns the clock that a process has which starts at now of the wall's and finds
// another, or none.
func (ask Ask) next(was *row, now time.Time) (*row, error) {
	found, speed := was.clock().Speed(), ask.Speed
	if speed == 0 {
		speed = found
	}
	switch {
	case speed != found && !ask.Change:
		return nil, fmt.Errorf("%w: %g× in this database, not %g× as asked for; 'serve', 'demo' and 'migrate' change it",
			ErrOtherSpeed, found, speed)
	case was == nil && speed == 1:
		return nil, nil
	case was == nil:
		return &row{ID: 1, Speed: speed, WallAt: now, AppAt: now, SeenAt: now}, nil
	}
	last := was.SeenAt.Add(idle)
	if speed == found && !now.After(last) { // others run
		same := *was
		if now.After(same.SeenAt) {
			same.SeenAt = now
		}
		return &same, nil
	}
	if now.Before(last) {
		last = now
	}
	app := was.fast().At(last)
	if !app.After(now) {
		if speed == 1 {
			return nil, nil // it is the wall's time again
		}
		app = now
	}
	return &row{ID: 1, Speed: speed, WallAt: now, AppAt: app, SeenAt: now}, nil
}

// Keep says again and again that this process runs, until ctx is over. It returns an
// error when the clock was changed meanwhile: the process must start again then.
func (t *Tempo) Keep(ctx context.Context, log *slog.Logger) error {
	return t.keep(ctx, log, clock.System{}, beat)
}

func (t *Tempo) keep(ctx context.Context, log *slog.Logger, wall clock.Clock, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		same, err := t.touch(ctx, wall.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.WarnContext(ctx, "the clock cannot be kept", "err", err)
		case !same:
			return errors.New("another process has changed how fast time runs, or begun it anew: start this one again")
		}
	}
}

// touch says that a process runs and reports whether the clock is still the same.
func (t *Tempo) touch(ctx context.Context, now time.Time) (same bool, err error) {
	r, err := read(t.db.Read(ctx))
	if err != nil || r.clock() != t.Clock {
		return false, err
	}
	if r == nil {
		return true, nil
	}
	return true, t.db.Tx(ctx, func(tx *db.Tx) error {
		// Walls' clocks that disagree do not turn it back.
		_, err := tx.Change("UPDATE tempo SET seen_at = ? WHERE id = 1 AND seen_at < ?", now, now)
		return err
	})
}
