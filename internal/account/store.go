package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
)

// signInCode is the one code a user can sign in with; the code itself is not kept.
type signInCode struct {
	UserID     uuid.UUID `gorm:"primaryKey"`
	CodeDigest string
	TriesLeft  int
	ExpiresAt  time.Time
}

func (signInCode) TableName() string { return "sign_in_codes" }

// upsertChunk bounds the rows of one INSERT well below both databases' limit on its parameters.
const upsertChunk = 500

// upsert gives each phone number a user with the role, whether it had one or
// not, and returns the users in no particular order.
func upsert(tx *db.Tx, phones []string, role Role, now time.Time) ([]User, error) {
	rows := make([]User, len(phones))
	for i, phone := range phones {
		rows[i] = User{ID: uuid.Must(uuid.NewV7()), Phone: phone, Role: role, CreatedAt: now}
	}
	err := tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "phone"}},
		DoUpdates: clause.AssignmentColumns([]string{"role"}),
	}).Create(&rows).Error
	if err != nil {
		return nil, err
	}
	var users []User
	err = tx.Where("phone IN ?", phones).Find(&users).Error
	return users, err
}

// byPhone returns the user with a number, or ErrNotFound.
func byPhone(tx *db.Tx, phone string) (User, error) {
	return take(tx.Where("phone = ?", phone))
}

// Contacts returns how users are reached; who is not known is left out.
func (s *Service) Contacts(ctx context.Context, ids ...uuid.UUID) (map[uuid.UUID]notify.Contact, error) {
	var users []User
	if err := s.db.Read(ctx).Where("id IN ?", ids).Find(&users).Error; err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID]notify.Contact, len(users))
	for _, u := range users {
		found[u.ID] = notify.Contact{Phone: u.Phone, Lang: u.Lang, NoSMS: u.SMSOff, NoInbox: u.InboxOff}
	}
	return found, nil
}

// Preferences returns what a user has chosen, or ErrNotFound.
func (s *Service) Preferences(ctx context.Context, id uuid.UUID) (Preferences, error) {
	u, err := take(s.db.Read(ctx).Where("id = ?", id))
	return u.Preferences, err
}

// Choice is what a user chooses; what is nil stays as it is.
type Choice struct {
	SMSOff   *bool
	InboxOff *bool
	Lang     *notify.Lang
}

// Prefer makes a choice of a user's and returns what they have chosen now. It returns
// ErrNotFound, or lang_unknown for a language that there is not.
func (s *Service) Prefer(tx *db.Tx, id uuid.UUID, c Choice) (Preferences, error) {
	if c.Lang != nil && !slices.Contains(notify.Langs, *c.Lang) {
		return Preferences{}, fault.Fieldf("lang", "lang_unknown", "must be one of %v", notify.Langs)
	}
	_, err := tx.Change(`UPDATE users SET sms_off = COALESCE(?, sms_off), inbox_off = COALESCE(?, inbox_off), lang = COALESCE(?, lang)
		WHERE id = ?`, c.SMSOff, c.InboxOff, c.Lang, id)
	if err != nil {
		return Preferences{}, err
	}
	u, err := take(tx.Where("id = ?", id))
	return u.Preferences, err
}

func take(q *gorm.DB) (User, error) {
	var u User
	err := q.Take(&u).Error
	if errors.Is(err, db.ErrNotFound) {
		return User{}, ErrNotFound
	}
	return u, err
}

// newcomer returns the user with a number, made as a rider when there is none.
func (s *Service) newcomer(tx *db.Tx, phone string) (User, error) {
	u, err := byPhone(tx, phone)
	if !errors.Is(err, ErrNotFound) {
		return u, err
	}
	u = User{ID: uuid.Must(uuid.NewV7()), Phone: phone, Role: Rider, CreatedAt: s.clock.Now()}
	err = tx.Create(&u).Error
	if errors.Is(err, db.ErrDuplicate) { // someone asked for the same number just now
		return byPhone(tx, phone)
	}
	return u, err
}

// currentCode returns a user's code, expired or not, with its row locked; the
// zero code when there is none.
func currentCode(tx *db.Tx, user uuid.UUID) (signInCode, error) {
	var c signInCode
	err := tx.Clauses(db.ForUpdate).Where("user_id = ?", user).Take(&c).Error
	if errors.Is(err, db.ErrNotFound) {
		return signInCode{}, nil
	}
	return c, err
}

// saveCode makes c the user's code.
func saveCode(tx *db.Tx, c signInCode) error {
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&c).Error
}

// spendTry uses one try of a live code and returns the code; ok is false when
// there is no live one with tries left.
func spendTry(tx *db.Tx, user uuid.UUID, now time.Time) (c signInCode, ok bool, err error) {
	n, err := tx.Change(
		"UPDATE sign_in_codes SET tries_left = tries_left - 1 WHERE user_id = ? AND tries_left > 0 AND expires_at > ?",
		user, now)
	if err != nil || n == 0 {
		return signInCode{}, false, err
	}
	c, err = currentCode(tx, user)
	return c, err == nil, err
}

// Lock locks a user's row until the transaction ends, or returns ErrNotFound.
func (s *Service) Lock(tx *db.Tx, id uuid.UUID) error {
	_, err := take(tx.Clauses(db.ForUpdate).Where("id = ?", id))
	return err
}
