package seal

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func box(t *testing.T, secret string) *Box {
	t.Helper()
	b, err := NewBox([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedValuesOpenAgain(t *testing.T) {
	b := box(t, "0123456789abcdef")
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := b.Seal(plain)
		if len(plain) > 3 && strings.Contains(sealed, string(plain)) {
			t.Fatalf("%q can be read in %q", plain, sealed)
		}
		if opened, err := b.Open(sealed); err != nil || !bytes.Equal(opened, plain) {
			t.Fatalf("opened %q, %v, want %q", opened, err, plain)
		}
		if b.Seal(plain) == sealed {
			t.Fatal("sealed alike twice: a reader could tell equal values")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	b := box(t, "0123456789abcdef")
	sealed := b.Seal([]byte("code 123456"))
	for i := range sealed {
		other := byte('A')
		if sealed[i] == other {
			other = 'B'
		}
		if _, err := b.Open(sealed[:i] + string(other) + sealed[i+1:]); err == nil {
			t.Errorf("opened with character %d altered", i)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "not base64": "%%%", "a nonce's half": sealed[:8], "cut off": sealed[:len(sealed)-4], "more": sealed + "AAAA",
	} {
		if _, err := b.Open(text); err == nil {
			t.Errorf("opened %s", name)
		}
	}
	if _, err := box(t, "0123456789abcdeF").Open(sealed); err == nil {
		t.Error("opened under another secret")
	}
}

const (
	storedSealed = "ndeiYahAeYJfB5fzR3KzByhCxHzauvwTduYzHbXWrlVRCtVYaq5u"
	storedDigest = "KOwKKgnungSmHRqHJX3r_A"
)

// What was sealed and digested stays in databases: another version must read it.
func TestStoredValuesStayReadable(t *testing.T) {
	b := box(t, "a secret of sixteen bytes or more")
	plain, err := b.Open(storedSealed)
	if err != nil || string(plain) != "code 123456" {
		t.Errorf("opened %q, %v", plain, err)
	}
	if got := b.Digest("+8613800138000"); got != storedDigest {
		t.Errorf("digest %q, want %q", got, storedDigest)
	}
}

func TestDigest(t *testing.T) {
	a, b := box(t, "0123456789abcdef"), box(t, "0123456789abcdeF")
	if first, again := a.Digest("x"), a.Digest("x"); first != again {
		t.Error("the same text has two digests")
	}
	if a.Digest("x") == a.Digest("y") || a.Digest("x") == b.Digest("x") {
		t.Error("another text or secret has the same digest")
	}
	if got := len(a.Digest(strings.Repeat("long", 1000))); got != 22 {
		t.Errorf("%d characters, want 22, 16 bytes in base64", got)
	}
}

func TestShortSecretsAreRefused(t *testing.T) {
	if _, err := NewBox([]byte("0123456789abcde")); err == nil {
		t.Error("took 15 bytes")
	}
	box(t, "0123456789abcdef")
}
