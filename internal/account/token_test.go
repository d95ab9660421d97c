package account

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
)

// However fast time runs, a token is good for as long as whoever holds it was told.
func TestATokenLivesByTheWallsClock(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	m, err := newMint([]byte(secret), time.Hour, clock.Fast{Wall: time.Now(), App: now, Rate: 60})
	if err != nil {
		t.Fatal(err)
	}
	token, err := m.token(User{ID: uuid.New(), Role: Rider})
	if life := token.ExpiresAt.Sub(now); err != nil || life < 60*time.Hour {
		t.Errorf("lives for %s of a clock that runs 60×, %v", life, err)
	}
}

func TestVerify(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	clk := clock.NewFake(now)
	m, err := newMint([]byte(secret), time.Hour, clk)
	if err != nil {
		t.Fatal(err)
	}
	user := User{ID: uuid.New(), Role: Driver}
	good, err := m.token(user)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := newMint([]byte("some other secret entirely"), time.Hour, clk)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := foreign.token(user)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(method jwt.SigningMethod, key any, change func(*claims)) string {
		c := claims{Role: Rider, RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: user.ID.String(), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		}}
		change(&c)
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := func(*claims) {}
	tests := []struct {
		name string
		text string
		want error
	}{
		{"ours", good.Text, nil},
		{"ours, by hand", sign(jwt.SigningMethodHS256, m.key, same), nil},
		{"empty", "", ErrTokenInvalid},
		{"not a token", "a.b.c", ErrTokenInvalid},
		{"altered", good.Text[:len(good.Text)-2] + "AA", ErrTokenInvalid},
		{"another secret", forged.Text, ErrTokenInvalid},
		{"no algorithm", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), ErrTokenInvalid},
		{"another algorithm", sign(jwt.SigningMethodHS512, m.key, same), ErrTokenInvalid},
		{"no end", sign(jwt.SigningMethodHS256, m.key, func(c *claims) { c.ExpiresAt = nil }), ErrTokenInvalid},
		{"another issuer", sign(jwt.SigningMethodHS256, m.key, func(c *claims) { c.Issuer = "x" }), ErrTokenInvalid},
		{"nobody's", sign(jwt.SigningMethodHS256, m.key, func(c *claims) { c.Subject = "x" }), ErrTokenInvalid},
		{"no role", sign(jwt.SigningMethodHS256, m.key, func(c *claims) { c.Role = "" }), ErrTokenInvalid},
		{"over", sign(jwt.SigningMethodHS256, m.key, func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(now) }), ErrTokenExpired},
	}
	for _, tt := range tests {
		if _, err := m.verify(tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}

	clk.Advance(time.Hour - time.Microsecond)
	if who, err := m.verify(good.Text); err != nil || who != (Identity{user.ID, Driver}) {
		t.Errorf("in its last moment: %+v, %v", who, err)
	}
	clk.Advance(time.Microsecond)
	if _, err := m.verify(good.Text); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("in the moment after: %v", err)
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	if _, err := newMint([]byte("short"), time.Hour, clock.System{}); err == nil {
		t.Error("a secret of five bytes was taken")
	}
}
