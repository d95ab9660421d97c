package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
)

type preferencesOut struct {
	SMS   bool         `json:"sms"`
	Inbox bool         `json:"inbox"`
	Lang  *notify.Lang `json:"lang"` // null until the user has chosen one
}

func preferencesOf(p account.Preferences) preferencesOut {
	out := preferencesOut{SMS: !p.SMSOff, Inbox: !p.InboxOff}
	if p.Lang != "" {
		out.Lang = &p.Lang
	}
	return out
}

func (s *Server) getPreferences(c *gin.Context) {
	p, err := s.Accounts.Preferences(c.Request.Context(), who(c).UserID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, preferencesOf(p))
}

type preferencesIn struct {
	SMS   *bool        `json:"sms"`
	Inbox *bool        `json:"inbox"`
	Lang  *notify.Lang `json:"lang"`
}

// putPreferences changes what the user has chosen; what is left out stays. The first
// version knew SMS alone and wanted it said, and so it is still.
func (s *Server) putPreferences(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[preferencesIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.SMS == nil {
		return reply{}, missing("sms")
	}
	p, err := s.Accounts.Prefer(tx, who(c).UserID, account.Choice{SMSOff: off(in.SMS), InboxOff: off(in.Inbox), Lang: in.Lang})
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: preferencesOf(p)}, nil
}

// off turns whether something is on into whether it is off.
func off(on *bool) *bool {
	if on == nil {
		return nil
	}
	return new(!*on)
}
