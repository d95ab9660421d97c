// Package rating is what riders and drivers think of each other after a ride: one to
// five stars and a word, and the average that the other side sees.
package rating

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
)

// Party is a side of a ride.
type Party string

// The parties. Each rates the other.
const (
	Rider  Party = "rider"
	Driver Party = "driver"
)

// Window is how long after a ride it may be rated.
const Window = 7 * 24 * time.Hour

// What a rating may be.
const (
	MinStars   = 1
	MaxStars   = 5
	maxComment = 300 // characters
)

// Rating is what one party of an order thinks of the other. It is given once and
// stays; only its rater and operators read it.
type Rating struct {
	OrderID   uuid.UUID `gorm:"primaryKey"`
	Party     Party     `gorm:"primaryKey"` // who rated
	RaterID   uuid.UUID
	RateeID   uuid.UUID
	Stars     int
	Comment   string    // may be empty
	CountsAt  time.Time // from when on it counts in the average: when both have rated, at the latest when neither can any more
	CreatedAt time.Time
}

// TableName tells gorm where the rows live.
func (Rating) TableName() string { return "ratings" }

// Average is what a person's ratings come to.
type Average struct {
	Sum   int // of stars
	Count int
}

// Tenths returns the average in tenths of a star, rounded half up; 0 without ratings.
func (a Average) Tenths() int {
	if a.Count == 0 {
		return 0
	}
	return (20*a.Sum + a.Count) / (2 * a.Count)
}

// Ride is who rode with whom.
type Ride struct {
	Rider  uuid.UUID
	Driver uuid.UUID
	Over   *time.Time // when the rider was dropped off; nil unless that has happened
}

// party returns the side on which somebody is, and who is on the other. Who drove
// themselves is on neither.
func (r Ride) party(person uuid.UUID) (p Party, other uuid.UUID, ok bool) {
	switch {
	case r.Rider == r.Driver:
	case person == r.Rider:
		return Rider, r.Driver, true
	case person == r.Driver:
		return Driver, r.Rider, true
	}
	return "", uuid.Nil, false
}

// The faults of ratings.
var (
	// ErrNotParty says that only rider and driver rate each other.
	ErrNotParty = fault.New(fault.Forbidden, "rating_not_party", "only an order's rider and its driver rate each other")
	// ErrNotRidden says that there is nothing to rate.
	ErrNotRidden = fault.New(fault.Conflict, "order_not_completed", "a ride is rated once its rider has been dropped off")
	// ErrRated says that another rating was given before.
	ErrRated = fault.New(fault.Conflict, "already_rated", "the ride was rated before, and otherwise; a rating stays as it was given")
	// ErrClosed says that the ride is too long ago.
	ErrClosed = fault.New(fault.Conflict, "rating_closed", "a ride can be rated for %d days", Window/(24*time.Hour))
)

// clean returns a comment as it is kept, or a fault: comment_too_long or
// comment_unprintable.
func clean(comment string) (string, error) {
	comment = strings.TrimSpace(comment)
	hidden := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
	switch {
	case utf8.RuneCountInString(comment) > maxComment:
		return "", fault.Fieldf("comment", "comment_too_long", "a comment has at most %d characters", maxComment)
	case strings.ContainsFunc(comment, hidden):
		return "", fault.Fieldf("comment", "comment_unprintable", "a comment is one line of printable characters")
	}
	return comment, nil
}
