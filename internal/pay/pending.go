package pay

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
)

// A job whose command the gateway has not decided asks again when it has waited
// twice as long, or when a webhook wakes it.
const (
	firstLook = time.Second
	lastLook  = time.Hour
)

// holdWithin is how long the gateway may take to decide a hold: a rider and a seat
// wait for it. For all other commands it has all the time it takes.
const (
	holdWithin = 10 * time.Minute
	noLimit    = time.Duration(0)
)

// gatewayWait says that the gateway was given a command that it did not decide at
// once. The row stays when that is over, until it is pruned.
type gatewayWait struct {
	IdemKey   string    `gorm:"primaryKey"`
	SubjectID uuid.UUID // of the flow in which a job waits for it
	Since     time.Time
}

// TableName tells gorm where the rows live.
func (gatewayWait) TableName() string { return "gateway_waits" }

// undecided returns what a job is to do about an error of the gateway: give up where
// that is final, and wait where the command is pending, at most for limit.
func (s *Service) undecided(ctx context.Context, err error, key string, subject uuid.UUID, limit time.Duration) error {
	if !errors.Is(err, ErrPending) {
		return final(err)
	}
	since, err := s.waiting(ctx, key, subject)
	if err != nil {
		return err
	}
	waited := s.clock.Now().Sub(since)
	wait := min(max(waited, firstLook), lastLook)
	if limit > 0 {
		if waited >= limit {
			return jobs.Fail(ErrUnanswered)
		}
		wait = min(wait, limit-waited)
	}
	return jobs.Release(wait, ErrPending.Error())
}

// waiting writes down that a job waits for the command's outcome, and returns since when.
func (s *Service) waiting(ctx context.Context, key string, subject uuid.UUID) (time.Time, error) {
	w := gatewayWait{IdemKey: key, SubjectID: subject, Since: s.clock.Now()}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		// A later job waits for the same command in another flow, such as that of a new trip.
		err := tx.Clauses(clause.OnConflict{DoUpdates: clause.AssignmentColumns([]string{"subject_id"}), Columns: []clause.Column{{Name: "idem_key"}}}).Create(&w).Error
		if err != nil {
			return err
		}
		return tx.Where("idem_key = ?", key).Take(&w).Error
	})
	return w.Since, err
}
