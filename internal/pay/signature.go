package pay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of what passes between us and a gateway of
// the signed protocol (docs/payments.md): "t=<Unix time>,v1=<hex>", where v1 is the
// HMAC-SHA256 of "<Unix time>.<body>". Several v1 may stand there while a secret is
// being replaced.
const SignatureHeader = "Spotpool-Signature"

// Sign adds the signature of a body to a header.
func Sign(h http.Header, body []byte, secret string, at time.Time) {
	t := strconv.FormatInt(at.Unix(), 10)
	h.Set(SignatureHeader, "t="+t+",v1="+hex.EncodeToString(mac(t, body, secret)))
}

// Verify returns nil when one of the signatures in the header is that of the body and
// its time is near now; else ErrSignature or ErrSignatureOld.
func Verify(h http.Header, body []byte, secret string, now time.Time) error {
	var t string
	var signatures [][]byte
	for part := range strings.SplitSeq(h.Get(SignatureHeader), ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			t = value
		case "v1":
			if raw, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, raw)
			}
		}
	}
	at, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return ErrSignature
	}
	want := mac(t, body, secret)
	for _, s := range signatures {
		if hmac.Equal(s, want) {
			return checkSignedAt(time.Unix(at, 0), now)
		}
	}
	return ErrSignature
}

func mac(t string, body []byte, secret string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(t + "."))
	m.Write(body)
	return m.Sum(nil)
}
