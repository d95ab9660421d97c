package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/fault"
)

// maxBody is how large a request may be, in bytes.
const maxBody = 64 << 10

// goodKey is what a client may send as Idempotency-Key.
var goodKey = regexp.MustCompile(`^[ -~]{0,128}$`)

var errKeyInvalid = fault.New(fault.Malformed, "idempotency_key_invalid", "an Idempotency-Key has at most 128 characters, all of them printable ASCII")

var errKeyReused = fault.New(fault.Invalid, "idempotency_key_reused", "this Idempotency-Key came with another request before")

// reply is the answer to a POST or PUT.
type reply struct {
	status   int
	location string
	body     any

	// refused, when set, is answered in place of the body although the
	// transaction commits.
	refused error
}

// writer handles one POST or PUT inside a transaction. It may run more than once.
type writer func(c *gin.Context, tx *db.Tx, body []byte) (reply, error)

// write runs a POST or PUT in one transaction. With an Idempotency-Key, the answer is
// stored in that transaction too: the same request under the same key gets the
// same answer and changes nothing, whatever happened to the first answer.
func (s *Server) write(handle writer) gin.HandlerFunc {
	return s.post(func(c *gin.Context, key keyRow, body []byte) (storedAnswer, error) {
		return s.answer(c, key, handle, body)
	})
}

// answerer makes an answer to a POST and stores it under the request's key.
type answerer func(c *gin.Context, key keyRow, body []byte) (storedAnswer, error)

// post reads a POST's body and sends what answer makes of it, once for each key.
func (s *Server) post(answer answerer) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, ok := bodyOf(c, maxBody)
		if !ok {
			return
		}
		key, err := s.keyOf(c, body)
		var said storedAnswer
		if err == nil {
			said, err = answer(c, key, body)
		}
		switch {
		case err != nil:
			s.refuse(c, err)
		case said.Refused != nil:
			s.refuse(c, said.Refused)
		default:
			said.send(c)
		}
	}
}

// bodyOf reads a request's body. When it is larger than most, in bytes, or breaks off,
// the request has been refused and ok is false.
func bodyOf(c *gin.Context, most int64) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, most))
	if err == nil {
		return body, true
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		problem(c, http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("this request has at most %d KiB", most>>10))
		return nil, false
	}
	problem(c, http.StatusBadRequest, "body_unreadable", "the request ended before its body did")
	return nil, false
}

// answer handles the request, or finds what was answered before under its key. Most
// keys are new, so it looks only once a key proves to be taken.
func (s *Server) answer(c *gin.Context, key keyRow, handle writer, body []byte) (out storedAnswer, err error) {
	err = s.DB.Tx(c.Request.Context(), func(tx *db.Tx) error {
		if key.IdemKey != "" {
			if err := tx.Create(&key).Error; err != nil { // also waits for a twin under way
				return err
			}
		}
		r, err := handle(c, tx, body)
		if err != nil {
			return err
		}
		out, err = s.keep(tx, key, r)
		return err
	})
	if errors.Is(err, db.ErrDuplicate) {
		if old, ok, err := s.stored(c, key); ok || err != nil {
			return old, err
		}
	}
	return out, err
}

// storedAnswer is an answer as bytes.
type storedAnswer struct {
	Status   int
	Location string
	Body     []byte
	Refused  error
	Replayed bool
}

func (a storedAnswer) send(c *gin.Context) {
	if a.Location != "" {
		c.Header("Location", a.Location)
	}
	if a.Replayed {
		c.Header("Idempotency-Replayed", "true")
	}
	c.Data(a.Status, "application/json; charset=utf-8", a.Body)
}

// keyRow is one use of an Idempotency-Key. The answer is sealed: it may hold a token.
type keyRow struct {
	Scope       string
	IdemKey     string
	Fingerprint string
	Status      int
	Location    string
	BodySealed  string
	CreatedAt   time.Time
}

// TableName tells gorm where the rows live.
func (keyRow) TableName() string { return "idempotency_keys" }

// keyOf returns the request's Idempotency-Key, within its sender's scope, and
// what it stands for; without the header IdemKey is empty.
func (s *Server) keyOf(c *gin.Context, body []byte) (keyRow, error) {
	key := c.GetHeader("Idempotency-Key")
	if !goodKey.MatchString(key) {
		return keyRow{}, errKeyInvalid
	}
	scope := "anonymous"
	if id := who(c).UserID; id != uuid.Nil {
		scope = id.String()
	}
	sum := sha256.Sum256(append([]byte(c.Request.Method+" "+c.Request.URL.Path+"\n"), body...))
	return keyRow{Scope: scope, IdemKey: key, Fingerprint: hex.EncodeToString(sum[:]), CreatedAt: s.Clock.Now()}, nil
}

// stored finds the answer that was given under a key; without a key there is none.
func (s *Server) stored(c *gin.Context, key keyRow) (answer storedAnswer, ok bool, err error) {
	if key.IdemKey == "" {
		return answer, false, nil
	}
	var old keyRow
	err = s.DB.Read(c.Request.Context()).Where("scope = ? AND idem_key = ?", key.Scope, key.IdemKey).Take(&old).Error
	if errors.Is(err, db.ErrNotFound) {
		return answer, false, nil
	}
	if err != nil {
		return answer, false, err
	}
	if old.Fingerprint != key.Fingerprint {
		return answer, false, errKeyReused
	}
	body, err := s.Box.Open(old.BodySealed)
	return storedAnswer{Status: old.Status, Location: old.Location, Body: body, Replayed: true}, true, err
}

// keep renders a reply and stores it under the request's key. A refusal is not
// stored: the key stays free for another try.
func (s *Server) keep(tx *db.Tx, key keyRow, r reply) (storedAnswer, error) {
	if r.refused != nil {
		_, err := tx.Change("DELETE FROM idempotency_keys WHERE scope = ? AND idem_key = ?", key.Scope, key.IdemKey)
		return storedAnswer{Refused: r.refused}, err
	}
	raw, err := json.Marshal(r.body)
	if err != nil {
		return storedAnswer{}, err
	}
	answer := storedAnswer{Status: r.status, Location: r.location, Body: raw}
	if key.IdemKey == "" {
		return answer, nil
	}
	_, err = tx.Change("UPDATE idempotency_keys SET status = ?, location = ?, body_sealed = ? WHERE scope = ? AND idem_key = ?",
		r.status, r.location, s.Box.Seal(raw), key.Scope, key.IdemKey)
	return answer, err
}

// noFields refuses a body that holds anything.
func noFields(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	_, err := decode[struct{}](body)
	return err
}

// target returns the id in the path of a POST without fields, and has what is
// logged for the request carry it under the given name.
func (s *Server) target(c *gin.Context, body []byte, notFound error, name string) (uuid.UUID, error) {
	if err := noFields(body); err != nil {
		return uuid.Nil, err
	}
	id, err := pathID(c, notFound)
	if err == nil {
		s.annotate(c, slog.String(name, id.String()))
	}
	return id, err
}

// decode reads a JSON object strictly: no unknown fields, nothing behind it.
func decode[T any](body []byte) (in T, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in, fault.New(fault.Malformed, "json_invalid", "there is something behind the JSON object")
	}
	return in, nil
}
