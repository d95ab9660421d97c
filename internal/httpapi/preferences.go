package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/db"
)

type preferencesOut struct {
	SMS bool `json:"sms"`
}

func preferencesOf(p account.Preferences) preferencesOut { return preferencesOut{SMS: !p.SMSOff} }

func (s *Server) getPreferences(c *gin.Context) {
	p, err := s.Accounts.Preferences(c.Request.Context(), who(c).UserID)
	if err != nil {
		s.refuse(c, err)
		return
	}
	c.JSON(http.StatusOK, preferencesOf(p))
}

type preferencesIn struct {
	SMS *bool `json:"sms"`
}

// putPreferences replaces what the user has chosen, so nothing may be left out.
func (s *Server) putPreferences(c *gin.Context, tx *db.Tx, body []byte) (reply, error) {
	in, err := decode[preferencesIn](body)
	if err != nil {
		return reply{}, err
	}
	if in.SMS == nil {
		return reply{}, missing("sms")
	}
	p := account.Preferences{SMSOff: !*in.SMS}
	if err := s.Accounts.Prefer(tx, who(c).UserID, p); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: preferencesOf(p)}, nil
}
