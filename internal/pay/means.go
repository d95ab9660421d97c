package pay

import (
	"context"
	"errors"
	"regexp"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// Means are the gateway's names for what a user pays with and is paid to. An empty
// one was not named.
type Means struct {
	UserID        uuid.UUID `gorm:"primaryKey"`
	Payer         Payer     `gorm:"embedded"`
	PayoutAccount string
}

// TableName implements gorm's Tabler.
func (Means) TableName() string { return "payment_means" }

// Means returns what a user has named; someone who has named nothing gets the empty Means.
func (s *Service) Means(ctx context.Context, user uuid.UUID) (m Means, err error) {
	err = s.db.Read(ctx).Where("user_id = ?", user).Take(&m).Error
	if errors.Is(err, db.ErrNotFound) {
		return Means{UserID: user}, nil
	}
	return m, err
}

// goodReference begins with a letter, which the number of a card or an account does not.
var goodReference = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.:-]{0,99})?$`)

// SetMeans replaces what a user has named. Payments that are open already keep what
// they were opened with. What is no reference of a gateway is refused as Invalid.
func (s *Service) SetMeans(tx *db.Tx, m Means) error {
	for _, f := range []struct{ name, value string }{
		{"customer", m.Payer.Customer}, {"payment_method", m.Payer.Method}, {"payout_account", m.PayoutAccount},
	} {
		if !goodReference.MatchString(f.value) {
			return fault.Fieldf(f.name, "payment_reference_invalid",
				"must be a name that the gateway has given, such as pm_1abc: a letter, then up to 99 of A-Z a-z 0-9 _ . : -")
		}
	}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&m).Error
}
