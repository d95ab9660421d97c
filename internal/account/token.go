package account

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// Token says who its bearer is, until it expires.
type Token struct {
	Text      string
	ExpiresAt time.Time
}

// Identity is what a token says.
type Identity struct {
	UserID uuid.UUID
	Role   Role
}

const issuer = "spotpool"

// claims are those of RFC 7519 and the role.
type claims struct {
	jwt.RegisteredClaims
	Role Role `json:"role"`
}

// mint makes and reads tokens: JWTs signed with HMAC-SHA256.
type mint struct {
	key    []byte
	life   time.Duration // by the wall's clock
	clock  clock.Clock
	parser *jwt.Parser
}

// newMint derives the signing key from secret with HKDF-SHA256 (RFC 5869). It
// refuses a secret shorter than 16 bytes.
func newMint(secret []byte, life time.Duration, clk clock.Clock) (*mint, error) {
	if len(secret) < 16 {
		return nil, errors.New("the secret must have at least 16 bytes")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "spotpool token", 32)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithTimeFunc(clk.Now))
	return &mint{key: key, life: life, clock: clk, parser: parser}, nil
}

func (m *mint) token(u User) (Token, error) {
	now := m.clock.Now()
	expires := jwt.NewNumericDate(now.Add(clock.App(m.clock, m.life))) // whole seconds
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: u.ID.String(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: expires,
		},
		Role: u.Role,
	}).SignedString(m.key)
	return Token{Text: text, ExpiresAt: expires.UTC()}, err
}

func (m *mint) verify(text string) (Identity, error) {
	var c claims
	_, err := m.parser.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return m.key, nil })
	if errors.Is(err, jwt.ErrTokenExpired) {
		return Identity{}, ErrTokenExpired
	}
	if err != nil {
		return Identity{}, ErrTokenInvalid
	}
	id, err := uuid.Parse(c.Subject)
	if err != nil || !c.Role.Known() {
		return Identity{}, ErrTokenInvalid
	}
	return Identity{UserID: id, Role: c.Role}, nil
}
