// Package account knows who the users are: their phone numbers and roles, how
// they sign in with a code by SMS, and the tokens that say who calls.
package account

import (
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/notify"
)

// Role says what a user may do.
type Role string

// The roles.
const (
	Rider    Role = "rider"    // orders seats; what a new user is
	Driver   Role = "driver"   // offers trips
	Operator Role = "operator" // sees everything; given on the command line only
)

// Known reports whether r is one of the roles.
func (r Role) Known() bool { return r == Rider || r == Driver || r == Operator }

// User is a person with a phone number.
type User struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	Phone     string    // E.164, "+8613800138000"
	Role      Role
	CreatedAt time.Time

	Preferences `gorm:"embedded"`
}

// Preferences are what a user has chosen; the zero value is what everyone begins with.
type Preferences struct {
	SMSOff   bool        // no SMS about notices; sign-in codes are sent all the same
	InboxOff bool        // no notices in the inbox, nor live
	Lang     notify.Lang // empty: the installation's
}

// TableName implements gorm's Tabler.
func (User) TableName() string { return "users" }

// Faults of this package.
var (
	// ErrCodeWrong says that a sign-in code is not the one that was sent, or is
	// expired, used, or out of tries; the caller is not told which.
	ErrCodeWrong = fault.New(fault.Unauthorized, "code_wrong", "the code is wrong or has expired")
	// ErrTokenInvalid says that a token is not one of ours.
	ErrTokenInvalid = fault.New(fault.Unauthorized, "token_invalid", "the token is not valid")
	// ErrTokenExpired says that a token was good once.
	ErrTokenExpired = fault.New(fault.Unauthorized, "token_expired", "the token has expired")
	// ErrNotFound says that there is no such user.
	ErrNotFound = fault.New(fault.NotFound, "user_not_found", "no such user")
)

// e164 is the international form of ITU-T E.164: a plus sign and up to 15
// digits. Seven is shorter than any number that can receive an SMS.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func checkPhone(phone string) error {
	if !e164.MatchString(phone) {
		return fault.Fieldf("phone", "phone_invalid", "must be an international number such as +8613800138000")
	}
	return nil
}

func checkRole(r Role, allowed ...Role) error {
	for _, a := range allowed {
		if r == a {
			return nil
		}
	}
	return fault.Fieldf("role", "role_unknown", "must be one of %v", allowed)
}
